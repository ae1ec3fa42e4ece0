"""What a rule decides without the sightings whose foot a nearer vehicle hides."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from etle.types import Track
from pipeline.scene.judgement import Judgement, Reason


def with_visible_feet(track: Track) -> Track | None:
    """Without the sightings whose foot is hidden; None if there are none, or no others."""
    shown = tuple(sighting for sighting in track.sightings if not sighting.foot_hidden)
    return replace(track, sightings=shown) if 0 < len(shown) < len(track.sightings) else None


def judged_by_visible_feet(judge: Callable[[Track], Judgement | None], tracks: Sequence[Track]) -> Iterator[Judgement]:
    """What a rule decides on each track. Where no vehicle can have driven so: what it finds without the sightings whose foot is hidden."""
    for track in tracks:
        judged = judge(track)
        if judged is not None and judged.reason is Reason.NOT_ONE_VEHICLE and (visible := with_visible_feet(track)) is not None:
            again = judge(visible)
            if again is not None and again.finding is not None:
                judged = of_whole_track(again, track)
        if judged is not None:
            yield judged


def of_whole_track(judged: Judgement, track: Track) -> Judgement:
    """What was decided on some of a track's sightings, as of the track: a finding names the first of all of them."""
    finding = judged.finding
    return judged if finding is None else replace(judged, outcome=replace(finding, first_sequence=track.first.sequence))
