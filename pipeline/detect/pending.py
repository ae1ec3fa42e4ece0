"""Findings between the moment a rule reports them and the moment their evidence is complete."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from etle.clock import seconds_between
from etle.geometry import intersection_area
from etle.types import Finding, RuleName, Track, TrackId

_SAME_MOMENT_S = 0.5
_NESTED = 0.5
_SEEN_TWICE = 3
"""Limitation: of two vehicles that cross a line within half a second, one hidden behind the other all the way, only one is reported."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFinding:
    """A finding that waits for the frames after its moment."""

    finding: Finding
    found_at: datetime
    """Time of the frame in which the rule reported it."""
    due_at: datetime
    """Time from which the frames after the moment are complete."""
    track: Track
    """The vehicle with its sightings up to now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFindings:
    """The findings of one camera that wait for their post-roll, and which were reported: each rule reports a track once."""

    waiting: tuple[PendingFinding, ...] = ()
    reported: tuple[tuple[RuleName, TrackId], ...] = ()

    def with_tracks(self, tracks: Sequence[Track]) -> "PendingFindings":
        """The same findings with the newest sightings of their vehicles."""
        newest = {track.id: track for track in tracks}
        waiting = tuple(replace(each, track=newest.get(each.track.id, each.track)) for each in self.waiting)
        return replace(self, waiting=waiting)

    def with_finding(self, finding: Finding, track: Track, now: datetime, after_s: float) -> "PendingFindings":
        """Adds a finding, due `after_s` after its moment, unless its track was reported before or duplicates the track of a waiting one."""
        key = (finding.rule, finding.track)
        if key in self.reported:
            return self
        reported = (*self.reported, key)
        if any(same_event(finding, track, each.finding, each.track) for each in self.waiting):
            return replace(self, reported=reported)
        due_at = max(finding.occurred_at + timedelta(seconds=after_s), now)
        added = PendingFinding(finding=finding, found_at=now, due_at=due_at, track=track)
        return PendingFindings(waiting=(*self.waiting, added), reported=reported)

    def without(self, done: Collection[PendingFinding]) -> "PendingFindings":
        return replace(self, waiting=tuple(each for each in self.waiting if each not in done))

    def without_ended(self, open_tracks: Collection[TrackId]) -> "PendingFindings":
        """Forgets what was reported of tracks that have ended: their ids do not come again."""
        return replace(self, reported=tuple(key for key in self.reported if key[1] in open_tracks))

    def due(self, now: datetime | None) -> tuple[PendingFinding, ...]:
        """Findings whose post-roll is complete at `now`; all of them if `now` is None."""
        return tuple(each for each in self.waiting if now is None or each.due_at <= now)

    def needed_from(self, before_s: float) -> datetime | None:
        """Start of the earliest pre-roll: frames from then on must stay. None if nothing waits."""
        return min((each.finding.occurred_at - timedelta(seconds=before_s) for each in self.waiting), default=None)


def same_event(finding: Finding, track: Track, other: Finding, other_track: Track) -> bool:
    """Whether two tracks are one vehicle that the detector returned twice: same rule, same moment, boxes nested in each other."""
    if finding.rule != other.rule or abs(seconds_between(finding.occurred_at, other.occurred_at)) > _SAME_MOMENT_S:
        return False
    boxes = {sighting.sequence: sighting.box for sighting in other_track.sightings}
    shared = [(sighting.box, boxes[sighting.sequence]) for sighting in track.sightings if sighting.sequence in boxes]
    nested = [intersection_area(one, two) > _NESTED * min(one.area, two.area) for one, two in shared]
    return len(nested) >= _SEEN_TWICE and sum(nested) > 0.8 * len(nested)
