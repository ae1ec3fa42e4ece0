"""Measures the search for riders on labelled photos, one picture at a time: how many ride a motorcycle, and what they wear.

A rule decides on several views of a track; here each picture decides alone, so that errors of single views are counted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2

from etle.errors import ConfigError
from etle.geometry import iou
from etle.types import Box, Headgear, RiderHead, VehicleClass
from pipeline.evaluation.rider_photos import HelmetLabel, RiderPhoto
from pipeline.riders.association import heads_on, riders_on
from pipeline.riders.search import heads_around, persons_around

if TYPE_CHECKING:
    from etle.protocols import HeadReader, PersonDetector, VehicleDetector
    from etle.types import Image

_MIN_SCORE: Final = 0.25
"""Of a motorcycle, as in the stage."""
_THREE: Final = 3
_SAME_HEAD: Final = 0.3
"""Intersection over union from which a head that is found is the labelled one."""
_NO_HEAD: Final = 0.1
"""A head that overlaps every labelled one less than this is none, or one that has no label."""


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
class HeadCounts:
    """Labelled heads of one kind: helmets, or heads without one."""

    n: int = 0
    helmet: int = 0
    """Told to wear one."""
    bare: int = 0
    """Told to wear none."""
    unknown: int = 0
    """Found, and not told."""

    @property
    def lost(self) -> int:
        return self.n - self.helmet - self.bare - self.unknown

    def with_head(self, told: Headgear | None) -> "HeadCounts":
        """`told` None: it was not found."""
        return replace(
            self,
            n=self.n + 1,
            helmet=self.helmet + (told is Headgear.HELMET),
            bare=self.bare + (told is Headgear.NO_HELMET),
            unknown=self.unknown + (told is Headgear.UNKNOWN),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderReport:
    triple: TripleCounts
    helmets: HeadCounts
    bare: HeadCounts
    unlabelled: int
    """Heads that are found where no label is, in pictures with labels: errors, and heads that nobody labelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderEngines:
    vehicles: "VehicleDetector"
    persons: "PersonDetector"
    heads: "HeadReader"


@dataclass(frozen=True, slots=True, kw_only=True)
class RiddenMotorcycle:
    """What was found on one motorcycle of a picture."""

    persons: int
    heads: tuple[RiderHead, ...]


Progress = Callable[[Sequence[RiderPhoto], str], Iterator[RiderPhoto]]


def evaluate_riders(photos: Sequence[RiderPhoto], engines: RiderEngines, progress: Progress) -> RiderReport:
    """Raises ConfigError for a picture that cannot be read, InferenceError."""
    report = RiderReport(triple=TripleCounts(), helmets=HeadCounts(), bare=HeadCounts(), unlabelled=0)
    for photo in progress(photos, "photos"):
        ridden = motorcycles_of(_read(photo), engines)
        told = max((max(each.persons, len(each.heads)) for each in ridden), default=0) >= _THREE
        report = replace(report, triple=report.triple.with_picture(photo.three_on_one, told))
        report = _with_heads(report, photo.heads, [head for each in ridden for head in each.heads])
    return report


def motorcycles_of(image: "Image", engines: RiderEngines) -> list[RiddenMotorcycle]:
    """Who certainly rides each motorcycle of the picture."""
    found = engines.vehicles.detect([image])[0]
    boxes = [each.box for each in found if each.vehicle is VehicleClass.MOTORCYCLE and each.score >= _MIN_SCORE]
    return [_ridden(image, box, [other for other in boxes if other is not box], engines) for box in boxes]


def as_json(report: RiderReport) -> dict[str, object]:
    triple = report.triple
    return {
        "triple_riding": {"pictures": triple.pictures, "found": triple.found, "other_pictures": triple.others, "false": triple.false},
        "with_helmet": _as_json(report.helmets),
        "without_helmet": _as_json(report.bare),
        "unlabelled": report.unlabelled,
    }


def _ridden(image: "Image", box: Box, others: Sequence[Box], engines: RiderEngines) -> RiddenMotorcycle:
    heads, persons = heads_around(engines.heads, image, box), persons_around(engines.persons, image, box)
    riders = riders_on(box, others, persons, heads).certain
    return RiddenMotorcycle(persons=len(riders), heads=heads_on(box, others, persons, riders, heads))


def _with_heads(report: RiderReport, labels: Sequence[HelmetLabel], found: Sequence[RiderHead]) -> RiderReport:
    for label in labels:
        best = max(found, key=lambda head: iou(head.box, label.box), default=None)
        told = best.headgear if best is not None and iou(best.box, label.box) >= _SAME_HEAD else None
        if label.helmet:
            report = replace(report, helmets=report.helmets.with_head(told))
        else:
            report = replace(report, bare=report.bare.with_head(told))
    if not labels:
        return report
    beside = sum(all(iou(head.box, label.box) < _NO_HEAD for label in labels) for head in found)
    return replace(report, unlabelled=report.unlabelled + beside)


def _as_json(counts: HeadCounts) -> dict[str, int]:
    return {"n": counts.n, "helmet": counts.helmet, "bare": counts.bare, "unknown": counts.unknown, "lost": counts.lost}


def _read(photo: RiderPhoto) -> "Image":
    image: Image | None = cv2.imread(str(photo.path), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"{photo.path} is not a picture")
    return image
