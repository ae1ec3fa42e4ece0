"""Which of a detector's classes are vehicles, and what a detection of one is."""

from collections.abc import Iterable, Mapping

from etle.errors import WeightsError
from etle.geometry import overlap, shared_area
from etle.types import Detection, VehicleClass
from models.runtime.yolov8 import RawDetection, nms

LEAST_SCORE = 0.1
"""Detections of a lower score are noise. Those up to the site file's `score` begin no track, but keep a half-hidden vehicle's alive."""
_DOUBLE = 0.7
"""Boxes of any class that overlap so much are one vehicle: far vans come out as car and as truck."""
_RIDER = 0.45
"""Intersection over union of the boxes of a motorcycle with its rider and without, at least."""
_WITHIN = 0.8
"""So much of the smaller box lies in the other."""


def vehicle_kinds(names: Mapping[int, str]) -> dict[int, VehicleClass]:
    """The detector's classes that are called as ours are. Raises WeightsError if none is."""
    kinds = {kind: VehicleClass(name) for kind, name in names.items() if name in set(VehicleClass)}
    if not kinds:
        raise WeightsError(f"The detector knows none of {', '.join(VehicleClass)}; it knows: {', '.join(names.values())}")
    return kinds


def as_detections(candidates: Iterable[RawDetection], kinds: Mapping[int, VehicleClass]) -> tuple[Detection, ...]:
    """Vehicles, best first, each once."""
    vehicles = [found for found in candidates if found.kind in kinds and found.score >= LEAST_SCORE]
    detections: list[Detection] = []
    for found in nms(vehicles, _DOUBLE):
        detection = Detection(box=found.box, vehicle=kinds[found.kind], score=found.score)
        if not any(_same_vehicle(detection, better) for better in detections):
            detections.append(detection)
    return tuple(detections)


def _same_vehicle(one: Detection, better: Detection) -> bool:
    """A motorcycle with and without its rider comes as two boxes. Of two that overlap so much one is hidden, and its box a guess."""
    if one.vehicle is not VehicleClass.MOTORCYCLE or better.vehicle is not VehicleClass.MOTORCYCLE:
        return False
    return overlap(one.box, better.box) > _RIDER or shared_area(one.box, better.box) > _WITHIN * min(one.box.area, better.box.area)
