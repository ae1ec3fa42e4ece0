"""Turns decided cases into labelled pictures.

A label's `origin` says who stands behind it. Reviewers confirm or correct the text of a plate and confirm that the vehicle in the box did
what the case says; they do not draw boxes, so every box is the detector's. A case that was rejected gives no label: its plate may not have
been looked at.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import SequenceMatcher
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from etle.geometry import iou
from etle.types import Box, Case, Digest, EvidencePicture, Verdict, digest_of

if TYPE_CHECKING:
    from etle.protocols import VehicleDetector
    from etle.types import Image

_LABELLING_VERDICTS = (Verdict.CONFIRM, Verdict.WARN)
_SAME_PLATE_RATIO = 0.5
"""A text that shares less with the one that was read belongs to another plate than the one in the box."""
_CROP_MARGIN = 0.08
"""Around a vehicle, relative to its width and height."""
_CROP_QUALITY = 95
_DETECTOR_MIN_SCORE = 0.5
_SAME_VEHICLE_IOU = 0.5


class LabelOrigin(StrEnum):
    """Who stands behind a label."""

    REVIEWER = "reviewer"
    DETECTOR = "detector"
    """A vehicle that no case is about, as a vehicle detector found it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetLabel:
    """One object in a picture. `name`: `plate`, or the class of the vehicle. `text`: of a plate, without spaces."""

    name: str
    box: Box
    origin: LabelOrigin
    text: str | None = None
    corrected: bool = False
    """The reviewer changed the text that was read."""
    vehicle: str | None = None
    """Class of the vehicle that carries the plate."""
    violation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetPicture:
    """A picture of a data set. `file`: relative to its folder. It may be kept until `delete_after`."""

    file: str
    sha256: Digest
    evidence: Digest
    """Of the evidence file that it shows, or is a part of."""
    width: int
    height: int
    camera: str
    captured_at: datetime
    delete_after: datetime
    split: Literal["train", "val"]
    labels: tuple[DatasetLabel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureOptions:
    retention: timedelta
    """How long after the violation a picture may be kept."""
    validation_share: float
    """Of the vehicles, 0 to 1; all pictures of a vehicle are in one split."""


def labels_of(case: Case, picture: EvidencePicture) -> tuple[DatasetLabel, ...]:
    """The vehicle and the plate of a decided case in one of its pictures; nothing where no reviewer stands behind it."""
    if case.state not in _LABELLING_VERDICTS:
        return ()
    violation, labels = case.violation, []
    if picture.vehicle_box:
        labels.append(
            DatasetLabel(name=violation.vehicle.value, box=picture.vehicle_box, origin=LabelOrigin.REVIEWER, violation=str(violation.id))
        )
    read, decided = violation.plate.text, case.plate_text
    if picture.plate_box and decided and _same_plate(read, decided):
        labels.append(
            DatasetLabel(
                name="plate",
                box=picture.plate_box,
                origin=LabelOrigin.REVIEWER,
                text=decided,
                corrected=decided != read,
                vehicle=violation.vehicle.value,
                violation=str(violation.id),
            )
        )
    return tuple(labels)


def pictures_of(case: Case, options: PictureOptions) -> Iterator[DatasetPicture]:
    """The pictures of a decided case that have a label, each once, as evidence files: `file` is the digest with its suffix."""
    seen = set()
    for picture in case.violation.pictures:
        labels = labels_of(case, picture)
        if not labels or picture.sha256 in seen:
            continue
        seen.add(picture.sha256)
        yield DatasetPicture(
            file=f"{picture.sha256}.jpg",
            sha256=picture.sha256,
            evidence=picture.sha256,
            width=picture.width,
            height=picture.height,
            camera=case.violation.camera,
            captured_at=picture.captured_at,
            delete_after=case.violation.occurred_at + options.retention,
            split=_split(case, options.validation_share),
            labels=labels,
        )


def merged(pictures: Iterable[DatasetPicture]) -> list[DatasetPicture]:
    """One entry for each file: two cases may share a frame. It is kept as long as the shorter of them allows."""
    by_file: dict[str, DatasetPicture] = {}
    for picture in pictures:
        other = by_file.get(picture.file)
        by_file[picture.file] = (
            replace(other, labels=(*other.labels, *picture.labels), delete_after=min(other.delete_after, picture.delete_after))
            if other
            else picture
        )
    return sorted(by_file.values(), key=lambda picture: (picture.captured_at, picture.file))


def vehicle_crops(picture: DatasetPicture, image: "Image") -> Iterator[tuple[DatasetPicture, bytes]]:
    """For each plate of the picture a crop of the vehicle around it, with the plate's box in pixels of the crop.

    Plates are detected on such crops, and a crop shows one plate, so that no plate in it is left unlabelled.
    """
    vehicles = {label.violation: label.box for label in picture.labels if label.name != "plate"}
    for label in picture.labels:
        if label.name != "plate" or label.violation not in vehicles:
            continue
        crop = _within(_expanded(vehicles[label.violation], _CROP_MARGIN), image)
        pixels = image[int(crop.y1) : int(crop.y2), int(crop.x1) : int(crop.x2)]
        box = _within(_shifted(label.box, -crop.x1, -crop.y1), pixels)
        if box.area == 0:
            continue
        jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _CROP_QUALITY])[1].tobytes()
        digest = digest_of(jpeg)
        height, width = pixels.shape[:2]
        entry = replace(picture, file=f"{digest}.jpg", sha256=digest, width=width, height=height, labels=(replace(label, box=box),))
        yield entry, jpeg


def with_other_vehicles(picture: DatasetPicture, image: "Image", detector: "VehicleDetector") -> DatasetPicture:
    """Adds the vehicles that no case is about, so that training does not take them for background."""
    vehicles = tuple(label for label in picture.labels if label.name != "plate")
    (found,) = detector.detect([image])
    others = tuple(
        DatasetLabel(name=detection.vehicle.value, box=detection.box, origin=LabelOrigin.DETECTOR)
        for detection in found
        if detection.score >= _DETECTOR_MIN_SCORE and all(iou(detection.box, label.box) < _SAME_VEHICLE_IOU for label in vehicles)
    )
    return replace(picture, labels=(*vehicles, *others))


def decoded(jpeg: bytes) -> "Image | None":
    """None if it is not a JPEG that can be decoded."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    return None if image is None else image.astype(np.uint8, copy=False)


def _same_plate(read: str | None, decided: str) -> bool:
    return read is not None and SequenceMatcher(None, read, decided).ratio() >= _SAME_PLATE_RATIO


def _split(case: Case, validation_share: float) -> Literal["train", "val"]:
    """By the plate, so that a vehicle which was recorded twice is not in both splits."""
    key = case.plate_text or str(case.violation.id)
    position = int.from_bytes(sha256(key.encode()).digest()[:4]) / 2**32
    return "val" if position < validation_share else "train"


def _expanded(box: Box, share: float) -> Box:
    x, y = box.width * share, box.height * share
    return Box(box.x1 - x, box.y1 - y, box.x2 + x, box.y2 + y)


def _shifted(box: Box, x: float, y: float) -> Box:
    return Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y)


def _within(box: Box, image: "Image") -> Box:
    height, width = image.shape[:2]
    return Box(max(0, round(box.x1)), max(0, round(box.y1)), min(width, round(box.x2)), min(height, round(box.y2)))
