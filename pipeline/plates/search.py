"""Searches for the plate of one vehicle in its best frames and reads it until the vote is certain.

A plate inside this vehicle's box may belong to a neighbour. It is assigned to the vehicle whose size and position it matches best, and
to none if two vehicles match about equally.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from etle.geometry import box_contains, intersection_area
from etle.protocols import PlateDetector, PlateReader
from etle.types import Box, Certainty, Frame, Plate, PlateBox, PlateSighting, Sighting, Track, VehicleClass
from models.plates.fusion import confident
from models.plates.readers.ev_strip import has_blue_strip
from models.plates.readers.sharpness import contrast
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.frames.buffer import FrameBuffer
from pipeline.frames.decode import decode
from pipeline.plates.crops import (
    INNER_AREA,
    TIGHT_MARGIN,
    Margin,
    PlateInFrame,
    agree,
    crop,
    detect_in_area,
    disagree,
    expand,
    extend_to_rim,
    is_unclear,
)
from pipeline.plates.frame_selection import best_first, same_view
from pipeline.plates.voting import vote, vote_unclear
from pipeline.scene.identified import SearchedView

if TYPE_CHECKING:
    from etle.types import Image

_VEHICLE_MARGIN = Margin(0.08, 0.08)
"""Added to a vehicle's box before plates are detected in it: vehicle boxes cut off low plates."""
_ENOUGH_READS = 6
"""Number of reads that all agree after which the search ends, even if the plate is not certain: an unknown area code stays unknown."""
_WHOLE_FRAMES = 1
"""Number of frames that are searched whole if no crop of the vehicle shows a plate."""
_WIDTH_RATIO: Mapping[VehicleClass, float] = {
    VehicleClass.MOTORCYCLE: 0.38,
    VehicleClass.CAR: 0.26,
    VehicleClass.BUS: 0.18,
    VehicleClass.TRUCK: 0.18,
}
"""Plate width / vehicle width, seen from the rear or front: 275 mm on 0.72 m, 430 mm on 1.65 m and 2.4 m."""
_EDGE_PX = 4.0
_MAX_HIDDEN = 0.03
"""Share of a vehicle's lower half that another's box may cover."""
_MIN_LIT = 60.0
"""Difference in grey levels of its lower half below which a plate may be there and not be seen."""
_MIN_MISMATCH_GAP = 0.35
"""Minimum difference between the mismatch of this vehicle and that of every other vehicle around the plate."""


class DecodedFrames:
    """The frames of one search at full size, each decoded once.

    Holds one picture for each frame that the search uses, at most `PlateSearch.max_frames`, and is dropped with the search.
    """

    def __init__(self, decode: "Callable[[Frame], Image]") -> None:
        self._decode = decode
        self._images: dict[int, Image] = {}

    def get(self, frame: Frame) -> "Image":
        """Height x width x 3, uint8, BGR; not to be written to. Raises FrameBroken."""
        image = self._images.get(frame.sequence)
        if image is None:
            image = self._images[frame.sequence] = self._decode(frame)
        return image


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedPlate:
    """The plate of a vehicle, and the pictures in which it was searched, the best first."""

    plate: Plate
    views: tuple[SearchedView, ...]


@dataclass(frozen=True, slots=True)
class PlateSearch:
    """Plate detector and readers, and the maximum number of frames to search for one vehicle."""

    detector: PlateDetector
    readers: tuple[PlateReader, ...]
    max_frames: int
    tiebreaker: PlateReader | None = None
    """Reads the plate once if the other readers disagree: a reader that is too slow or too inaccurate to read every plate."""
    decode: "Callable[[Frame], Image]" = decode
    reads_plates: bool = True
    """False in runs that repeat the rules only: no rule decides on a plate then."""

    def plate_of(self, track: Track, others: Sequence[Track], frames: FrameBuffer, at: datetime) -> Plate:
        """The plate voted by all reads in the frames that are still buffered. `at`: time of the violation."""
        return self.search(track, others, frames, at).plate

    def search(self, track: Track, others: Sequence[Track], frames: FrameBuffer, at: datetime, min_frames: int = 1) -> SearchedPlate:
        """As `plate_of`, with the pictures that were searched. `min_frames`: read in so many, if the plate is found in so many."""
        vehicle = vehicle_class_of(track)
        best = list(best_first(track, frames, self.max_frames))
        decoded = DecodedFrames(self.decode)
        plates: list[PlateInFrame] = []
        views: list[SearchedView] = []
        reads: list[PlateSighting] = []
        for plate in self._plates(best, others, decoded, views):
            plates.append(plate)
            reads += plate.read_with(self.readers)
            if len(plates) >= min_frames and _is_enough(reads, vehicle, at):
                return _searched(vote(reads, vehicle, at), plates, views)
        if not plates:
            return _searched(vote(reads, vehicle, at), plates, views)
        largest = max(plates, key=lambda plate: plate.plate.box.area)
        other = _in_another_frame(largest, best, decoded)
        reads += self._read_again(largest, other, reads)
        voted = vote(_in_order(reads), vehicle, at)
        if is_unclear(voted):
            reads += other.read_with(self.readers, TIGHT_MARGIN, INNER_AREA)
            voted = vote_unclear(_in_order(reads), vehicle, at)
        return _searched(voted, plates, views)

    def _read_again(self, plate: PlateInFrame, other: PlateInFrame, reads: Sequence[PlateSighting]) -> list[PlateSighting]:
        """Reads of `other`, the plate in another frame, with a tight margin; then of the plate by the tiebreaker if readers disagree."""
        again = other.read_with(self.readers, TIGHT_MARGIN)
        if self.tiebreaker and disagree([*reads, *again]):
            again += plate.read_with([self.tiebreaker])
        return again

    def _plates(
        self, best: Sequence[tuple[Sighting, Frame]], others: Sequence[Track], decoded: DecodedFrames, views: list[SearchedView]
    ) -> Iterator[PlateInFrame]:
        """The vehicle's plate in its best frames, once per view; if its crops show none, in the whole of the first frame.

        Adds to `views` each picture that was searched.
        """
        shown: list[Sighting] = []
        for whole_frame, candidates in ((False, best), (True, best[:_WHOLE_FRAMES])):
            for sighting, frame in candidates:
                if any(same_view(sighting, other) for other in shown):
                    continue
                image, beside = decoded.get(frame), _boxes_at(sighting.sequence, others)
                found = self._detected(sighting, image, whole_frame=whole_frame)
                views.append(_view(sighting, image, found, [box for box, _ in beside]))
                plate = _own_plate(found, sighting, frame, image, beside)
                if plate is not None:
                    shown.append(sighting)
                    yield plate
            if shown:
                return

    def _detected(self, sighting: Sighting, image: "Image", *, whole_frame: bool) -> Sequence[PlateBox]:
        """With all scores, in pixels of the image."""
        if whole_frame:
            return self.detector.detect_frames([image])[0]
        return detect_in_area(self.detector, image, expand(image, sighting.box, _VEHICLE_MARGIN))


