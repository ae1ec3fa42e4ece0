"""A signal whose controller reports its state: what it showed at the time of each frame.

A message says what the signal showed from one moment to another, and tells nothing about the time after it. The times may be off by the
feed's uncertainty, so a state counts from `since` plus the uncertainty to its end minus the uncertainty; in between nothing is told.
A frame waits until the messages reach its time. If they do not, the controller is silent and tells nothing about that frame.

Where the signal has heads in the picture, too, both have to agree: a contradiction, and a controller that says `unknown`, give `unknown`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from etle.clock import seconds_between
from etle.config.signal_feed import SignalFeed
from etle.types import ControllerReading, Lamp, SignalReading
from pipeline.scene.signal_vote import vote

_KEEP_S: Final = 60.0
_SCORE: Final = 1.0
"""A controller knows what it switched; the score is for the reading of pictures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerPhase:
    """One state of the signal, told for the time between two moments."""

    lamp: Lamp
    sequence: int
    since: datetime
    until: datetime
    """Last time about which the controller told it: that of its last message, or of the change that ended it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerTimeline:
    """What the controller told, oldest first."""

    phases: tuple[ControllerPhase, ...] = ()

    def with_reading(self, reading: ControllerReading) -> "ControllerTimeline":
        """A later message of the same state extends it; the next number ends it; any other number leaves a time that is not told."""
        last = self.phases[-1] if self.phases else None
        if last is None:
            return ControllerTimeline(phases=(_phase(reading, reading.since),))
        if reading.at <= last.until:
            return self  # repeated, or overtaken by a later message
        if (reading.sequence, reading.lamp, reading.since) == (last.sequence, last.lamp, last.since):
            return ControllerTimeline(phases=(*self.phases[:-1], replace(last, until=reading.at)))
        follows = reading.sequence == last.sequence + 1
        ended = replace(last, until=reading.since if follows else min(last.until, reading.since))
        return ControllerTimeline(phases=(*self.phases[:-1], ended, _phase(reading, max(reading.since, last.until))))

    def lamp_at(self, moment: datetime, uncertainty: timedelta) -> Lamp | None:
        """None if nothing is told about that moment; UNKNOWN if the controller said so."""
        told = (phase.lamp for phase in self.phases if phase.since + uncertainty <= moment <= phase.until - uncertainty)
        return next(told, None)

    def reaches(self, moment: datetime, uncertainty: timedelta) -> bool:
        """Whether a message about that moment, or a later one, has come."""
        return bool(self.phases) and self.phases[-1].until - uncertainty >= moment

    def without_before(self, moment: datetime) -> "ControllerTimeline":
        """Without what nobody asks for any more."""
        kept = [phase for phase, later in pairwise(self.phases) if later.since > moment - timedelta(seconds=_KEEP_S)]
        return ControllerTimeline(phases=(*kept, *self.phases[-1:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlledSignal:
    """The controller's timeline, and the frames that wait for it, with what the heads in the picture showed."""

    timeline: ControllerTimeline = ControllerTimeline()
    waiting: tuple[SignalReading, ...] = ()

    def with_frame(
        self, seen: SignalReading, told: Sequence[ControllerReading], feed: SignalFeed
    ) -> tuple["ControlledSignal", tuple[SignalReading, ...]]:
        """After one more frame, in which the heads showed `seen` (UNKNOWN if there are none), and with which the messages `told` came:
        the new value, and the readings of the frames that no longer wait."""
        timeline = self.timeline
        for reading in told:
            timeline = timeline.with_reading(reading)
        waiting = (*self.waiting, seen)
        now, limit = seen.captured_at, feed.uncertainty
        ready = 0
        while ready < len(waiting) and (
            timeline.reaches(waiting[ready].captured_at, limit) or seconds_between(waiting[ready].captured_at, now) >= feed.silent_after_s
        ):
            ready += 1
        readings = tuple(_combined(waiting[:ready], timeline, limit))
        kept = timeline.without_before(waiting[ready].captured_at if ready < len(waiting) else now)
        return ControlledSignal(timeline=kept, waiting=waiting[ready:]), readings


def _combined(seen: Sequence[SignalReading], timeline: ControllerTimeline, uncertainty: timedelta) -> Iterator[SignalReading]:
    for reading in seen:
        told = timeline.lamp_at(reading.captured_at, uncertainty)
        if told is None:
            yield reading
        elif told is Lamp.UNKNOWN:
            yield replace(reading, lamp=Lamp.UNKNOWN, score=0.0)
        else:
            lamp, score = vote(((reading.lamp, reading.score), (told, _SCORE)))
            yield replace(reading, lamp=lamp, score=score)


def _phase(reading: ControllerReading, since: datetime) -> ControllerPhase:
    return ControllerPhase(lamp=reading.lamp, sequence=reading.sequence, since=since, until=reading.at)
