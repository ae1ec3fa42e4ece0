"""Comparisons of runs of reprocessing with the cases or with each other: pages for supervisors.

A comparison is made whole, so that its totals are exact, and kept for a minute, so that its further pages need not be made again. One with
more violations than that takes seconds, and has to be narrowed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Lock
from typing import Final

from etle.protocols import CaseStore, Clock, EvidenceStore
from etle.runs.compare import ComparedPair, ComparedRange, ComparedViolation, RunComparison, compare_runs
from etle.storage.runs import LIVE, PostgresRuns
from etle.types import ViolationId

MAX_COMPARED: Final = 5000
"""Violations of one side: five cameras with thirty a day for a month."""
KEPT_S: Final = 60.0
_MAX_KEPT: Final = 8

Place = tuple[datetime, ViolationId]
"""Where an entry of a comparison stands in it: its time and its id."""


class ComparisonKind(StrEnum):
    """The lists of a comparison."""

    CHANGED = "changed"
    ONLY_A = "only_a"
    ONLY_B = "only_b"


class TooManyCompared(Exception):
    """The range has more violations than are compared at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRequest:
    a: str
    b: str
    within: ComparedRange


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonEntry:
    """What one of the runs or both found."""

    a: ComparedViolation | None
    b: ComparedViolation | None
    pair: ComparedPair | None
    """None if only one found it."""

    @property
    def place(self) -> Place:
        found = self.a or self.b
        assert found is not None, "one of both found it"
        return found.occurred_at, found.id


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonPage:
    entries: Sequence[ComparisonEntry]
    has_previous: bool
    has_next: bool


class RunComparisons:
    """Makes comparisons and keeps the latest for a while. Safe to use from several threads."""

    def __init__(self, runs: PostgresRuns, cases: CaseStore, files: Callable[[str], EvidenceStore], clock: Clock) -> None:
        """`files`: opens the files of a run."""
        self.runs = runs
        self.files = files
        self._cases = cases
        self._clock = clock
        self._kept: dict[ComparisonRequest, tuple[datetime, RunComparison]] = {}
        self._lock = Lock()

    def compare(self, request: ComparisonRequest) -> RunComparison:
        """At most a minute old. Raises KeyError for an unknown run, TooManyCompared, StoreUnavailable."""
        now = self._clock.now()
        with self._lock:
            kept = self._kept.get(request)
        if kept is not None and now - kept[0] < timedelta(seconds=KEPT_S):
            return kept[1]
        if any(self._count(name, request.within) > MAX_COMPARED for name in (request.a, request.b)):
            raise TooManyCompared
        made = compare_runs(self.runs, self._cases, request.a, request.b, request.within)
        with self._lock:
            self._kept[request] = now, made
            while len(self._kept) > _MAX_KEPT:
                del self._kept[min(self._kept, key=lambda each: self._kept[each][0])]
        return made

    def _count(self, name: str, within: ComparedRange) -> int:
        if name == LIVE:
            return self._cases.found(camera=within.camera, since=within.since, until=within.until, limit=MAX_COMPARED + 1)
        return self.runs.found(name, since=within.since, until=within.until, limit=MAX_COMPARED + 1)


def entries_of(comparison: RunComparison, kind: ComparisonKind) -> list[ComparisonEntry]:
    """In the order of their times."""
    return sorted(_entries(comparison, kind), key=lambda entry: entry.place)


def page_of(entries: Sequence[ComparisonEntry], size: int, after: Place | None, before: Place | None) -> ComparisonPage:
    """The first entries, those just behind the place `after`, or those just before the place `before`."""
    if before is not None:
        earlier = [entry for entry in entries if entry.place < before]
        return ComparisonPage(entries=earlier[-size:], has_previous=len(earlier) > size, has_next=len(earlier) < len(entries))
    later = [entry for entry in entries if after is None or entry.place > after]
    return ComparisonPage(entries=later[:size], has_previous=len(later) < len(entries), has_next=len(later) > size)


def _entries(comparison: RunComparison, kind: ComparisonKind) -> Iterator[ComparisonEntry]:
    if kind is ComparisonKind.CHANGED:
        yield from (ComparisonEntry(a=pair.a, b=pair.b, pair=pair) for pair in comparison.changed)
    elif kind is ComparisonKind.ONLY_A:
        yield from (ComparisonEntry(a=each, b=None, pair=None) for each in comparison.only_a)
    else:
        yield from (ComparisonEntry(a=None, b=each, pair=None) for each in comparison.only_b)
