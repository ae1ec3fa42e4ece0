"""What the pages say: one file of texts per language, and how numbers and moments are written in it.

A key that is not there raises: a page with a hole in it is found by the tests, not by an officer.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import yaml

from etle.types import Measurement

ZONE_NAMES: Final = {
    "Asia/Jakarta": "WIB",
    "Asia/Pontianak": "WIB",
    "Asia/Makassar": "WITA",
    "Asia/Ujung_Pandang": "WITA",
    "Asia/Jayapura": "WIT",
}
COVERAGE: Final = 2
"""Factor k of the intervals shown: about 95 % where the error is normal."""


class Language(StrEnum):
    INDONESIAN = "id"
    ENGLISH = "en"

    @property
    def other(self) -> "Language":
        return Language.ENGLISH if self is Language.INDONESIAN else Language.INDONESIAN


@dataclass(frozen=True, slots=True)
class Wording:
    language: Language
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        return self.texts[key].format(**values)

    def known(self, key: str, otherwise: str) -> str:
        """For names that come from elsewhere, such as a new rule's quantities: `otherwise` where there is no text yet."""
        return self.texts.get(key, otherwise)

    def number(self, value: float, digits: int = 0) -> str:
        plain = f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")
        return plain.translate({ord(","): self.texts["number.thousands"], ord("."): self.texts["number.decimal"]})

    def percent(self, probability: float) -> str:
        """A whole number of percent, cut off rather than rounded: only what is certain is 100 %."""
        return f"{int(probability * 100 + 1e-9)} %"

    def rupiah(self, amount: int) -> str:
        return f"Rp{self.number(amount)}"

    def seconds(self, value: float, digits: int = 1) -> str:
        return self.number(value, digits)

    def signed_seconds(self, value: float, digits: int = 1) -> str:
        return ("+" if value > 0 else "") + self.number(value, digits)

    def date(self, moment: datetime, timezone: str) -> str:
        local = moment.astimezone(ZoneInfo(timezone))
        return f"{self.texts[f'day.{local.isoweekday()}']} {local.day} {self.texts[f'month.{local.month}']} {local.year}"

    def time(self, moment: datetime, timezone: str, digits: int = 0) -> str:
        """Time of day, with its zone's usual short name."""
        local = moment.astimezone(ZoneInfo(timezone))
        fraction = f"{local.microsecond:06d}"[:digits]
        clock = f"{local:%H:%M:%S}" + (self.texts["number.decimal"] + fraction if digits else "")
        return f"{clock} {zone_name(local, timezone)}"

    def interval(self, measurement: Measurement) -> str:
        """`4,51 ± 0,08 s`: as many digits as the uncertainty deserves."""
        if measurement.uncertainty is None:
            return f"{self.number(measurement.value, 1)} {measurement.unit}"
        half = COVERAGE * measurement.uncertainty
        digits = digits_for(half)
        return f"{self.number(measurement.value, digits)} ± {self.number(half, digits)} {measurement.unit}"


def digits_for(half_width: float) -> int:
    """Decimals that show two figures of it (one from 3 up in the first place), at most three."""
    for digits, least in enumerate((10.0, 1.0, 0.1)):
        if half_width >= least:
            return digits
    return 3 if half_width > 0 else 2


def zone_name(local: datetime, timezone: str) -> str:
    return ZONE_NAMES.get(timezone) or f"UTC{local:%z}"


@cache
def wording(language: Language) -> Wording:
    text = files("review").joinpath("texts", f"{language}.yaml").read_text("utf-8")
    return Wording(language, yaml.safe_load(text))
