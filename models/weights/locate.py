"""Locates weights on this machine and verifies them against the catalogue."""

import os
from collections.abc import Mapping
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path
from typing import Final

from etle.errors import WeightsError, WeightsMissing
from etle.types import Digest
from models.weights.catalogue import Weights, catalogue
from models.weights.local import local_catalogue

CATALOGUE_SCHEME: Final = "catalogue"
PACKAGED = Path(__file__).parents[1] / "data"
"""Folder of the weights that are part of the package."""


def models_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """ETLE_MODELS, or `etle/models` in the user's data folder."""
    if "ETLE_MODELS" in environment:
        return Path(environment["ETLE_MODELS"])
    data = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "etle" / "models"


def weight(name: str, *, folder: Path | None = None) -> Path:
    """Path of the weights, verified against the digest in the catalogue. Raises WeightsMissing, WeightsError."""
    folder = folder or models_folder()
    entry = entry_of(name, folder)
    path = path_of(entry, folder)
    try:
        digest = digest_of_file(path)
    except FileNotFoundError:
        raise WeightsMissing(f"Weights {name!r} are missing: {path} does not exist. Download them with: etle models pull {name}") from None
    if digest != entry.sha256:
        raise WeightsError(
            f"{path} differs from {name!r} in the catalogue: its SHA-256 is {digest}, not {entry.sha256}. "
            f"Delete it and download it again with: etle models pull {name}"
        )
    return path


def weights_file(named: Path) -> Path:
    """The file that a site file names: a path, or `catalogue:NAME` for weights in the catalogue, which are verified.

    Raises WeightsMissing, WeightsError.
    """
    scheme, _, name = named.name.partition(":")  # paths of a site file are made absolute
    return weight(name) if scheme == CATALOGUE_SCHEME else named


def entry_of(name: str, folder: Path | None = None) -> Weights:
    """From etle's own catalogue or that of the models folder. Raises WeightsError that lists the known names."""
    entries = catalogue()
    if name not in entries:
        entries = {**entries, **local_catalogue(folder or models_folder())}
    if name not in entries:
        raise WeightsError(f"There are no weights {name!r}. There are: {', '.join(entries)}")
    return entries[name]


def path_of(entry: Weights, folder: Path) -> Path:
    return (PACKAGED if entry.source == "repository" else folder) / entry.file


def digest_of_file(path: Path) -> Digest:
    """SHA-256, cached until size or modification time change. Raises FileNotFoundError."""
    state = path.stat()
    return _digest(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed_ns: int) -> Digest:
    with path.open("rb") as file:
        return Digest(file_digest(file, "sha256").hexdigest())
