"""Looks again, in a zoom, for motorcycles that just drove here and are missing in this frame.

Of two motorcycles that pass side by side the detector often returns only the nearer one for half a second, and none where a pole covers a
part of it; that may be the half second in which it passes the line. Enlarged, in a crop of its own, it is found in most of these frames. A
look costs a quarter of a search of the frame, and only frames in which a moving motorcycle has just gone missing have one or two.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import log, sqrt
from typing import TYPE_CHECKING, Final

from etle.clock import seconds_between
from etle.geometry import distance, intersection_area, iou
from etle.protocols import VehicleDetector
from etle.types import Box, Detection, Track, VehicleClass
from models.tracking.motion import predict
from models.tracking.vehicle_class import vehicle_class_of
from models.vehicles.classes import is_same_motorcycle, scaled

if TYPE_CHECKING:
    from etle.types import Image

_ZOOM, _MARGIN = 2.5, 0.3
"""Margin of the crop around the vehicle, in its larger side: the detector also needs what is around a vehicle."""
_MAX_SEARCHED: Final = 2
"""Vehicles in one frame: in a crowd the search of the whole frame is not to be repeated piece by piece."""
_MIN_SIGHTINGS: Final = 3
"""Fewer may be noise of the detector, and do not tell where the vehicle goes."""
_MAX_LOST_S: Final = 0.25
"""On the demo's footage 55 of 94 looks in the first quarter of a second find the vehicle, and 2 of 43 later ones: one that was found in a
zoom is looked for in the next frame again, and one that was not has left or is hidden."""
_DROVE_S, _MIN_DRIVEN = 0.6, 0.15
"""In so long before it was lost it moved by this part of its size: nobody needs to know in each frame that a parked one is there."""
_IN_PLACE, _SHOWS = 0.35, 0.5
"""Intersection over union of the predicted box with one that may show the vehicle, and with one that is good enough to follow it."""
_MAX_LOG_RATIO: Final = 0.3
"""Of the sides of such a box and the predicted one: two vehicles in one box, or a half of one, would not do."""


class MissingMotorcycleSearch:
    """`score`: minimum score of a detection that shows a vehicle by itself."""

    def __init__(self, detector: VehicleDetector, frame_size: tuple[int, int], score: float) -> None:
        self._detector = detector
        self._size = frame_size
        self._frame = Box(0, 0, *frame_size)
        self._score = score

    def with_missing(self, image: "Image", detections: Sequence[Detection], tracks: Sequence[Track], at: datetime) -> list[Detection]:
        """The detections, and those of the motorcycles among the tracks that are only found in a zoom; boxes in pixels of the frame.

        `image`: the frame at any size, height x width x 3, uint8, BGR. Raises InferenceError.
        """
        certain = [each for each in detections if each.score >= self._score]
        found: list[Detection] = []
        for missing in sorted(self._missing([each.box for each in certain], tracks, at), key=lambda box: -box.area)[:_MAX_SEARCHED]:
            found += self._searched(image, missing, (*certain, *found))
        return [*detections, *found]

    def _missing(self, certain: Sequence[Box], tracks: Sequence[Track], at: datetime) -> Iterator[Box]:
        """Predicted boxes of the moving motorcycles that none of the certain detections shows."""
        for track in tracks:
            if len(track.sightings) < _MIN_SIGHTINGS or seconds_between(track.last.captured_at, at) > _MAX_LOST_S:
                continue
            box = predict(track, at, self._size).box
            if (
                not any(iou(each, box) >= _IN_PLACE for each in certain)
                and intersection_area(box, self._frame) > box.area / 2
                and _drove(track)
                and vehicle_class_of(track) is VehicleClass.MOTORCYCLE
            ):
                yield box

    def _searched(self, image: "Image", missing: Box, known: Sequence[Detection]) -> list[Detection]:
        """The one that shows the missing vehicle best; empty if none does."""
        seen = [each for each in self._look(image, missing) if _shows(each.box, missing) and not _is_known(each, known)]
        return [max(seen, key=lambda each: iou(each.box, missing))] if seen else []

    def _look(self, image: "Image", missing: Box) -> Iterator[Detection]:
        x, y = self._frame.width / image.shape[1], self._frame.height / image.shape[0]
        around = _MARGIN * max(missing.width, missing.height)
        part = Box(
            max(0.0, (missing.x1 - around) / x),
            max(0.0, (missing.y1 - around) / y),
            min(image.shape[1], (missing.x2 + around) / x),
            min(image.shape[0], (missing.y2 + around) / y),
        )
        return (scaled(detection, x, y) for detection in self._detector.detect_part(image, part, _ZOOM))


def _shows(box: Box, predicted: Box) -> bool:
    ratios = (box.width / predicted.width, box.height / predicted.height)
    return iou(box, predicted) >= _SHOWS and all(abs(log(ratio)) <= _MAX_LOG_RATIO for ratio in ratios)


def _drove(track: Track) -> bool:
    last = track.last
    recent = (each for each in track.sightings if seconds_between(each.captured_at, last.captured_at) <= _DROVE_S)
    return distance(next(recent).box.centre, last.box.centre) >= _MIN_DRIVEN * sqrt(last.box.area)


def _is_known(detection: Detection, found: Sequence[Detection]) -> bool:
    """Whether it is a vehicle that was found already, or one of which nothing tells it apart."""
    return any(iou(detection.box, each.box) > _IN_PLACE or is_same_motorcycle(detection, each) for each in found)
