"""Looks for the plate of one vehicle in the frames where it is seen best, and has it read until the vote is certain.

A plate that hangs in the picture of this vehicle may be its neighbour's: it counts only for the vehicle that it fits best, and for
nobody where two fit about as well.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from etle.geometry import within
from etle.protocols import PlateDetector, PlateReader
from etle.types import Box, Certainty, Frame, Plate, PlateSighting, Sighting, Track, VehicleClass
from models.tracking.tracker import vehicle_of
from pipeline.frames.buffer import FrameBuffer
from pipeline.frames.decode import decode
from pipeline.plates.crops import TIGHTER, Margin, PlateCrop, agree, around, at_odds, find_in
from pipeline.plates.frame_selection import frames_worth_reading, same_view
from pipeline.plates.voting import vote

_AROUND = Margin(0.08, 0.08)
"""A vehicle's crop takes in so much of its surroundings: detectors cut plates that hang low."""
_ENOUGH = 6
"""Reads that all agree, even if the vote may not call them certain: an area code that nobody knows stays unknown in every frame."""
_WHOLE_FRAMES = 1
"""Frames that are searched whole if no crop of the vehicle showed a plate."""
_FITS: Mapping[VehicleClass, float] = {
    VehicleClass.MOTORCYCLE: 0.38,
    VehicleClass.CAR: 0.26,
    VehicleClass.BUS: 0.18,
    VehicleClass.TRUCK: 0.18,
}
"""Width of a plate against its vehicle's, seen from behind or before: 275 mm on 0.72 m, 430 mm on 1.65 m and 2.4 m."""
_CLEARLY = 0.35
"""By so much a plate must fit one vehicle better than any other."""


@dataclass(frozen=True, slots=True)
class PlateSearch:
    """Finder and readers, and how many frames they may be shown for one vehicle."""

    finder: PlateDetector
    readers: tuple[PlateReader, ...]
    limit: int
    arbiter: PlateReader | None = None
    """Asked once, where the readers are at odds: slow, or too poor to be asked always."""

    def plate_of(self, track: Track, others: Sequence[Track], frames: FrameBuffer, at: datetime) -> Plate:
        """What the plate says, by all reads in the frames that are still there. `at`: the moment of the violation."""
        vehicle = vehicle_of(track)
        best = list(self._best_first(track, frames))
        seen: list[PlateCrop] = []
        reads: list[PlateSighting] = []
        for plate in self._plates(best, others):
            seen.append(plate)
            reads += plate.reads(self.readers)
            if _is_enough(reads, vehicle, at):
                return vote(reads, vehicle, at)
        if seen and not (agree(reads) and len(self.readers) > 1):
            reads += self._read_again(max(seen, key=lambda plate: plate.plate.box.area), best, reads)
        return vote(sorted(reads, key=lambda read: read.sequence), vehicle, at)

    def _read_again(self, plate: PlateCrop, best: Sequence[tuple[Sighting, Frame]], reads: Sequence[PlateSighting]) -> list[PlateSighting]:
        """The plate in a tighter cut, from another frame of the same view if there is one; and by the arbiter if readers stay at odds."""
        again = _in_another_frame(plate, best).reads(self.readers, TIGHTER)
        if self.arbiter and at_odds([*reads, *again]):
            again += plate.reads([self.arbiter])
        return again

    def _plates(self, best: Sequence[tuple[Sighting, Frame]], others: Sequence[Track]) -> Iterator[PlateCrop]:
        """The vehicle's plate in its best frames, once in each view; if its crops show none, in the whole of the first."""
        shown: list[Sighting] = []
        for whole, some in ((False, best), (True, best[:_WHOLE_FRAMES])):
            for sighting, frame in some:
                if any(same_view(sighting, other) for other in shown):
                    continue
                plate = self._plate(sighting, frame, _boxes_at(sighting.sequence, others), whole=whole)
                if plate is not None:
                    shown.append(sighting)
                    yield plate
            if shown:
                return

    def _best_first(self, track: Track, frames: FrameBuffer) -> Iterator[tuple[Sighting, Frame]]:
        """The frames that are worth reading, those with the largest vehicle first."""
        there = tuple(sighting for sighting in track.sightings if frames.get(sighting.sequence))
        if not there:
            return
        first = frames.get(there[0].sequence)
        assert first is not None
        seen = Track(id=track.id, sightings=there)
        chosen = frames_worth_reading(seen, self.limit, picture_width=first.width, picture_height=first.height)
        for sighting in sorted(chosen, key=lambda sighting: (-sighting.box.area, sighting.sequence)):
            frame = frames.get(sighting.sequence)
            assert frame is not None
            yield sighting, frame

    def _plate(self, sighting: Sighting, frame: Frame, others: Sequence[tuple[Box, VehicleClass]], *, whole: bool) -> PlateCrop | None:
        image = decode(frame)
        found = self.finder.find([image], whole=True)[0] if whole else find_in(self.finder, image, around(image, sighting.box, _AROUND))
        mine = next((plate for plate in found if belongs(plate.box, sighting.box, sighting.vehicle, others)), None)
        return PlateCrop(image, mine, frame.sequence, frame.captured_at) if mine else None


def _in_another_frame(plate: PlateCrop, best: Sequence[tuple[Sighting, Frame]]) -> PlateCrop:
    """The same plate a while later or earlier, where the vehicle stood; otherwise the same again."""
    here = next(sighting for sighting, _ in best if sighting.sequence == plate.sequence)
    for sighting, frame in best:
        if sighting is not here and same_view(sighting, here):
            return PlateCrop(decode(frame), plate.plate, frame.sequence, frame.captured_at)
    return plate


def _is_enough(reads: Sequence[PlateSighting], vehicle: VehicleClass, at: datetime) -> bool:
    """Whether more reads would add nothing: readers repeat their errors too."""
    return agree(reads) and (len(reads) >= _ENOUGH or vote(reads, vehicle, at).certainty is Certainty.CERTAIN)


def belongs(plate: Box, vehicle: Box, kind: VehicleClass, others: Sequence[tuple[Box, VehicleClass]]) -> bool:
    """Whether the plate is clearly this vehicle's."""
    if not within(vehicle, plate.centre):
        return False
    mine = _strangeness(plate, vehicle, kind)
    return all(_strangeness(plate, box, other) > mine + _CLEARLY for box, other in others if within(box, plate.centre))


def _strangeness(plate: Box, vehicle: Box, kind: VehicleClass) -> float:
    """0 for a plate in the middle of the vehicle's width and of the usual size."""
    aside = abs(plate.centre.x - vehicle.centre.x) / vehicle.width
    size = abs(math.log(max(plate.width, 1.0) / (_FITS[kind] * vehicle.width)))
    return 2 * aside + size


def _boxes_at(sequence: int, tracks: Sequence[Track]) -> list[tuple[Box, VehicleClass]]:
    return [(sighting.box, vehicle_of(track)) for track in tracks for sighting in track.sightings if sighting.sequence == sequence]
