"""The catalogue of a deployment: weights that were trained on its own data, in its models folder beside those that were downloaded."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Final

from etle.errors import WeightsError
from etle.files import write_atomic
from etle.types import digest_of
from models.weights.catalogue import Weights, catalogue, read_catalogue

LOCAL_CATALOGUE: Final = "catalogue.toml"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsDescription:
    """What the catalogue says about weights, beside their digest and size."""

    name: str
    purpose: str
    licence: str
    measured: tuple[str, ...]


def local_catalogue(folder: Path) -> dict[str, Weights]:
    """By name; empty if nothing was added. Raises WeightsError."""
    path = folder / LOCAL_CATALOGUE
    return read_catalogue(path) if path.exists() else {}


def add_weights(file: Path, description: WeightsDescription, folder: Path) -> Weights:
    """Copies the file into the models folder and adds it to the folder's catalogue. The same file again changes nothing.

    Raises WeightsError: the name is taken by other weights (an entry is never replaced: cases name weights by digest), or is not a name.
    """
    name = description.name
    if not _NAME.fullmatch(name):
        raise WeightsError(f"{name!r} is not a name of weights: small letters, digits, '.', '_' and '-', at most 64")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise WeightsError(f"Weights {file} cannot be read: {error.strerror}") from error
    digest, known = digest_of(data), local_catalogue(folder)
    if name in catalogue() or (name in known and known[name].sha256 != digest):
        raise WeightsError(f"There are other weights {name!r} in the catalogue already: give these another name")
    entry = Weights(
        name=name,
        file=f"{name}{file.suffix}",
        purpose=description.purpose,
        sha256=digest,
        size=len(data),
        licence=description.licence,
        measured=description.measured,
        source="local",
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / entry.file, data)
    _write(folder, [*(other for other in known.values() if other.name != name), entry])
    return entry


def _write(folder: Path, entries: Sequence[Weights]) -> None:
    defaults = {field.name: field.default for field in fields(Weights)}
    lines = ["# Weights of this deployment, added by `etle models add`. Entries are read as those of etle's own catalogue.\n"]
    for entry in entries:
        lines.append("\n[[weights]]\n")
        for key, value in asdict(entry).items():
            if value is not None and value != defaults.get(key):
                lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}\n")
    write_atomic(folder / LOCAL_CATALOGUE, "".join(lines).encode())
