"""Looks for the plate of one vehicle in the frames where it is seen best, and has it read until the vote is certain.

A plate that hangs in the picture of this vehicle may be its neighbour's: it counts only for the vehicle that it fits best, and for
nobody where two fit about as well.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from etle.geometry import within
from etle.protocols import PlateFinder, PlateReader
from etle.types import Box, Certainty, Frame, Plate, PlateBox, PlateSighting, Point, Sighting, Track, VehicleClass
from models.reading.sharpness import sharpness
from models.tracker import vehicle_of
from pipeline.decoding import decode
from pipeline.plate_frames import frames_worth_reading
from pipeline.plate_vote import vote
from pipeline.ring import FrameRing

if TYPE_CHECKING:
    from etle.types import Image

_AROUND = 0.08
"""A vehicle's crop takes in so much of its surroundings: detectors cut plates that hang low."""
_RIM = 0.04
"""A plate's crop for the reader, likewise."""
_FIRST_LOOK = 3
"""Frames that are read before the vote is asked for the first time."""
_ENOUGH = 4
"""Reads that all agree."""
_WHOLE_FRAMES = 2
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

    finder: PlateFinder
    readers: tuple[PlateReader, ...]
    limit: int

    def plate_of(self, track: Track, others: Sequence[Track], frames: FrameRing, at: datetime) -> Plate:
        """What the plate says, by all reads in the frames that are still there. `at`: the moment of the violation."""
        vehicle = vehicle_of(track)
        found: list[PlateSighting] = []
        for number, (sighting, frame) in enumerate(self._best_first(track, frames), 1):
            found += self._reads(sighting, frame, _boxes_at(sighting.sequence, others), whole=False)
            if number >= _FIRST_LOOK and (_unanimous(found) or vote(found, vehicle, at).certainty is Certainty.CERTAIN):
                break
        if not found:
            for sighting, frame in list(self._best_first(track, frames))[:_WHOLE_FRAMES]:
                found += self._reads(sighting, frame, _boxes_at(sighting.sequence, others), whole=True)
        return vote(sorted(found, key=lambda sighting: sighting.sequence), vehicle, at)

    def _best_first(self, track: Track, frames: FrameRing) -> Iterator[tuple[Sighting, Frame]]:
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

    def _reads(self, sighting: Sighting, frame: Frame, others: Sequence[tuple[Box, VehicleClass]], *, whole: bool) -> list[PlateSighting]:
        image = decode(frame)
        area = Box(0, 0, frame.width, frame.height) if whole else _grown(sighting.box, _AROUND, image)
        plates = (moved(plate, area) for plate in self.finder.find([cut(image, area)])[0])
        mine = next((plate for plate in plates if belongs(plate.box, sighting.box, sighting.vehicle, others)), None)
        if mine is None:
            return []
        crop = cut(image, _grown(mine.box, _RIM, image))
        sharp = sharpness(crop)
        return [
            PlateSighting(sequence=frame.sequence, captured_at=frame.captured_at, plate=mine, sharpness=sharp, read=reader.read([crop])[0])
            for reader in self.readers
        ]


def _unanimous(found: Sequence[PlateSighting]) -> bool:
    """Whether enough reads say the same that more of them by the same readers would add nothing: they repeat their errors too."""
    texts = [sighting.read.text for sighting in found]
    return len(texts) >= _ENOUGH and len(set(texts)) == 1 and texts[0] != ""


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


def _grown(box: Box, share: float, image: "Image") -> Box:
    """Whole pixels inside the picture."""
    x, y = share * box.width, share * box.height
    return Box(
        max(0, math.floor(box.x1 - x)),
        max(0, math.floor(box.y1 - y)),
        min(image.shape[1], math.ceil(box.x2 + x)),
        min(image.shape[0], math.ceil(box.y2 + y)),
    )


def cut(image: "Image", box: Box) -> "Image":
    part: Image = image[int(box.y1) : int(box.y2), int(box.x1) : int(box.x2)]
    return part


def moved(plate: PlateBox, area: Box) -> PlateBox:
    """From the crop's pixels to the frame's."""
    box = Box(plate.box.x1 + area.x1, plate.box.y1 + area.y1, plate.box.x2 + area.x1, plate.box.y2 + area.y1)
    a, b, c, d = plate.corners or (None,) * 4
    corners = None
    if a and b and c and d:
        corners = tuple(Point(corner.x + area.x1, corner.y + area.y1) for corner in (a, b, c, d))
    return PlateBox(box=box, score=plate.score, corners=corners)  # type: ignore[arg-type]  # four corners stay four
