"""Where the weights are on this machine, and that they are the ones that the catalogue means."""

import os
from collections.abc import Mapping
from functools import lru_cache
from hashlib import file_digest
from pathlib import Path

from etle.errors import WeightsError, WeightsMissing
from etle.types import Digest
from models.weights.catalogue import Weights, catalogue

REPOSITORY = Path(__file__).parents[1] / "data"
"""Weights that we train ourselves ship with the package."""


def models_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """ETLE_MODELS, or `etle/models` among the user's data."""
    if "ETLE_MODELS" in environment:
        return Path(environment["ETLE_MODELS"])
    data = environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "etle" / "models"


def weight(name: str, *, folder: Path | None = None) -> Path:
    """The file of these weights, whose digest was compared with the catalogue's. Raises WeightsMissing, WeightsError."""
    entry = entry_of(name)
    path = place(entry, folder or models_folder())
    try:
        digest = digest_of_file(path)
    except FileNotFoundError:
        raise WeightsMissing(f"Weights {name!r} are missing: {path} is not there. Bring them with: etle models pull {name}") from None
    if digest != entry.sha256:
        raise WeightsError(
            f"{path} is not what the catalogue means by {name!r}: its SHA-256 is {digest}, not {entry.sha256}. "
            f"Delete it and bring it anew with: etle models pull {name}"
        )
    return path


def entry_of(name: str) -> Weights:
    if name not in catalogue():
        raise WeightsError(f"There are no weights {name!r}. There are: {', '.join(catalogue())}")
    return catalogue()[name]


def place(entry: Weights, folder: Path) -> Path:
    return (REPOSITORY if entry.source == "repository" else folder) / entry.file


def digest_of_file(path: Path) -> Digest:
    """Read once per process, and again only when the file has changed. Raises FileNotFoundError."""
    state = path.stat()
    return _digest(path, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=64)
def _digest(path: Path, size: int, changed_ns: int) -> Digest:
    with path.open("rb") as file:
        return Digest(file_digest(file, "sha256").hexdigest())
