"""Maps a detector's classes to vehicle classes and turns its raw detections into `Detection` values."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from etle.errors import WeightsError
from etle.geometry import intersection_area, iou
from etle.types import Box, Detection, VehicleClass
from models.runtime.yolov8 import RawDetection, nms

MIN_SCORE = 0.1
"""Detections of a lower score are noise. Those below the site file's `score` start no track, but continue one of a half-hidden vehicle."""
_NMS_IOU = 0.7
"""Boxes of any class that overlap more are one vehicle: distant vans are detected both as car and as truck."""
_RIDER_IOU = 0.45
"""Minimum intersection over union of two boxes of one motorcycle, with and without its rider."""
_NESTED_FRACTION = 0.8
"""Minimum fraction of the smaller of these boxes that lies inside the other."""


def vehicle_classes(names: Mapping[int, str]) -> dict[int, VehicleClass]:
    """Vehicle classes by class id, for the classes of `names` with the name of one. Raises WeightsError if there is none."""
    classes = {class_id: VehicleClass(name) for class_id, name in names.items() if name in set(VehicleClass)}
    if not classes:
        raise WeightsError(f"The detector knows none of {', '.join(VehicleClass)}; it knows: {', '.join(names.values())}")
    return classes


def to_detections(raw: Iterable[RawDetection], classes: Mapping[int, VehicleClass]) -> tuple[Detection, ...]:
    """Vehicles after non-maximum suppression, highest score first."""
    vehicles = [found for found in raw if found.class_id in classes and found.score >= MIN_SCORE]
    detections: list[Detection] = []
    for found in nms(vehicles, _NMS_IOU):
        detection = Detection(box=found.box, vehicle=classes[found.class_id], score=found.score)
        if not any(is_same_motorcycle(detection, better) for better in detections):
            detections.append(detection)
    return tuple(detections)


def moved(detection: Detection, x: float, y: float) -> Detection:
    """The detection with its box moved by that many pixels."""
    box = detection.box
    return replace(detection, box=Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y))


def scaled(detection: Detection, x: float, y: float) -> Detection:
    """The detection in an image that is larger by these factors."""
    box = detection.box
    return replace(detection, box=Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y))


def is_same_motorcycle(one: Detection, better: Detection) -> bool:
    """Whether both boxes are one motorcycle, with and without its rider; or two of which one is hidden and its box unreliable."""
    if one.vehicle is not VehicleClass.MOTORCYCLE or better.vehicle is not VehicleClass.MOTORCYCLE:
        return False
    smaller = min(one.box.area, better.box.area)
    return iou(one.box, better.box) > _RIDER_IOU or intersection_area(one.box, better.box) > _NESTED_FRACTION * smaller
