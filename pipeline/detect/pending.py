"""Findings between the moment a rule reports them and the moment their evidence is complete."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from etle.clock import seconds_between
from etle.geometry import intersection_area, iou
from etle.types import Finding, Sighting, Track, TrackId, VehicleClass
from pipeline.rules import are_one_act
from pipeline.scene.judgement import Judgement, Reason
from pipeline.scene.passage import COVERAGE

_SAME_EVENT_S = 3.0
"""From behind, two boxes of one vehicle give moments that differ by its length over its speed. So do two rules that judge one vehicle at
different times, before and after it is recognised as a longer one."""
_STILL_THERE_S = 60.0
"""A vehicle that stands where one stood that was hidden for less is the same one: a bus at its stop hides it for so long."""
_UNDECIDED_S, _LONGEST_WAIT_S = 1.5, 20.0
"""How long a finding waits after the last frame in which another rule had not decided on the same act, and how long in all: its frames stay
in memory, about 60 MB of them at 10 frames per second."""
_SEEN_TWICE = 3
_SAME_BOX = 0.75
"""Intersection over union from which two boxes are one vehicle."""
_CONTAINED, _SAME_FOOT = 0.9, 0.08
"""A box is a part of another vehicle if so much of it lies inside, and its foot differs by less than this fraction of the larger height."""
_MOST = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFinding:
    """A finding that waits for the frames after its moment."""

    finding: Finding
    found_at: datetime
    """Time of the frame in which the rule reported it."""
    due_at: datetime
    """Time from which the frames after the moment are complete."""
    waits_until: datetime | None = None
    """Until then another rule may find that the act was another one. None: nothing to wait for."""
    track: Track
    """The vehicle with its sightings up to now."""
    entry: int
    """Index of the entry under the camera's `rules` that reported it: one rule may have several."""
    is_candidate: bool = False
    """The rule decides once the plate is known."""
    before: Sighting | None = None
    """The sighting to show in the picture `before`, whose frame is kept; None: one from a second before the moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFinding:
    """A finding and its vehicle's track, remembered until the track ends; for a minute more if the vehicle stood."""

    entry: int
    finding: Finding
    track: Track
    is_candidate: bool = False
    merged: Reason | None = None
    """Why it is no violation of its own: the same act, or the same vehicle, is one already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingFindings:
    """The findings of one camera that wait for their post-roll, and what was reported: each entry reports a track once."""

    waiting: tuple[PendingFinding, ...] = ()
    reported: tuple[ReportedFinding, ...] = ()

    def with_tracks(self, tracks: Sequence[Track]) -> "PendingFindings":
        """The same findings with the newest sightings of their vehicles."""
        newest = {track.id: track for track in tracks}
        waiting = tuple(replace(each, track=newest.get(each.track.id, each.track)) for each in self.waiting)
        reported = tuple(replace(each, track=newest.get(each.track.id, each.track)) for each in self.reported)
        return PendingFindings(waiting=waiting, reported=reported)

    def with_finding(
        self, finding: Finding, entry: int, track: Track, now: datetime, after_s: float, before: Sighting | None = None,
        *, is_candidate: bool = False,
    ) -> "PendingFindings":  # fmt: skip
        """Adds a finding, due `after_s` after its moment.

        Not if its entry reported the track before, or another track of the same vehicle was reported. One act is one offence: a later
        finding of the same track and moment, or by a rule that sees the same act (who stops beyond the line and then runs the red),
        replaces the earlier one while it waits, and is left out afterwards. A candidate, on which the rule decides by the plate, is
        another offence than whatever else happened at its moment.
        """
        if any((known.entry, known.track.id) == (entry, finding.track) for known in self.reported):
            return self
        added_report = ReportedFinding(entry=entry, finding=finding, track=track, is_candidate=is_candidate)
        same_act = partial(_is_same_act, finding, is_candidate)
        acts = [known for known in self.reported if same_act(known)]
        kept = tuple(each for each in self.waiting if not same_act(each))
        if acts and len(kept) == len(self.waiting):
            return replace(self, reported=(*self.reported, replace(added_report, merged=Reason.SAME_ACT)))
        if any(same_event(finding, track, known.finding, known.track) for known in self.reported if known not in acts):
            return replace(self, reported=(*self.reported, replace(added_report, merged=Reason.SAME_VEHICLE)))
        reported = tuple(replace(known, merged=Reason.SAME_ACT) if known in acts else known for known in self.reported)
        due_at = max(finding.occurred_at + timedelta(seconds=after_s), now)
        added = PendingFinding(
            finding=finding, found_at=now, due_at=due_at, track=track, entry=entry, is_candidate=is_candidate, before=before
        )
        return PendingFindings(waiting=(*kept, added), reported=(*reported, added_report))

    def with_undecided(self, judged: Collection[Judgement], now: datetime) -> "PendingFindings":
        """Who has stopped beyond the line may still run the red: the finding waits while a rule that sees the same act has not decided, so
        that the act becomes one case, of that rule."""
        undecided = [judgement for judgement in judged if judgement.reason is Reason.NOT_ENTERED]
        waiting = tuple(
            replace(each, waits_until=min(now + timedelta(seconds=_UNDECIDED_S), each.found_at + timedelta(seconds=_LONGEST_WAIT_S)))
            if any(_may_be_of(judgement, each) for judgement in undecided)
            else each
            for each in self.waiting
        )
        return replace(self, waiting=waiting)

    def without(self, done: Collection[PendingFinding]) -> "PendingFindings":
        return replace(self, waiting=tuple(each for each in self.waiting if each not in done))

    def without_ended(self, open_tracks: Collection[TrackId], now: datetime) -> "PendingFindings":
        """Forgets what was reported of tracks that have ended: their ids do not come again. A vehicle that stood may only be hidden."""
        kept = (known for known in self.reported if known.track.id in open_tracks or _may_still_be_there(known, now))
        return replace(self, reported=tuple(kept))

    def due(self, now: datetime | None) -> tuple[PendingFinding, ...]:
        """Findings whose post-roll is complete at `now`; all of them if `now` is None."""
        return tuple(each for each in self.waiting if now is None or max(each.due_at, each.waits_until or each.due_at) <= now)

    @property
    def held(self) -> frozenset[int]:
        """Sequences of the frames that are kept for the pictures `before`."""
        return frozenset(each.before.sequence for each in self.waiting if each.before is not None)

    def needed_from(self, before_s: float) -> datetime | None:
        """Start of the earliest pre-roll: frames from then on must stay. None if nothing waits."""
        return min((each.finding.occurred_at - timedelta(seconds=before_s) for each in self.waiting), default=None)


def _may_be_of(judgement: Judgement, waiting: PendingFinding) -> bool:
    """Whether another rule, which judges an act of that vehicle, sees the one that waits."""
    finding = waiting.finding
    if waiting.is_candidate or judgement.track != finding.track or judgement.rule == finding.rule:
        return False
    return are_one_act(judgement.rule, finding.rule)


def _is_same_act(finding: Finding, is_candidate: bool, known: PendingFinding | ReportedFinding) -> bool:
    if is_candidate or known.is_candidate or finding.track != known.finding.track:
        return False
    if finding.occurred_at == known.finding.occurred_at:
        return True
    return are_one_act(finding.rule, known.finding.rule) and _are_at_once(finding, known.finding)


def _are_at_once(one: Finding, two: Finding) -> bool:
    """Whether the times of two acts overlap, or nearly so, within the uncertainty of the moments."""
    began = max(each.began_at or each.occurred_at for each in (one, two))
    uncertain_s = COVERAGE * max(map(_moment_uncertainty_s, (one, two)))
    return seconds_between(min(one.occurred_at, two.occurred_at), began) <= _SAME_EVENT_S + uncertain_s


def _moment_uncertainty_s(finding: Finding) -> float:
    """Who stood at the line for a while passed it when he came, or when he left."""
    return max((each.uncertainty or 0.0 for each in finding.measured if each.name == "time_into_red"), default=0.0)


def _may_still_be_there(known: ReportedFinding, now: datetime) -> bool:
    return known.finding.began_at is not None and seconds_between(known.track.last.captured_at, now) <= _STILL_THERE_S


def same_event(finding: Finding, track: Track, other: Finding, other_track: Track) -> bool:
    """Whether two tracks are one vehicle, and what was reported of them one act.

    The detector returned it twice: one vehicle's boxes in most shared frames. Or it stood on while it was hidden for a while.
    """
    if not are_one_act(finding.rule, other.rule):
        return False
    two_wheels = [each.vehicle is VehicleClass.MOTORCYCLE for each in (finding, other)]
    if _stood_on(track, finding, other_track, other) and two_wheels[0] == two_wheels[1]:
        return True
    if not _are_at_once(finding, other):
        return False
    sightings = {sighting.sequence: sighting for sighting in other_track.sightings}
    shared = [
        _same_vehicle(one, sightings[one.sequence], alike=two_wheels[0] == two_wheels[1])
        for one in track.sightings
        if one.sequence in sightings
    ]
    return len(shared) >= _SEEN_TWICE and sum(shared) > _MOST * len(shared)


def _stood_on(track: Track, finding: Finding, other_track: Track, other: Finding) -> bool:
    """Whether the vehicle was first seen where another one, which stood, was last seen shortly before."""
    if finding.began_at is None or other.began_at is None:
        return False
    hidden_s = seconds_between(other_track.last.captured_at, track.first.captured_at)
    return 0 < hidden_s <= _STILL_THERE_S and iou(track.first.box, other_track.last.box) > _SAME_BOX


def _same_vehicle(one: Sighting, two: Sighting, *, alike: bool) -> bool:
    """A motorcycle beside or behind another vehicle stands on a foot of its own, however much their boxes overlap.

    `alike`: both tracks are motorcycles, or neither is, whatever a detector takes them for in single frames.
    """
    if iou(one.box, two.box) > _SAME_BOX:
        return True
    if not alike:
        return False
    small, large = sorted((one.box, two.box), key=lambda box: box.area)
    inside = intersection_area(small, large) > _CONTAINED * small.area
    return inside and abs(small.y2 - large.y2) < _SAME_FOOT * large.height
