"""What a signal showed over time: runs of equal readings, and the red phases that they prove.

A red phase is proven from its first red reading to its last one and no further: what the signal showed between the last red and the
first green reading is unknown. One green reading ends a red phase. `unknown` readings inside it are bridged if red is read again soon.
A false red accuses an innocent driver, so every doubt makes a phase shorter or removes it.

A green lamp that goes out leaves a faint light for a while, in the lamp and in the video's coding. Weak readings of green that follow clear
ones therefore end a red, but do not move the beginning of the next one as far as clear ones.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from etle.clock import seconds_between
from etle.types import Lamp, SignalReading
from pipeline.scene.judgement import LampState

CONFIRM_S: Final = 0.15
"""Shortest red phase: two readings at 10 frames per second."""
BRIDGE_S: Final = 2.0
"""Longest time without a reading inside one red phase: no signal plan has a shorter cycle."""
UNSEEN_S: Final = 0.6
"""At one moment the signal is red only if red was read before and after it at most this far apart."""
MIN_AMBER_S: Final = 2.0
"""After the last green reading amber takes at least this long (3 s by Permenhub 49/2014): an earlier red reading is a misread amber."""
UNREAD_AMBER_S: Final = 1.0
UNREAD_AMBER_LENGTH_S: Final = 3.0
"""If no amber was read, the signal must have been unreadable for this long before the red (for MIN_AMBER_S if it showed a faint green), and
amber is taken to last 3 s."""
CLEAR: Final = 0.9
"""A reading of green with this score is clear."""
MAX_FADE_S: Final = 4.0
"""Weak readings of green for longer after the last clear one are no light that goes out: amber is shorter."""
AFTER_FAINT_S: Final = 1.0
"""After the last weak reading of green the red begins this much later at the earliest."""
AMBER_MISREAD_S: Final = 0.3
"""A shorter amber between two reds is a misreading of the red."""
ALTERNATION_S: Final = 2.0
"""A second amber this soon after a misread one ends the red: a lamp that is read red and amber in turn may be either."""
MAX_AMBER_S: Final = 6.0
"""Amber that was read for longer is flashing or stuck: no signal plan has more than 5 s."""
AFTER_FLASHING_S: Final = 3.0
"""After flashing amber a signal starts with red in all directions: until then nobody could know that it is in force again."""
MIN_RED_S: Final = 2.0
"""No red ends sooner: a shorter one between other lamps is a misreading."""
KEEP_S: Final = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalRun:
    """Consecutive equal readings. `score` is that of the first one."""

    lamp: Lamp
    first_at: datetime
    last_at: datetime
    score: float
    clear_at: datetime | None = None
    """The last clear reading."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedPhase:
    """One red, proven from `began_at` to `last_at`."""

    began_at: datetime
    """Latest time at which it can have begun: its first reading, or the end of the shortest amber after the last green."""
    last_at: datetime
    """Its last reading so far."""
    after_amber: bool
    """Whether an amber of plausible length was read before it; False also for a red that was on when the readings began."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalHistory:
    """The readings of one signal over the last three minutes, as runs, oldest first."""

    runs: tuple[SignalRun, ...] = ()

    def with_reading(self, reading: SignalReading) -> "SignalHistory":
        """Add a reading; readings are added in the order of time."""
        at = reading.captured_at
        clear_at = at if reading.score >= CLEAR else None
        if self.runs and self.runs[-1].lamp is reading.lamp:
            last = self.runs[-1]
            return SignalHistory(runs=(*self.runs[:-1], replace(last, last_at=at, clear_at=clear_at or last.clear_at)))
        added = SignalRun(lamp=reading.lamp, first_at=at, last_at=at, score=reading.score, clear_at=clear_at)
        return SignalHistory(runs=(*(run for run in self.runs if seconds_between(run.last_at, at) <= KEEP_S), added))

    def red_phase(self, start: datetime, end: datetime) -> RedPhase | None:
        """The red phase that is proven from `start` to `end`; None if there is none, or if red has not been read at or after `end` yet."""
        return next((phase for phase in self._red_phases() if phase.began_at <= start and end <= phase.last_at), None)

    def red_at(self, at: datetime) -> bool:
        """Whether red was read at most 0.6 s apart before and after `at`, with nothing but `unknown` between."""
        told = [run for run in self.runs if run.lamp is not Lamp.UNKNOWN]
        before = next((run for run in reversed(told) if run.first_at <= at), None)
        after = next((run for run in told if run.last_at >= at), None)
        if before is None or after is None or not before.lamp is after.lamp is Lamp.RED:
            return False
        return before is after or seconds_between(before.last_at, after.first_at) <= UNSEEN_S

    def state_at(self, at: datetime) -> LampState | None:
        """What was last read at `at`, and since when; None if nothing was read by then. An `unknown` between two readings of one lamp that
        are at most 0.6 s apart is that lamp."""
        index = next((i for i in range(len(self.runs) - 1, -1, -1) if self.runs[i].first_at <= at), None)
        if index is None:
            return None
        run = self.runs[index]
        if run.lamp is Lamp.UNKNOWN and 0 < index < len(self.runs) - 1:
            before, after = self.runs[index - 1], self.runs[index + 1]
            if before.lamp is after.lamp and seconds_between(before.last_at, after.first_at) <= UNSEEN_S:
                return LampState(before.lamp, before.first_at)
        return LampState(run.lamp, run.first_at)

    def during(self, start: datetime, end: datetime) -> tuple[SignalReading, ...]:
        """The change that began the state at `start`, and the changes up to `end`, for people to read: without single misreadings."""
        changes: list[SignalReading] = []
        for run in self._without_misreadings():
            if not changes or changes[-1].lamp is not run.lamp:
                changes.append(SignalReading(captured_at=run.first_at, lamp=run.lamp, score=run.score))
        before = [change for change in changes if change.captured_at <= start]
        return (*before[-1:], *(change for change in changes if start < change.captured_at <= end))

    def _without_misreadings(self) -> Iterator[SignalRun]:
        """The runs without those that are shorter than CONFIRM_S and stand between two runs of one lamp."""
        for before, run, after in zip((None, *self.runs), self.runs, (*self.runs[1:], None), strict=False):
            between_same = before is not None and after is not None and before.lamp is after.lamp
            if not between_same or seconds_between(run.first_at, run.last_at) + 1e-6 >= CONFIRM_S:
                yield run

    def _red_phases(self) -> Iterator[RedPhase]:
        reds: list[SignalRun] = []
        before = _Before()
        for run in self.runs:
            if run.lamp is Lamp.RED:
                if reds and seconds_between(reds[-1].last_at, run.first_at) > BRIDGE_S:
                    yield from _proven(reds, before)
                    reds, before = [], replace(before, ambers=())
                reds.append(run)
            elif run.lamp is Lamp.YELLOW and _is_misread_red(run, reds, before.misread_at):
                before = replace(before, misread_at=run.last_at)
            elif run.lamp is not Lamp.UNKNOWN:
                lasted = _length_s(reds) + 1e-6 >= MIN_RED_S
                if lasted:
                    yield from _proven(reds, before)
                before, reds = before.ended_by(run, lasted=lasted), []
        yield from _proven(reds, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Before:
    """What was read before a red."""

    green_at: datetime | None = None
    """Last reading of green."""
    clear_at: datetime | None = None
    """Last clear reading of green."""
    ambers: tuple[SignalRun, ...] = ()
    """The first and the last run of amber since then, or since the last red that was none of its misreadings."""
    misread_at: datetime | None = None
    """Last amber that was taken for a misread red."""

    def ended_by(self, run: SignalRun, *, lasted: bool) -> "_Before":
        """After a run of green or amber that ended a red, which `lasted` or was a misreading."""
        if run.lamp is Lamp.GREEN:
            return replace(self, green_at=run.last_at, clear_at=run.clear_at or self.clear_at, ambers=())
        return replace(self, ambers=(run, run) if lasted or not self.ambers else (self.ambers[0], run))

    @property
    def green_end(self) -> datetime | None:
        """Last reading of green that was no light going out."""
        if self.green_at is None or self.clear_at is None or seconds_between(self.clear_at, self.green_at) > MAX_FADE_S:
            return self.green_at
        return self.clear_at

    @property
    def is_flashing(self) -> bool:
        return bool(self.ambers) and seconds_between(self.ambers[0].first_at, self.ambers[-1].last_at) > MAX_AMBER_S


def _is_misread_red(amber: SignalRun, reds: list[SignalRun], misread_at: datetime | None) -> bool:
    alternates = misread_at is not None and seconds_between(misread_at, amber.first_at) <= ALTERNATION_S
    return bool(reds) and not alternates and seconds_between(amber.first_at, amber.last_at) < AMBER_MISREAD_S


def _length_s(runs: list[SignalRun]) -> float:
    return seconds_between(runs[0].first_at, runs[-1].last_at) if runs else 0.0


def _proven(reds: list[SignalRun], before: _Before) -> Iterator[RedPhase]:
    """The phase of these runs; nothing if it is too short, or follows green so closely that amber, or the green, may be read as red."""
    if not reds:
        return
    began_at, last_at, green, amber = reds[0].first_at, reds[-1].last_at, before.green_end, bool(before.ambers)
    if green is not None and before.green_at is not None:
        unread_s = UNREAD_AMBER_S if green == before.green_at else MIN_AMBER_S
        if not amber and seconds_between(green, began_at) < unread_s:
            return
        amber_s = MIN_AMBER_S if amber else UNREAD_AMBER_LENGTH_S
        began_at = max(began_at, green + timedelta(seconds=amber_s), before.green_at + timedelta(seconds=AFTER_FAINT_S))
    if before.is_flashing:
        began_at += timedelta(seconds=AFTER_FLASHING_S)
    if seconds_between(began_at, last_at) + 1e-6 >= CONFIRM_S:
        yield RedPhase(began_at=began_at, last_at=last_at, after_amber=amber and not before.is_flashing)
