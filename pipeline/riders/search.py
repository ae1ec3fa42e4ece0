"""Searches the riders of one motorcycle in its best frames.

Persons are detected in a crop around the motorcycle at full resolution: in the whole frame, reduced for the vehicle detector, those who sit
close together are one. Each motorcycle that a rule asks for costs as many runs of the detector as it has views; other vehicles cost none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from etle.protocols import HeadReader, PersonDetector
from etle.types import Box, Frame, PersonBox, RiderHead, Sighting, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.frames.buffer import FrameBuffer
from pipeline.frames.clear_view import is_clear
from pipeline.frames.decode import decode
from pipeline.plates.frame_selection import best_first
from pipeline.riders.association import heads_on, riders_on
from pipeline.scene.riders import RidersView

if TYPE_CHECKING:
    from etle.types import Image

_BESIDE, _ABOVE, _BELOW = 0.35, 1.1, 0.1
"""Added to the motorcycle's box: its width beside it, its larger side above, its height below."""
_HEAD: Final = 0.24
"""Height of a head relative to the motorcycle's box, which has a height of 1.1 m without its riders and 1.7 m with them."""


@dataclass(frozen=True, slots=True)
class RiderSearch:
    """`max_frames`: maximum number of frames to search for one motorcycle."""

    persons: PersonDetector
    heads: HeadReader
    max_frames: int = 6
    decode: "Callable[[Frame], Image]" = decode

    def search(self, track: Track, others: Sequence[Track], frames: FrameBuffer) -> tuple[RidersView, ...]:
        """In order of time. Raises FrameBroken, InferenceError."""
        views = [self._view(sighting, frame, others) for sighting, frame in best_first(track, frames, self.max_frames)]
        return tuple(sorted(views, key=lambda view: view.sequence))

    def _view(self, sighting: Sighting, frame: Frame, others: Sequence[Track]) -> RidersView:
        image, beside = self.decode(frame), _at(sighting.sequence, others)
        motorcycles = [box for box, vehicle in beside if vehicle is VehicleClass.MOTORCYCLE]
        heads, persons = heads_around(self.heads, image, sighting.box), persons_around(self.persons, image, sighting.box)
        found = riders_on(sighting.box, motorcycles, persons, heads)
        return RidersView(
            sequence=sighting.sequence,
            motorcycle=sighting.box,
            riders=found.certain,
            doubtful=found.doubtful,
            heads=heads_on(sighting.box, motorcycles, persons, found.certain, heads),
            clear=is_clear(sighting.box, [box for box, _ in beside], image.shape[:2]),
        )


def persons_around(detector: PersonDetector, image: "Image", motorcycle: Box) -> tuple[PersonBox, ...]:
    """Persons on and beside the motorcycle, in pixels of the image (height x width x 3, uint8, BGR). Raises InferenceError."""
    area = search_area(motorcycle, image.shape[:2])
    crop = image[int(area.y1) : int(area.y2), int(area.x1) : int(area.x2)]
    return tuple(
        replace(person, box=Box(person.box.x1 + area.x1, person.box.y1 + area.y1, person.box.x2 + area.x1, person.box.y2 + area.y1))
        for person in detector.detect_persons([crop])[0]
    )


def heads_around(reader: HeadReader, image: "Image", motorcycle: Box) -> Sequence[RiderHead]:
    """Heads above the motorcycle and beside it. Raises InferenceError."""
    area = search_area(motorcycle, image.shape[:2])
    return reader.find(image, area._replace(y2=min(area.y2, motorcycle.y2)), _HEAD * motorcycle.height)


def search_area(motorcycle: Box, size: tuple[int, int]) -> Box:
    """Whole pixels, clipped to the image of this height and width."""
    beside, above, below = _BESIDE * motorcycle.width, _ABOVE * max(motorcycle.width, motorcycle.height), _BELOW * motorcycle.height
    return Box(
        int(max(0.0, motorcycle.x1 - beside)),
        int(max(0.0, motorcycle.y1 - above)),
        int(min(size[1], motorcycle.x2 + beside + 1)),
        int(min(size[0], motorcycle.y2 + below + 1)),
    )


def _at(sequence: int, tracks: Sequence[Track]) -> list[tuple[Box, VehicleClass]]:
    return [(each.box, vehicle_class_of(track)) for track in tracks for each in track.sightings if each.sequence == sequence]
