"""Plates of a single picture, read as those of a vehicle's track are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from etle.protocols import PlateFinder, PlateReader
from etle.types import Box, Plate, PlateBox, PlateSighting, VehicleClass
from models.reading.sharpness import sharpness
from pipeline.plate_vote import vote
from pipeline.plates import _RIM, _grown, cut

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True)
class PhotoPlate:
    found: PlateBox
    plate: Plate


def read_photo(image: "Image", finder: PlateFinder, readers: Sequence[PlateReader], at: datetime) -> tuple[PhotoPlate, ...]:
    return tuple(PhotoPlate(found, _read(plate_crop(image, found.box), found, readers, at)) for found in finder.find([image])[0])


def read_box(image: "Image", box: Box, readers: Sequence[PlateReader], at: datetime) -> Plate:
    return _read(plate_crop(image, box), PlateBox(box=box, score=1.0), readers, at)


def read_crop(crop: "Image", readers: Sequence[PlateReader], at: datetime) -> Plate:
    whole = Box(0, 0, crop.shape[1], crop.shape[0])
    return _read(crop, PlateBox(box=whole, score=1.0), readers, at)


def plate_crop(image: "Image", box: Box) -> "Image":
    return cut(image, _grown(box, _RIM, image))


def _read(crop: "Image", found: PlateBox, readers: Sequence[PlateReader], at: datetime) -> Plate:
    sharp = sharpness(crop)
    sightings = [PlateSighting(sequence=0, captured_at=at, plate=found, sharpness=sharp, read=r.read([crop])[0]) for r in readers]
    return vote(sightings, VehicleClass.CAR, at)
