"""Fetches the free vehicle models, once, into the user's cache.

They come from the Debian package `sweethome3d-furniture` (CC-BY 3.0 and CC0; README.md names the authors). The tree holds only what we
wrote, so they are not kept here. Only the models in use are unpacked: 3 MB of 120.
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
    """The folder itself if it holds every model; raises if one is missing."""
    missing = [model for model in MODELS if not any((folder / model).glob("*.obj"))]
    if missing:
        raise FileNotFoundError(f"{folder} lacks the models {', '.join(missing)}")
    return folder


def cached_meshes() -> Path:
    """The cached models, downloaded if this is the first time."""
    folder = cache_folder()
    if not all(any((folder / model).glob("*.obj")) for model in MODELS):
        fetch(folder)
    return meshes_in(folder)


def fetch(folder: Path) -> None:
    """Download the package with apt and unpack the models; needs Debian's or Ubuntu's apt-get and dpkg-deb, but no root."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise FileNotFoundError(f"{tool} is not there: unpack {PACKAGE} elsewhere and name the folder with --meshes")
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        scratch.chmod(0o755)
        subprocess.run(["apt-get", "download", "-qq", PACKAGE], cwd=scratch, check=True)
        package = next(scratch.glob(f"{PACKAGE}_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, scratch / "tree"], check=True)
        for catalogue in sorted((scratch / "tree").rglob("*.sh3f")):
            _unpack(catalogue, folder)


def _unpack(catalogue: Path, folder: Path) -> None:
    """An .sh3f is a zip; its models lie under the maker's folder, its licence at the top."""
    with zipfile.ZipFile(catalogue) as archive:
        wanted = [n for n in archive.namelist() if not n.endswith("/") and any(n.startswith(f"{model}/") for model in MODELS)]
        for name in wanted:
            archive.extract(name, folder)
        if wanted:
            maker = wanted[0].split("/")[0]
            for licence in (n for n in archive.namelist() if n.upper() == "LICENSE.TXT"):
                (folder / maker / "LICENSE.TXT").write_bytes(archive.read(licence))
