"""Area codes, number ranges and special plates, read from `configs/plates/`.

They change by decree, independently of the code: new provinces got codes in 2024, officials' plates were renamed in 2023. An entry that
is valid from a certain day has that date, and look-ups take a date.
"""

from datetime import date
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec

from etle.config.packaged import configs_folder
from etle.config.strict_yaml import read_yaml
from etle.decoded_types import prepare
from etle.errors import ConfigError
from etle.types import VehicleClass

T = TypeVar("T")


class Area(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where vehicles with this prefix are registered, which need not be where the violation is tried."""

    prefix: str
    area: str
    polda: str
    valid_from: date | None = None


class NumberRange(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    first: int
    last: int
    vehicles: tuple[VehicleClass, ...]


class NumberScheme(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Number ranges for some prefixes; for all other prefixes if the list is empty."""

    prefixes: tuple[str, ...]
    ranges: tuple[NumberRange, ...]


class Corps(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    prefix: str
    kind: str


class Officials(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    first_number: int
    last_number: int
    suffix: str
    valid_from: date


class EndedSuffix(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    suffix: str
    prefixes: tuple[str, ...]
    ended: date


class _Areas(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    source: str
    areas: tuple[Area, ...]


class _Numbers(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    source: str
    schemes: tuple[NumberScheme, ...]


class SpecialPlates(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    source: str
    state_prefix: str
    corps: tuple[Corps, ...]
    countries: dict[str, str]
    officials: Officials
    ended: tuple[EndedSuffix, ...]


prepare(_Areas, _Numbers, SpecialPlates)


class PlateTables(msgspec.Struct, frozen=True, kw_only=True):
    areas: dict[str, Area]
    schemes: tuple[NumberScheme, ...]
    special: SpecialPlates

    def area(self, prefix: str, on: date | None = None) -> Area | None:
        """None if the prefix was not in use on that day; with `on` None, if it was never in use."""
        area = self.areas.get(prefix)
        if area is None or (on is not None and area.valid_from is not None and on < area.valid_from):
            return None
        return area

    def vehicles(self, prefix: str, number: int) -> tuple[VehicleClass, ...]:
        """Vehicle classes that may have this number; empty if no range contains it."""
        own = [scheme for scheme in self.schemes if prefix in scheme.prefixes]
        general = [scheme for scheme in self.schemes if not scheme.prefixes]
        return next(
            (r.vehicles for scheme in (*own, *general)[:1] for r in scheme.ranges if r.first <= number <= r.last),
            (),
        )


def load_tables(folder: Path) -> PlateTables:
    """The tables in a folder with areas.yaml, numbers.yaml and special.yaml. Raises ConfigError."""
    areas = _read(folder / "areas.yaml", _Areas).areas
    by_prefix = {area.prefix: area for area in areas}
    if len(by_prefix) < len(areas):
        raise ConfigError(f"{folder / 'areas.yaml'}: a prefix is given twice")
    return PlateTables(
        areas=by_prefix,
        schemes=_read(folder / "numbers.yaml", _Numbers).schemes,
        special=_read(folder / "special.yaml", SpecialPlates),
    )


@cache
def shipped_tables() -> PlateTables:
    """The tables that ship with etle."""
    return load_tables(configs_folder() / "plates")


def _read(path: Path, shape: type[T]) -> T:
    if not path.exists():
        raise ConfigError(f"{path} is missing")
    try:
        return msgspec.convert(read_yaml(path), shape)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from error
