"""The states of a traffic signal over time, from one reading per frame.

Single misreadings (glare on a lamp, a truck in front of it) are filtered out. UNKNOWN is a state of its own; no rule may treat it as red.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from etle.clock import seconds_between
from etle.types import Lamp, SignalReading

CONFIRM_S = 0.15
"""A change is confirmed after this time (two frames at 10 frames/s), and then dated back to its first reading."""
BRIDGE_S = 2.0
"""A signal that is red before and after an UNKNOWN of at most this length was red in between: no signal plan has a shorter cycle."""
KEEP_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalHistory:
    """Confirmed changes of one signal, oldest first, and the change that is not confirmed yet."""

    changes: tuple[SignalReading, ...] = ()
    candidate: SignalReading | None = None

    def with_reading(self, reading: SignalReading) -> "SignalHistory":
        """The history with one more reading; readings are added in order of time."""
        if not self.changes:
            return replace(self, changes=(reading,))
        if reading.lamp is self.changes[-1].lamp:
            return replace(self, candidate=None) if self.candidate else self
        if self.candidate is None or self.candidate.lamp is not reading.lamp:
            return replace(self, candidate=reading)
        if seconds_between(self.candidate.captured_at, reading.captured_at) + 1e-6 < CONFIRM_S:
            return self
        kept = tuple(change for change in self.changes[1:] if seconds_between(change.captured_at, reading.captured_at) < KEEP_S)
        oldest = self.changes[:1] if not kept or len(kept) == len(self.changes) - 1 else ()
        return SignalHistory(changes=(*oldest, *kept, self.candidate))

    def lamp_at(self, at: datetime) -> Lamp:
        """UNKNOWN before the first reading."""
        past = [change for change in self.changes if change.captured_at <= at]
        return past[-1].lamp if past else Lamp.UNKNOWN

    def red_since(self, at: datetime) -> datetime | None:
        """Start of the red that is shown at `at`; None if the signal was not red or UNKNOWN.

        A red that was shown at the first reading may have started earlier; its age is then a lower bound.
        """
        since = None
        unseen_to = None
        for change in reversed([change for change in self.changes if change.captured_at <= at]):
            if change.lamp is Lamp.RED:
                if unseen_to is not None and since is not None and seconds_between(unseen_to, since) > BRIDGE_S:
                    break
                since, unseen_to = change.captured_at, None
            elif change.lamp is Lamp.UNKNOWN and since is not None:
                unseen_to = change.captured_at
            else:
                break
        return since

    def red_until(self, since: datetime) -> datetime | None:
        """First green or yellow after `since`; None if there was none yet."""
        ended = (change.captured_at for change in self.changes if change.captured_at > since and change.lamp in (Lamp.GREEN, Lamp.YELLOW))
        return next(ended, None)

    def during(self, start: datetime, end: datetime) -> tuple[SignalReading, ...]:
        """The last change up to `start`, which is the state there, and the changes up to `end`."""
        before = [change for change in self.changes if change.captured_at <= start]
        inside = [change for change in self.changes if start < change.captured_at <= end]
        return (*before[-1:], *inside)
