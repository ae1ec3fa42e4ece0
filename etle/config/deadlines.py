"""Deadlines of the ETLE process as data, per Polda and by date.

All count whole days from the day of the violation at its place (H), and end with that day: `letter_days: 3` is the end of H+3.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final, Self
from zoneinfo import ZoneInfo

from pydantic import Field, model_validator

from etle.config.strict_yaml import Name, Section
from etle.types import Deadline, DeadlineStep, LetterDeadlinePeriod

_MAX_DAYS: Final = 365


class DeadlineVersion(Section):
    """The days in force for violations from `valid_from` to `valid_to`, both included; `valid_to` is null for the current version."""

    valid_from: date
    valid_to: date | None
    source: str = Field(min_length=1, description="The regulation or announcement that sets the days.")
    letter_days: int = Field(ge=0, le=_MAX_DAYS, description="Until when the confirmation letter is sent.")
    confirmation_days: int = Field(ge=0, le=_MAX_DAYS, description="Until when the owner confirms.")
    block_unconfirmed_days: int = Field(ge=0, le=_MAX_DAYS, description="After which the STNK of an owner who did not confirm is blocked.")
    block_unpaid_days: int = Field(ge=0, le=_MAX_DAYS, description="After which the STNK is blocked if the fine is not paid.")

    @model_validator(mode="after")
    def in_order(self) -> Self:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is before valid_from {self.valid_from}")
        for (earlier, one), (later, two) in itertools.pairwise(self.days.items()):
            if one > two:
                raise ValueError(f"{later}_days ({two}) end before {earlier}_days ({one})")
        return self

    @property
    def days(self) -> Mapping[DeadlineStep, int]:
        """In the order in which they end."""
        return {step: getattr(self, f"{step}_days") for step in DeadlineStep}

    def holds_on(self, day: date) -> bool:
        return self.valid_from <= day and (self.valid_to is None or day <= self.valid_to)


class PoldaDeadlines(Section):
    """The deadlines of one Polda in all their versions; those of every other Polda if `polda` is null."""

    polda: Name | None
    name: str
    versions: tuple[DeadlineVersion, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def no_overlap(self) -> Self:
        ordered = sorted(self.versions, key=lambda version: version.valid_from)
        for earlier, later in itertools.pairwise(ordered):
            if earlier.valid_to is None or earlier.valid_to >= later.valid_from:
                raise ValueError(f"{self.name}: the versions from {earlier.valid_from} and from {later.valid_from} overlap")
        return self


class DeadlineFile(Section):
    """A file with the deadlines of Poldas, which replace those that ship with etle."""

    deadlines: tuple[PoldaDeadlines, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class DeadlineTable:
    """The deadlines by Polda; None: of every Polda that has none of its own."""

    poldas: Mapping[str | None, PoldaDeadlines]

    def deadlines(self, polda: str | None, occurred_at: datetime, timezone: str) -> tuple[Deadline, ...]:
        """Those of a violation, in the order in which they end; none if no version was in force on its day."""
        zone = ZoneInfo(timezone)
        day = occurred_at.astimezone(zone).date()
        version = next((each for each in self._versions(polda) if each.holds_on(day)), None)
        if version is None:
            return ()
        return tuple(Deadline(step=step, ends_at=_end_of(day + timedelta(days=days), zone)) for step, days in version.days.items())

    def letter_periods(self, timezone: str) -> Sequence[LetterDeadlinePeriod]:
        """When letters are due, for a list of cases in that order. Versions begin and end with the days of `timezone`."""
        zone = ZoneInfo(timezone)
        named = tuple(polda for polda in self.poldas if polda is not None)
        return tuple(
            LetterDeadlinePeriod(
                polda=polda,
                except_poldas=named if polda is None else (),
                since=datetime.combine(version.valid_from, time(), zone),
                until=_end_of(version.valid_to, zone) if version.valid_to else None,
                days=version.letter_days,
            )
            for polda, entry in self.poldas.items()
            for version in entry.versions
        )

    def _versions(self, polda: str | None) -> Iterator[DeadlineVersion]:
        entry = self.poldas.get(polda) or self.poldas.get(None)
        yield from entry.versions if entry else ()


def _end_of(day: date, zone: ZoneInfo) -> datetime:
    """Exclusive: the first moment of the next day."""
    return datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
