"""Whether one vehicle drove the way between two sightings of a track, remembered once it is certain."""

from typing import Final

from etle.types import Sighting, Track, TrackId
from pipeline.scene.box_motion import is_seen_at_scale, lower_edge_jumped_up, whole_box_moved
from pipeline.scene.calibration import Calibration
from pipeline.scene.completed_foot import CompletedTrack
from pipeline.scene.judgement import Reason
from pipeline.scene.vehicle_motion import is_one_vehicle

_MAX_TRACKS: Final = 256


class DrivenMemory:
    """One that was seen to have driven a way has driven it, whatever is seen of it later."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._driven: dict[TrackId, tuple[Sighting, Sighting]] = {}

    def why_not(self, track: Track, before: int, beyond: int, *, turning: bool = False) -> Reason | None:
        """None if one vehicle drove from one sighting to the other, and moved as a whole, not its lower edge alone.

        `turning`: it turned in between, and shows another side.
        """
        ends = track.sightings[before], track.sightings[beyond]
        if self._driven.get(track.id) == ends:
            return None
        if not is_one_vehicle(track, self._calibration, ends[0].captured_at, ends[1].captured_at, turning=turning):
            return Reason.NOT_ONE_VEHICLE
        if not turning and (not whole_box_moved(track, before, beyond) or lower_edge_jumped_up(track, before)):
            return Reason.BOX_MOVED_ONLY
        if isinstance(track, CompletedTrack):
            return None if is_seen_at_scale(track, before, beyond, self._calibration) else Reason.BOX_MOVED_ONLY
        while len(self._driven) >= _MAX_TRACKS:
            del self._driven[next(iter(self._driven))]
        self._driven[track.id] = ends
        return None
