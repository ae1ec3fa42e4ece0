"""Measures the search for riders on labelled photos, one picture at a time: how many persons are on one motorcycle.

A rule decides on several views of a track; here each picture decides alone, so that errors of single views are counted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2

from etle.errors import ConfigError
from etle.types import Box, VehicleClass
from pipeline.evaluation.rider_photos import RiderPhoto
from pipeline.riders.association import riders_on
from pipeline.riders.search import persons_around

if TYPE_CHECKING:
    from etle.protocols import PersonDetector, VehicleDetector
    from etle.types import Image

_MIN_SCORE: Final = 0.25
"""Of a motorcycle, as in the stage."""
_THREE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TripleCounts:
    """Pictures with three on one motorcycle, those of them that are found, other pictures, and those of them with a false one."""

    pictures: int = 0
    found: int = 0
    others: int = 0
    false: int = 0

    def with_picture(self, truth: bool, told: bool) -> "TripleCounts":
        return TripleCounts(
            pictures=self.pictures + truth,
            found=self.found + (truth and told),
            others=self.others + (not truth),
            false=self.false + (told and not truth),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderReport:
    triple: TripleCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderEngines:
    vehicles: "VehicleDetector"
    persons: "PersonDetector"


Progress = Callable[[Sequence[RiderPhoto], str], Iterator[RiderPhoto]]


def evaluate_riders(photos: Sequence[RiderPhoto], engines: RiderEngines, progress: Progress) -> RiderReport:
    """Raises ConfigError for a picture that cannot be read, InferenceError."""
    triple = TripleCounts()
    for photo in progress(photos, "photos"):
        image = _read(photo)
        triple = triple.with_picture(photo.three_on_one, max(persons_per_motorcycle(image, engines), default=0) >= _THREE)
    return RiderReport(triple=triple)


def persons_per_motorcycle(image: "Image", engines: RiderEngines) -> list[int]:
    """Number of persons who certainly ride each motorcycle of the picture."""
    boxes = motorcycles_in(image, engines.vehicles)
    return [
        len(riders_on(box, [other for other in boxes if other is not box], persons_around(engines.persons, image, box)).certain)
        for box in boxes
    ]


def motorcycles_in(image: "Image", detector: "VehicleDetector") -> list[Box]:
    found = detector.detect([image])[0]
    return [each.box for each in found if each.vehicle is VehicleClass.MOTORCYCLE and each.score >= _MIN_SCORE]


def as_json(report: RiderReport) -> dict[str, object]:
    triple = report.triple
    return {
        "triple_riding": {"pictures": triple.pictures, "found": triple.found, "other_pictures": triple.others, "false": triple.false},
    }


def _read(photo: RiderPhoto) -> "Image":
    image: Image | None = cv2.imread(str(photo.path), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"{photo.path} is not a picture")
    return image
