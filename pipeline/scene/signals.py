"""What a signal showed, over time.

One reading a frame comes in; single misreadings (a lamp in the glare, a pole of a passing truck) are not changes. "Cannot tell" is
a state of its own, and no rule may take it for red.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from etle.clock import seconds_between
from etle.types import Lamp, SignalReading

CONFIRM_S = 0.15
"""A change counts once it was read for so long: two frames at 10 a second. It is then dated back to its first reading."""
BRIDGE_S = 2.0
"""A red that could not be seen for so long at most, and was red before and after, was red in between: no plan has a shorter cycle."""
KEEP_S = 180.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalHistory:
    """Changes of one signal, oldest first, and the change that is not confirmed yet."""

    changes: tuple[SignalReading, ...] = ()
    candidate: SignalReading | None = None

    def with_reading(self, reading: SignalReading) -> "SignalHistory":
        """The history after one more reading; readings come in the order of time."""
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
        """Since when the signal that is red at `at` has been red; None if it is not red, or could not be told.

        A red that was there at the first reading may be older: what is said is the least it was.
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
        """When the red that began at `since` was seen to end; None if it was not yet."""
        ended = (change.captured_at for change in self.changes if change.captured_at > since and change.lamp in (Lamp.GREEN, Lamp.YELLOW))
        return next(ended, None)

    def during(self, start: datetime, end: datetime) -> tuple[SignalReading, ...]:
        """The change that brought the state at `start`, and the changes up to `end`."""
        before = [change for change in self.changes if change.captured_at <= start]
        inside = [change for change in self.changes if start < change.captured_at <= end]
        return (*before[-1:], *inside)
