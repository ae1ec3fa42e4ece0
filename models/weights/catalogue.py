"""Reads the catalogue of weights, `catalogue.toml`."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from etle.decoded_types import prepare
from etle.errors import WeightsError
from etle.types import Digest

CATALOGUE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One file of weights. `sha256` and `size`: of the final file; `member_sha256`: of the file in the wheel, if it differs."""

    name: str
    file: str
    """Path in the models folder."""
    purpose: str
    sha256: Digest
    size: int
    licence: str
    measured: tuple[str, ...]
    source: Literal["wheel", "repository", "local"]
    """`local`: added by `etle models add`."""
    wheel: str = ""
    """`distribution==version`."""
    member: str = ""
    """Path of the file in the wheel."""
    member_sha256: Digest | None = None
    recipe: Literal["copy", "convert"] = "copy"
    """`convert`: from a torch checkpoint to ONNX."""
    graph: str = ""
    """For `convert`: name of the weights whose graph receives the tensors of the checkpoint."""
    classes: tuple[str, ...] = ()
    optional: bool = False
    """Downloaded only by name or with --all."""

    @property
    def member_digest(self) -> Digest:
        return self.member_sha256 or self.sha256

    @property
    def wheel_stem(self) -> str:
        """Prefix of the wheel's file name."""
        distribution, _, version = self.wheel.partition("==")
        return f"{distribution.replace('-', '_')}-{version}-"


prepare(Weights)


def read_catalogue(path: Path) -> dict[str, Weights]:
    """Weights by name, in the order of the file. Raises WeightsError."""
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
