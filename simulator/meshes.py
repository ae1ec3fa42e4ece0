"""Downloads the free vehicle models once into the user's cache.

They are part of the Debian package `sweethome3d-furniture` (CC-BY 3.0 and CC0; README.md names the authors). The repository contains only
original work, so they are not included. Only the models in use are unpacked: 3 MB of 120.
"""

import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "sweethome3d-furniture"
MODELS = (
    "scopia/seat_leon",
    "scopia/renault-scenic",
    "scopia/suv",
    "scopia/cityBus",
    "scopia/bus",
    "scopia/truck",
    "scopia/scooter2",
    "scopia/palm",
    "reallusion/sitMale02",
    "reallusion/sitFemale03",
    "reallusion/boySitting",
)
ATTRIBUTION = """\
The clips in this folder are renderings of a crossing that does not exist, made by `python -m simulator`. Every number plate in
them is drawn at random. They show these models from the Debian package sweethome3d-furniture, scaled and tinted, their number plates and
route signs painted over:

- cars, buses, truck, scooter and palm: by Scopia (scopia.es), CC-BY 3.0, https://creativecommons.org/licenses/by/3.0/
- seated people: by Reallusion, CC-BY 3.0, https://creativecommons.org/licenses/by/3.0/

Lettering: DejaVu fonts. Makers' marks on the models belong to the makers, who have nothing to do with this. The rest is the work of the
etle authors, under the project's licence.
"""


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "etle" / "simulator"


def meshes_in(folder: Path) -> Path:
    """The folder if it contains every model. Raises FileNotFoundError."""
    missing = [model for model in MODELS if not any((folder / model).glob("*.obj"))]
    if missing:
        raise FileNotFoundError(f"{folder} does not contain the models {', '.join(missing)}")
    return folder


def cached_meshes() -> Path:
    """The folder of the cached models, which are downloaded at the first call."""
    folder = cache_folder()
    if not all(any((folder / model).glob("*.obj")) for model in MODELS):
        download(folder)
    return meshes_in(folder)


def download(folder: Path) -> None:
    """Downloads the package with apt-get and unpacks the models with dpkg-deb (Debian or Ubuntu, without root)."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise FileNotFoundError(f"{tool} is not installed: unpack {PACKAGE} on another machine and give its folder with --meshes")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=scratch, check=True)
        package = next(scratch.glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, scratch / "tree"], check=True)
        for catalogue in sorted((scratch / "tree").rglob("*.sh3f")):
            _unpack(catalogue, folder)


def _unpack(catalogue: Path, folder: Path) -> None:
    """An .sh3f file is a ZIP with the models in the author's folder and the licence at the top level."""
    with zipfile.ZipFile(catalogue) as archive:
        names = [n for n in archive.namelist() if not n.endswith("/") and any(n.startswith(f"{model}/") for model in MODELS)]
        for name in names:
            archive.extract(name, folder)
        if names:
            author = names[0].split("/")[0]
            for licence in (n for n in archive.namelist() if n.upper() == "LICENSE.TXT"):
                (folder / author / "LICENSE.TXT").write_bytes(archive.read(licence))
