"""Offences and their articles as data, by date; and the deadlines of what follows (`etle.config.deadlines`).

The law changes (detention was removed on 2 January 2026), and a violation is judged by the law in force on its day. `configs/law/` has
all versions; this module selects the one in force. One article threatens several offences, so that the files state its punishment once.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final, Protocol, Self, TypeVar
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from etle.config.deadlines import DeadlineFile, DeadlineTable, PoldaDeadlines
from etle.config.strict_yaml import Section, read_yaml, validate
from etle.errors import ConfigError
from etle.types import Article, Deadline, RuleName

NameT = TypeVar("NameT", str, str | None)
ValueT = TypeVar("ValueT")
_LLAJ_FROM: Final = date(2009, 6, 22)
"""From this day on UU 22/2009 is in force."""


class FineCategory(Section):
    """A category of fines of the criminal code (KUHP)."""

    category: str
    max_idr: int = Field(gt=0)
    law: str
    article: str


class PenaltyVersion(Section):
    """The punishment in force from `valid_from` to `valid_to`, both days included; `valid_to` is null for the current version."""

    valid_from: date
    valid_to: date | None
    law: str
    max_fine_idr: int = Field(ge=0)
    fine_category: str | None = Field(None, description="Category of the criminal code into which the fine falls since 2026.")
    detention_months: int = Field(ge=0)

    @model_validator(mode="after")
    def valid_to_is_not_before_valid_from(self) -> Self:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is before valid_from {self.valid_from}")
        return self


class Penalty(Section):
    """An article that threatens a punishment, in all its versions."""

    article: str
    versions: tuple[PenaltyVersion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def has_fines(self) -> Self:
        if any(version.max_fine_idr == 0 for version in self.versions):
            raise ValueError(f"{self.article}: max_fine_idr must be greater than 0")
        return self

    @model_validator(mode="after")
    def no_overlap(self) -> Self:
        ordered = sorted(self.versions, key=lambda version: version.valid_from)
        for earlier, later in itertools.pairwise(ordered):
            if earlier.valid_to is None or earlier.valid_to >= later.valid_from:
                raise ValueError(f"{self.article}: the versions from {earlier.valid_from} and from {later.valid_from} overlap")
        return self


class OffenceEntry(Section):
    """What a rule reports. `penalty`: the article that threatens the punishment; `duty`: the article whose duty was breached.

    `power` instead of both: the article that lets the police act, where the rule reports no offence. Its fine is 0.
    """

    rule: str
    offence: str
    penalty: str | None = None
    duty: str | None = None
    power: str | None = None
    title_id: str
    title_en: str

    @model_validator(mode="after")
    def is_an_offence_or_a_power(self) -> Self:
        if (self.penalty is None) != (self.duty is None) or (self.penalty is None) == (self.power is None):
            raise ValueError(f"rule {self.rule!r}: give `penalty` and `duty`, or `power` alone")
        return self


class LawFile(Section):
    """A file of `configs/law/`. An offence may name a penalty, and a penalty a fine category, of another file."""

    fine_categories: tuple[FineCategory, ...] = ()
    penalties: tuple[Penalty, ...] = ()
    offences: tuple[OffenceEntry, ...] = ()
    deadlines: tuple[PoldaDeadlines, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """What a rule reports, with all versions of the punishment. `article`: as it is cited, punishment and duty."""

    offence: str
    rule: RuleName
    article: str
    title_id: str
    title_en: str
    versions: tuple[PenaltyVersion, ...]


class OffenceOccurrence(Protocol):
    """What tells the deadlines of a violation: a Violation, or a CaseSummary."""

    @property
    def article(self) -> Article: ...
    @property
    def polda(self) -> str | None: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def timezone(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Law:
    """The offences by the rule that detects them, and the deadlines by Polda."""

    offences: Mapping[RuleName, Offence]
    deadline_table: DeadlineTable

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
                    article=offence.article,
                    max_fine_idr=version.max_fine_idr,
                    title_id=offence.title_id,
                    title_en=offence.title_en,
                )
        raise ConfigError(f"the law files have no version of {rule!r} in force on {day}")

    def deadlines(self, violation: OffenceOccurrence) -> tuple[Deadline, ...]:
        """In the order in which they end; none if the law files have none for its day, and for a hit of the watch list, no offence."""
        if not violation.article.max_fine_idr:
            return ()
        return self.deadline_table.deadlines(violation.polda, violation.occurred_at, violation.timezone)


def load_law(folder: Path, deadlines: Path | None = None) -> Law:
    """Read all law files of a folder. `deadlines`: a file whose Poldas have its deadlines instead of those of the folder.

    Raises ConfigError if a file is wrong, a rule, article or Polda is in two of them, an offence names a penalty that none has, or a fine
    exceeds its category.
    """
    files = {str(path): validate(read_yaml(path), LawFile, str(path)) for path in sorted(folder.glob("*.yaml"))}
    limits = _unique((path, each.category, each.max_idr) for path, file in files.items() for each in file.fine_categories)
    penalties = _unique((path, each.article, each.versions) for path, file in files.items() for each in file.penalties)
    for article, versions in penalties.items():
        _check_categories(article, versions, limits)
    offences = _unique((path, each.rule, _offence(path, each, penalties)) for path, file in files.items() for each in file.offences)
    if not offences:
        raise ConfigError(f"{folder}: has no law file (*.yaml) with offences")
    shipped = _unique((path, each.polda, each) for path, file in files.items() for each in file.deadlines)
    own = validate(read_yaml(deadlines), DeadlineFile, str(deadlines)).deadlines if deadlines else ()
    table = DeadlineTable(shipped | _unique((str(deadlines), each.polda, each) for each in own))
    return Law({RuleName(rule): offence for rule, offence in offences.items()}, table)


def _unique(entries: Iterable[tuple[str, NameT, ValueT]]) -> dict[NameT, ValueT]:
    """The values by name, from (path, name, value). Raises ConfigError if a name is given twice."""
    found: dict[NameT, ValueT] = {}
    for path, name, value in entries:
        if name in found:
            raise ConfigError(f"{path}: {name!r} is given twice")
        found[name] = value
    return found


def _check_categories(article: str, versions: tuple[PenaltyVersion, ...], limits: Mapping[str, int]) -> None:
    for version in versions:
        if version.fine_category is None:
            continue
        if version.fine_category not in limits:
            raise ConfigError(f"{article}: there is no fine category {version.fine_category!r}; there are: {', '.join(limits) or 'none'}")
        if version.max_fine_idr > limits[version.fine_category]:
            raise ConfigError(f"{article}: a fine of {version.max_fine_idr} exceeds category {version.fine_category}")


def _offence(path: str, entry: OffenceEntry, penalties: Mapping[str, tuple[PenaltyVersion, ...]]) -> Offence:
    if entry.power is not None:
        versions = (PenaltyVersion(valid_from=_LLAJ_FROM, valid_to=None, law="UU 22/2009", max_fine_idr=0, detention_months=0),)
        return Offence(
            offence=entry.offence,
            rule=RuleName(entry.rule),
            article=entry.power,
            title_id=entry.title_id,
            title_en=entry.title_en,
            versions=versions,
        )
    if entry.penalty is None or entry.penalty not in penalties:
        raise ConfigError(f"{path}: rule {entry.rule!r} names {entry.penalty!r}, which is not among the penalties: {', '.join(penalties)}")
    return Offence(
        offence=entry.offence,
        rule=RuleName(entry.rule),
        article=f"{entry.penalty} jo. {entry.duty}",
        title_id=entry.title_id,
        title_en=entry.title_en,
        versions=penalties[entry.penalty],
    )
