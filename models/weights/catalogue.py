"""The list of weights, `catalogue.toml`, as values."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from etle.errors import WeightsError
from etle.types import Digest

CATALOGUE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One file of weights. `sha256` and `size` are of the finished file, `member_sha256` of what the wheel has, where that differs."""

    name: str
    file: str
    """Where it lies in the folder of models."""
    purpose: str
    sha256: Digest
    size: int
    licence: str
    measured: tuple[str, ...]
    source: Literal["wheel", "repository"]
    wheel: str = ""
    """`distribution==version`."""
    member: str = ""
    """The file in the wheel."""
    member_sha256: Digest | None = None
    recipe: Literal["copy", "graft"] = "copy"
    graph: str = ""
    """For `graft`: the weights whose graph takes the checkpoint's tensors."""
    classes: tuple[str, ...] = ()
    asked: bool = False
    """Brought only when somebody asks for it."""

    @property
    def member_digest(self) -> Digest:
        return self.member_sha256 or self.sha256

    @property
    def wheel_stem(self) -> str:
        """How the wheel's file name begins."""
        distribution, _, version = self.wheel.partition("==")
        return f"{distribution.replace('-', '_')}-{version}-"


def read_catalogue(path: Path) -> dict[str, Weights]:
    """Each by its name, in the file's order. Raises WeightsError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        entries = msgspec.convert(document["weights"], tuple[Weights, ...])
    except (OSError, tomllib.TOMLDecodeError, KeyError, msgspec.ValidationError) as error:
        raise WeightsError(f"{path}, the catalogue of weights, cannot be read: {error}") from error
    known = Weights.__dataclass_fields__.keys()
    for entry in document["weights"]:
        if unknown := sorted(entry.keys() - known):
            raise WeightsError(f"{path}: {entry['name']} has an unknown key {unknown[0]!r}")
    return {entry.name: entry for entry in entries}


@cache
def catalogue() -> dict[str, Weights]:
    return read_catalogue(CATALOGUE)
