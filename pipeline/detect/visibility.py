"""What a camera could not see: counted per frame and per vehicle, so that "no violations" differs from "could not tell".

The counts are a part of the stage's state and are saved with it. For a recorded source they cover it from its beginning, over restarts.
For a live camera they start anew with the process, so that the report of a run is about that run. Metrics count each observation once
per process.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from etle.types import Lamp, Plate, RuleName, SignalId, TrackId
from pipeline.detect.view_check import ViewFault
from pipeline.scene.judgement import Judgement, Reason

SMALL_PLATE_PX: Final = 60.0
"""Plates narrower than this are often misread (docs/plates.md)."""


_LASTING: Final = (Reason.REPORTED, Reason.PICTURES_GONE)
"""Later judgements on the vehicle do not replace these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameObservation:
    """What one frame added."""

    signals: tuple[tuple[SignalId, Lamp], ...] = ()
    view: frozenset[ViewFault] | None = None
    """Faults of the picture; None if the picture was not checked in this frame."""
    paused: bool | None = None
    """Whether the rules pause because the camera looks elsewhere; None if the picture was not checked in this frame."""
    settled: tuple[tuple[RuleName, Reason], ...] = ()
    """The last judgement on each vehicle whose track ended with this frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalCounts:
    """Readings of one signal, and those that were `unknown`."""

    frames: int = 0
    unknown: int = 0
    first_unknown_at: datetime | None = None
    last_unknown_at: datetime | None = None

    def with_reading(self, lamp: Lamp, at: datetime) -> "SignalCounts":
        if lamp is not Lamp.UNKNOWN:
            return replace(self, frames=self.frames + 1)
        return SignalCounts(
            frames=self.frames + 1, unknown=self.unknown + 1, first_unknown_at=self.first_unknown_at or at, last_unknown_at=at
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCounts:
    """Plates of the vehicles that were reported."""

    searched: int = 0
    unread: int = 0
    small: int = 0
    """Narrower than `SMALL_PLATE_PX` in every frame, of those that were unread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenJudgement:
    """The last judgement of one entry under `rules` on a vehicle that is still in view."""

    entry: int
    track: TrackId
    rule: RuleName
    reason: Reason
    by_plate: bool = False
    """Decided when the plate was known: that it awaits its plate does not replace it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """Counts of one camera. `vehicles`: by rule and last reason, of those that met its line or lane and have left."""

    frames: int = 0
    signals: tuple[tuple[SignalId, SignalCounts], ...] = ()
    vehicles: tuple[tuple[RuleName, Reason, int], ...] = ()
    in_view: tuple[OpenJudgement, ...] = ()
    plates: PlateCounts = field(default_factory=PlateCounts)
    views: int = 0
    """Number of pictures that were checked."""
    view_faults: tuple[tuple[ViewFault, int], ...] = ()

    def with_frame(self, seen: FrameObservation, at: datetime) -> "Visibility":
        signals = dict(self.signals)
        for name, lamp in seen.signals:
            signals[name] = signals.get(name, SignalCounts()).with_reading(lamp, at)
        faults = Counter(dict(self.view_faults))
        faults.update(seen.view or ())
        return replace(
            self,
            frames=self.frames + 1,
            signals=tuple(signals.items()),
            views=self.views + (seen.view is not None),
            view_faults=tuple(sorted(faults.items())),
            vehicles=_added(self.vehicles, seen.settled),
        )

    def with_judgements(self, judged: Sequence[tuple[int, Judgement]]) -> "Visibility":
        """The newest judgements of vehicles in view, by entry under `rules`. A vehicle that was reported stays so."""
        if not judged:
            return self
        newest = {(each.entry, each.track): each for each in self.in_view}
        for entry, judgement in judged:
            known = newest.get((entry, judgement.track))
            if known is None or (known.reason not in _LASTING and not (known.by_plate and judgement.reason.awaits_pictures)):
                newest[entry, judgement.track] = OpenJudgement(
                    entry=entry, track=judgement.track, rule=judgement.rule, reason=judgement.reason
                )
        return replace(self, in_view=tuple(newest.values()))

    def with_late_decision(self, entry: int, track: TrackId, rule: RuleName, reason: Reason) -> "Visibility":
        """What became of a finding when its evidence was complete: its pictures were gone, or what the rule decided on its plate."""
        lost = OpenJudgement(entry=entry, track=track, rule=rule, reason=reason, by_plate=True)
        others = tuple(each for each in self.in_view if (each.entry, each.track) != (entry, track))
        if len(others) == len(self.in_view):
            return replace(self, vehicles=_added(self.vehicles, [(rule, reason)]))
        return replace(self, in_view=(*others, lost))

    def ended(self, open_tracks: Collection[TrackId]) -> tuple[tuple[RuleName, Reason], ...]:
        """The last judgements on the vehicles that are not among these."""
        gone = (each for each in self.in_view if each.track not in open_tracks)
        return tuple((each.rule, each.reason) for each in gone if not each.reason.awaits_pictures)

    def without_ended(self, open_tracks: Collection[TrackId]) -> "Visibility":
        kept = tuple(each for each in self.in_view if each.track in open_tracks)
        return self if len(kept) == len(self.in_view) else replace(self, in_view=kept)

    def with_all_ended(self) -> "Visibility":
        """Counts the vehicles that are in view: the source has ended."""
        return replace(self, vehicles=_added(self.vehicles, self.ended(frozenset())), in_view=())

    def with_plate(self, plate: Plate) -> "Visibility":
        unread = plate.text is None
        small = unread and all(sighting.plate.box.width < SMALL_PLATE_PX for sighting in plate.sightings)
        counts = PlateCounts(
            searched=self.plates.searched + 1,
            unread=self.plates.unread + unread,
            small=self.plates.small + (small and bool(plate.sightings)),
        )
        return replace(self, plates=counts)


def _added(
    counts: tuple[tuple[RuleName, Reason, int], ...], settled: Sequence[tuple[RuleName, Reason]]
) -> tuple[tuple[RuleName, Reason, int], ...]:
    if not settled:
        return counts
    total = Counter({(rule, reason): times for rule, reason, times in counts})
    total.update(settled)
    return tuple((rule, reason, times) for (rule, reason), times in sorted(total.items()))
