"""Texts of the pages, one YAML file per language, and how each language writes numbers, dates and times.

A missing key raises KeyError, so that the tests find an incomplete page.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import yaml
from fastapi import Request

from etle.types import Measurement

LANGUAGE_COOKIE: Final = "etle_language"
ZONE_NAMES: Final = {
    "Asia/Jakarta": "WIB",
    "Asia/Pontianak": "WIB",
    "Asia/Makassar": "WITA",
    "Asia/Ujung_Pandang": "WITA",
    "Asia/Jayapura": "WIT",
}
COVERAGE_FACTOR: Final = 2
"""Factor k of the intervals shown: about 95 % if the error is normally distributed."""


class Language(StrEnum):
    INDONESIAN = "id"
    ENGLISH = "en"

    @property
    def other(self) -> "Language":
        return Language.ENGLISH if self is Language.INDONESIAN else Language.INDONESIAN


@dataclass(frozen=True, slots=True)
class Translator:
    """Call it with a key to get the text of that key; `values` fill the {places} of the text."""

    language: Language
    texts: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        return self.texts[key].format(**values)

    def get(self, key: str, default: str) -> str:
        """For names that come from data, such as the measurements of a new rule: `default` if there is no text yet."""
        return self.texts.get(key, default)

    def choose(self, indonesian: str, english: str) -> str:
        """For texts that come in both languages from elsewhere, such as the title of an article."""
        return indonesian if self.language is Language.INDONESIAN else english

    def number(self, value: float, digits: int = 0) -> str:
        plain = f"{value:,.{digits}f}".replace("-", "\N{MINUS SIGN}")
        return plain.translate({ord(","): self.texts["number.thousands"], ord("."): self.texts["number.decimal"]})

    def percent(self, probability: float) -> str:
        """Whole percent, truncated instead of rounded: only a probability of 1 is shown as 100 %."""
        return f"{int(probability * 100 + 1e-9)} %"

    def rupiah(self, amount: int) -> str:
        return f"Rp{self.number(amount)}"

    def seconds(self, value: float, digits: int = 1) -> str:
        return self.number(value, digits)

    def signed_seconds(self, value: float, digits: int = 1) -> str:
        return ("+" if value > 0 else "") + self.number(value, digits)

    def day(self, day: date) -> str:
        """As it is typed into a filter: 24/11/2026."""
        return f"{day:%d/%m/%Y}"

    def date(self, moment: datetime, timezone: str) -> str:
        local = moment.astimezone(ZoneInfo(timezone))
        return f"{self.texts[f'day.{local.isoweekday()}']} {local.day} {self.texts[f'month.{local.month}']} {local.year}"

    def time(self, moment: datetime, timezone: str, digits: int = 0) -> str:
        """Local time of day with the usual short name of its time zone."""
        local = moment.astimezone(ZoneInfo(timezone))
        fraction = f"{local.microsecond:06d}"[:digits]
        clock = f"{local:%H:%M:%S}" + (self.texts["number.decimal"] + fraction if digits else "")
        return f"{clock} {zone_name(local, timezone)}"

    def date_time(self, moment: datetime, timezone: str) -> str:
        return f"{self.date(moment, timezone)} {self.time(moment, timezone)}"

    def interval(self, measurement: Measurement) -> str:
        """`4,51 ± 0,08 s`, with as many decimals as the uncertainty justifies."""
        if measurement.uncertainty is None:
            return f"{self.number(measurement.value, 1)} {measurement.unit}"
        half_width = COVERAGE_FACTOR * measurement.uncertainty
        digits = decimals_for(half_width)
        return f"{self.number(measurement.value, digits)} ± {self.number(half_width, digits)} {measurement.unit}"


def decimals_for(half_width: float) -> int:
    """Number of decimals, at most three, that show two significant digits of `half_width` below 10 and whole numbers above."""
    for digits, limit in enumerate((10.0, 1.0, 0.1)):
        if half_width >= limit:
            return digits
    return 3 if half_width > 0 else 2


def zone_name(local: datetime, timezone: str) -> str:
    return ZONE_NAMES.get(timezone) or f"UTC{local:%z}"


@cache
def translator(language: Language) -> Translator:
    text = files("review").joinpath("texts", f"{language}.yaml").read_text("utf-8")
    return Translator(language, yaml.safe_load(text))


def translator_of(request: Request) -> Translator:
    """In the language of the request's cookie, else in Indonesian."""
    english = request.cookies.get(LANGUAGE_COOKIE) == Language.ENGLISH
    return translator(Language.ENGLISH if english else Language.INDONESIAN)
