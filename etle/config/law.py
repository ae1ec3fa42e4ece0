"""Offences and articles as data, bound to the day of the violation.

The law changes (detention left it on 2 January 2026), and a violation is judged by what held on its day. `configs/law/` holds the
versions; this module finds the one in force.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, model_validator

from etle.config.strict_yaml import check, read_yaml
from etle.errors import ConfigError
from etle.types import Article, RuleName


class ArticleVersion(BaseModel):
    """What held from one day to another, both included; `valid_to` is null for what holds now."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    valid_from: date
    valid_to: date | None
    law: str
    article: str
    max_fine_idr: int = Field(gt=0)
    detention_months: int = Field(ge=0)

    @model_validator(mode="after")
    def ends_after_its_beginning(self) -> "ArticleVersion":
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
    """The offences by the rule that sees them."""

    offences: Mapping[RuleName, Offence]

    def article(self, rule: RuleName, at: datetime, timezone: str) -> Article:
        """The article in force on the local day of `at`. Raises ConfigError if the law file has none for it."""
        if rule not in self.offences:
            raise ConfigError(f"no offence in the law file is seen by rule {rule!r}; it has: {', '.join(self.offences)}")
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
        raise ConfigError(f"the law file has no version of {rule!r} that held on {day}")


def load_law(folder: Path) -> Law:
    """All law files of a folder. Raises ConfigError where one is wrong or two name one rule."""
    offences: dict[RuleName, Offence] = {}
    for path in sorted(folder.glob("*.yaml")):
        for offence in check(read_yaml(path), LawFile, str(path)).offences:
            if offence.rule in offences:
                raise ConfigError(f"{path}: rule {offence.rule!r} has an offence already")
            offences[RuleName(offence.rule)] = offence
    if not offences:
        raise ConfigError(f"{folder}: holds no law file (*.yaml)")
    return Law(offences)
