"""Detects and reads the plates in a single photo, with the same reading and voting as for a track."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from etle.geometry import box_contains
from etle.protocols import PlateDetector, PlateReader, VehicleDetector
from etle.types import Box, Certainty, Detection, Plate, PlateBox, VehicleClass
from models.plates.fusion import confident, fuse, without_overlaps
from pipeline.plates.crops import INNER_AREA, TIGHT_MARGIN, Margin, PlateInFrame, agree, detect_in_area, expand, extend_to_rim, is_unclear
from pipeline.plates.search import mismatch
from pipeline.plates.voting import vote, vote_unclear

if TYPE_CHECKING:
    from etle.types import Image

_MIN_VEHICLE_SCORE = 0.15
"""Below the usual threshold of vehicle detections: a search in an area without a vehicle costs time, but adds no wrong plates."""
_VEHICLE_MARGIN = Margin(0.08, 0.08)
_MIN_AREA_PX = 24


@dataclass(frozen=True, slots=True)
class PlateInPhoto:
    found: PlateBox
    plate: Plate


def vehicles_in(image: "Image", detector: VehicleDetector) -> tuple[Detection, ...]:
    """The vehicles in which plates are searched. Raises InferenceError."""
    return tuple(vehicle for vehicle in detector.detect([image])[0] if vehicle.score >= _MIN_VEHICLE_SCORE)


def read_photo(
    image: "Image", vehicles: Sequence[Detection], plate_detector: PlateDetector, readers: Sequence[PlateReader], at: datetime
) -> tuple[PlateInPhoto, ...]:
    """All plates, highest detection score first. `at`: date for the validity of area codes and series. Raises InferenceError."""
    return tuple(
        PlateInPhoto(plate, _read(image, plate, readers, at, vehicle_around(plate.box, vehicles)))
        for plate in _find_plates(image, vehicles, plate_detector)
    )


def _find_plates(image: "Image", vehicles: Sequence[Detection], plate_detector: PlateDetector) -> tuple[PlateBox, ...]:
    """Plates detected in the whole image and in the crops of its vehicles, fused.

    Where no vehicle is detected, the photo may show one from so close that it is not: then the whole image counts as the crop of one.
    """
    areas = [expand(image, vehicle.box, _VEHICLE_MARGIN) for vehicle in vehicles] or [Box(0, 0, image.shape[1], image.shape[0])]
    crops = [detect_in_area(plate_detector, image, area) for area in areas if min(area.width, area.height) >= _MIN_AREA_PX]
    found = confident(fuse([plate_detector.detect_frames([image])[0], *crops]))
    return without_overlaps([extend_to_rim(image, plate) for plate in found])


def vehicle_around(plate: Box, vehicles: Sequence[Detection]) -> VehicleClass | None:
    """The class of the vehicle that the plate matches best; None if none contains it."""
    around = [vehicle for vehicle in vehicles if box_contains(vehicle.box, plate.centre)]
    best = min(around, key=lambda vehicle: mismatch(plate, vehicle.box, vehicle.vehicle), default=None)
    return best.vehicle if best else None


def read_box(image: "Image", box: Box, readers: Sequence[PlateReader], at: datetime, *, vehicle: VehicleClass | None = None) -> Plate:
    """The plate in `box`, which is in pixels of the image. `vehicle` None: unknown, its number range is not checked."""
    return _read(image, PlateBox(box=box, score=1.0), readers, at, vehicle)


def _read(image: "Image", plate_box: PlateBox, readers: Sequence[PlateReader], at: datetime, vehicle: VehicleClass | None) -> Plate:
    shown = PlateInFrame(image, plate_box, 0, at)
    reads = shown.read_with(readers)
    plate = vote(reads, vehicle, at)
    if plate.certainty is Certainty.CERTAIN or (plate.notes and agree(reads)):
        return plate
    reads += shown.read_with(readers, TIGHT_MARGIN)
    plate = vote(reads, vehicle, at)
    if not is_unclear(plate):
        return plate
    return vote_unclear([*reads, *shown.read_with(readers, TIGHT_MARGIN, INNER_AREA)], vehicle, at)


def read_crop(crop: "Image", readers: Sequence[PlateReader], at: datetime) -> Plate:
    """The plate that fills the image."""
    return read_box(crop, Box(0, 0, crop.shape[1], crop.shape[0]), readers, at)