def _own_plate(
    found: Sequence[PlateBox], sighting: Sighting, frame: Frame, image: "Image", others: Sequence[tuple[Box, VehicleClass]]
) -> PlateInFrame | None:
    own = next((plate for plate in confident(found) if belongs(plate.box, sighting.box, sighting.vehicle, others)), None)
    return PlateInFrame(image, extend_to_rim(image, own), frame.sequence, frame.captured_at) if own else None


def _view(sighting: Sighting, image: "Image", found: Sequence[PlateBox], others: Sequence[Box]) -> SearchedView:
    box, (height, width) = sighting.box, image.shape[:2]
    lower = Box(box.x1, box.centre.y, box.x2, box.y2)
    inside = box.x1 >= _EDGE_PX and box.y1 >= _EDGE_PX and box.x2 <= width - _EDGE_PX and box.y2 <= height - _EDGE_PX
    hidden = sum(intersection_area(lower, other) for other in others) > _MAX_HIDDEN * lower.area
    return SearchedView(
        sequence=sighting.sequence,
        expected_px=_WIDTH_RATIO[sighting.vehicle] * box.width,
        score=max((plate.score for plate in found if box_contains(expand(image, box, _VEHICLE_MARGIN), plate.box.centre)), default=0.0),
        clear=inside and not hidden and contrast(crop(image, lower, Margin(0, 0))) >= _MIN_LIT,
    )


def _searched(plate: Plate, plates: Sequence[PlateInFrame], views: Sequence[SearchedView]) -> SearchedPlate:
    strips = [has_blue_strip(crop(each.image, each.plate.box, Margin(0, 0))) for each in plates]
    electric = True if any(strips) else False if False in strips else None
    return SearchedPlate(plate=replace(plate, electric=electric), views=tuple(views))


def _in_another_frame(plate: PlateInFrame, best: Sequence[tuple[Sighting, Frame]], decoded: DecodedFrames) -> PlateInFrame:
    """The same plate box in another frame of the same view if there is one, otherwise the plate itself."""
    own = next(sighting for sighting, _ in best if sighting.sequence == plate.sequence)
    for sighting, frame in best:
        if sighting is not own and same_view(sighting, own):
            return PlateInFrame(decoded.get(frame), plate.plate, frame.sequence, frame.captured_at)
    return plate


def _in_order(reads: Sequence[PlateSighting]) -> list[PlateSighting]:
    return sorted(reads, key=lambda read: read.sequence)


def _is_enough(reads: Sequence[PlateSighting], vehicle: VehicleClass, at: datetime) -> bool:
    """Whether further reads would add nothing. Agreement alone is not certainty: readers repeat their errors."""
    return (agree(reads) and len(reads) >= _ENOUGH_READS) or vote(reads, vehicle, at).certainty is Certainty.CERTAIN


def belongs(plate: Box, vehicle: Box, vehicle_class: VehicleClass, others: Sequence[tuple[Box, VehicleClass]]) -> bool:
    """Whether the plate matches this vehicle clearly better than any of the others."""
    if not box_contains(vehicle, plate.centre):
        return False
    own = mismatch(plate, vehicle, vehicle_class)
    return all(mismatch(plate, box, other) > own + _MIN_MISMATCH_GAP for box, other in others if box_contains(box, plate.centre))


def mismatch(plate: Box, vehicle: Box, vehicle_class: VehicleClass) -> float:
    """0 for a plate of the usual size in the middle of the vehicle's width; dimensionless."""
    offset = abs(plate.centre.x - vehicle.centre.x) / vehicle.width
    size = abs(math.log(max(plate.width, 1.0) / (_WIDTH_RATIO[vehicle_class] * vehicle.width)))
    return 2 * offset + size


def _boxes_at(sequence: int, tracks: Sequence[Track]) -> list[tuple[Box, VehicleClass]]:
    return [(sighting.box, vehicle_class_of(track)) for track in tracks for sighting in track.sightings if sighting.sequence == sequence]
