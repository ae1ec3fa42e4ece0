"""Plates in a single picture: found in its vehicles and in the whole, and read as those of a track are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from etle.protocols import PlateDetector, PlateReader, VehicleDetector
from etle.types import Box, Plate, PlateBox, PlateSighting, VehicleClass
from models.plates.fusion import merged
from pipeline.plates.crops import TIGHTER, Margin, PlateCrop, agree, around, find_in
from pipeline.plates.voting import vote

if TYPE_CHECKING:
    from etle.types import Image

_VEHICLE_FROM = 0.15
"""Detections below this score are not looked at alone. Looking for a plate where there is no vehicle costs time, not truth."""
_AROUND = Margin(0.08, 0.08)
_LEAST_PX = 24


@dataclass(frozen=True, slots=True)
class PlateInPhoto:
    found: PlateBox
    plate: Plate


def read_photo(
    image: "Image", detector: VehicleDetector, finder: PlateDetector, readers: Sequence[PlateReader], at: datetime
) -> tuple[PlateInPhoto, ...]:
    """Every plate, best found first. `at`: the day on which it counts as seen. Raises InferenceError."""
    found = find_plates(image, detector, finder)
    return tuple(PlateInPhoto(plate, read_box(image, plate.box, readers, at)) for plate in found)


def find_plates(image: "Image", detector: VehicleDetector, finder: PlateDetector) -> tuple[PlateBox, ...]:
    vehicles = [vehicle.box for vehicle in detector.detect([image])[0] if vehicle.score >= _VEHICLE_FROM]
    areas = (around(image, box, _AROUND) for box in vehicles)
    in_vehicles = [plate for area in areas if min(area.width, area.height) >= _LEAST_PX for plate in find_in(finder, image, area)]
    return merged([finder.find([image], whole=True)[0], in_vehicles])


def read_box(image: "Image", box: Box, readers: Sequence[PlateReader], at: datetime) -> Plate:
    """The plate in that box, in pixels of the picture."""
    seen = PlateCrop(image, PlateBox(box=box, score=1.0), 0, at)
    return vote(_reads(seen, readers), VehicleClass.CAR, at)


def read_crop(crop: "Image", readers: Sequence[PlateReader], at: datetime) -> Plate:
    """A picture of nothing but a plate."""
    return read_box(crop, Box(0, 0, crop.shape[1], crop.shape[0]), readers, at)


def _reads(seen: PlateCrop, readers: Sequence[PlateReader]) -> list[PlateSighting]:
    reads = seen.reads(readers)
    if agree(reads) and len(readers) > 1:
        return reads
    return [*reads, *seen.reads(readers, TIGHTER)]
