"""Offences and their articles as data, by date.

The law changes (detention was removed on 2 January 2026), and a violation is judged by the law in force on its day. `configs/law/` has
all versions; this module selects the one in force.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from etle.config.strict_yaml import read_yaml, validate
from etle.errors import ConfigError
from etle.types import Article, RuleName


class ArticleVersion(BaseModel):
    """The law in force from `valid_from` to `valid_to`, both days included; `valid_to` is null for the current version."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    valid_from: date
    valid_to: date | None
    law: str
    article: str
    max_fine_idr: int = Field(gt=0)
    detention_months: int = Field(ge=0)

    @model_validator(mode="after")
    def valid_to_is_not_before_valid_from(self) -> "ArticleVersion":
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is before valid_from {self.valid_from}")
        return self


class Offence(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    offence: str
    rule: str
    title_id: str
    title_en: str
    versions: tuple[ArticleVersion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def no_overlap(self) -> "Offence":
        ordered = sorted(self.versions, key=lambda version: version.valid_from)
        for earlier, later in itertools.pairwise(ordered):
            if earlier.valid_to is None or earlier.valid_to >= later.valid_from:
                raise ValueError(f"{self.rule}: the versions from {earlier.valid_from} and from {later.valid_from} overlap")
        return self


class LawFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    offences: tuple[Offence, ...]


@dataclass(frozen=True, slots=True)
class Law:
    """The offences by the rule that detects them."""

    offences: Mapping[RuleName, Offence]

    def article(self, rule: RuleName, at: datetime, timezone: str) -> Article:
        """The article in force on the day of `at` in `timezone`. Raises ConfigError if the law files have none."""
        if rule not in self.offences:
            raise ConfigError(f"the law files have no offence for rule {rule!r}; they have offences for: {', '.join(self.offences)}")
        offence = self.offences[rule]
        day = at.astimezone(ZoneInfo(timezone)).date()
        for version in offence.versions:
            if version.valid_from <= day and (version.valid_to is None or day <= version.valid_to):
                return Article(
                    offence=offence.offence,
                    law=version.law,
                    article=version.article,
                    max_fine_idr=version.max_fine_idr,
                    title_id=offence.title_id,
                    title_en=offence.title_en,
                )
        raise ConfigError(f"the law files have no version of {rule!r} in force on {day}")


def load_law(folder: Path) -> Law:
    """Read all law files of a folder. Raises ConfigError if a file is wrong or a rule is in two of them."""
    offences: dict[RuleName, Offence] = {}
    for path in sorted(folder.glob("*.yaml")):
        for offence in validate(read_yaml(path), LawFile, str(path)).offences:
            if offence.rule in offences:
                raise ConfigError(f"{path}: rule {offence.rule!r} already has an offence")
            offences[RuleName(offence.rule)] = offence
    if not offences:
        raise ConfigError(f"{folder}: has no law file (*.yaml)")
    return Law(offences)
