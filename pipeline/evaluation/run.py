"""Runs plate detection and reading on every picture of the dataset as the pipeline does, and pairs the results with the labels."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from etle.geometry import iou
from etle.protocols import PlateDetector, PlateReader, VehicleDetector
from etle.types import Detection, Plate, VehicleClass
from pipeline.evaluation.dataset import Dataset, LabelledPhoto, LabelledPlate
from pipeline.evaluation.pictures import load
from pipeline.evaluation.statistics import match_boxes
from pipeline.plates.photo import PlateInPhoto, read_box, read_crop, read_photo, vehicle_around, vehicles_in

if TYPE_CHECKING:
    from etle.types import Image

MIN_FOUND_IOU = 0.5
"""Minimum intersection over union for a plate to count as found."""
MIN_READ_IOU = 0.3
"""Minimum IoU for a plate to count end to end: a loose box is good enough if the text read in it is right."""

_VEHICLE_CLASSES = frozenset(VehicleClass)
"""For other values of the column `vehicle` the detected vehicle counts."""

T = TypeVar("T")


class ProgressCallback(Protocol):
    def __call__(self, items: Sequence[T], description: str) -> Iterable[T]:
        """Yields the items and reports the progress under this description."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCase:
    """One labelled plate with the results for it."""

    picture: LabelledPhoto
    truth: LabelledPlate
    given: Plate | None
    """As read in its true box or on its crop; None without a box, or without a text to compare with."""
    found: PlateInPhoto | None
    """The detected plate that overlaps it with an IoU of at least `MIN_READ_IOU`."""
    iou: float = 0.0

    @property
    def was_found(self) -> bool:
        return self.found is not None and self.iou >= MIN_FOUND_IOU

    @property
    def right_given(self) -> bool:
        return self.given is not None and self.given.text == self.truth.text

    @property
    def right_end_to_end(self) -> bool:
        return self.found is not None and self.found.plate.text == self.truth.text


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoOutcome:
    picture: LabelledPhoto
    cases: tuple[PlateCase, ...]
    found: tuple[PlateInPhoto, ...]
    unmatched: tuple[PlateInPhoto, ...]
    """Detected plates that overlap no labelled one with an IoU of at least `MIN_FOUND_IOU`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """None for a table that does not exist."""

    photos: tuple[PhotoOutcome, ...] | None
    crops: tuple[PlateCase, ...] | None
    foreign: tuple[PhotoOutcome, ...] | None

    @property
    def photo_count(self) -> int:
        """Number of photos in which plates were searched."""
        return len(self.photos or ()) + len(self.foreign or ())

    @property
    def read_count(self) -> int:
        """Number of plates that were read, detected or in given boxes."""
        photos = (*(self.photos or ()), *(self.foreign or ()))
        cases = (*(case for photo in photos for case in photo.cases), *(self.crops or ()))
        return sum(case.given is not None for case in cases) + sum(len(photo.found) for photo in photos)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedEngines:
    """The engines under evaluation. `at`: date for the validity of area codes and series."""

    vehicle_detector: VehicleDetector
    plate_detector: PlateDetector
    readers: Sequence[PlateReader]
    at: datetime


def run_engines(dataset: Dataset, engines: EvaluatedEngines, progress: ProgressCallback) -> Outcomes:
    """Raises InferenceError, and SourceError if a picture no longer exists."""

    def photos(pictures: Sequence[LabelledPhoto], description: str, *, foreign: bool) -> tuple[PhotoOutcome, ...]:
        return tuple(_photo(picture, engines, foreign=foreign) for picture in progress(pictures, description))

    return Outcomes(
        photos=None if dataset.photos is None else photos(dataset.photos, "photos", foreign=False),
        crops=None if dataset.crops is None else tuple(_crop(picture, engines) for picture in progress(dataset.crops, "crops")),
        foreign=None if dataset.foreign is None else photos(dataset.foreign, "foreign photos", foreign=True),
    )


def _photo(picture: LabelledPhoto, engines: EvaluatedEngines, *, foreign: bool) -> PhotoOutcome:
    """`foreign`: plates are read in their true boxes even without a labelled text, because any text read there is wrong."""
    image = load(picture.path)
    vehicles = vehicles_in(image, engines.vehicle_detector)
    found = read_photo(image, vehicles, engines.plate_detector, engines.readers, engines.at)
    boxed = [(i, plate.box) for i, plate in enumerate(picture.plates) if plate.box]
    pairs = match_boxes([box for _, box in boxed], [plate.found.box for plate in found], MIN_READ_IOU)
    match = {boxed[i][0]: found[j] for i, j in pairs.items()}
    cases = tuple(
        PlateCase(
            picture=picture,
            truth=truth,
            given=_read_given(image, truth, vehicles, engines) if truth.text or foreign else None,
            found=match.get(i),
            iou=iou(truth.box, match[i].found.box) if truth.box and i in match else 0.0,
        )
        for i, truth in enumerate(picture.plates)
    )
    matched = [case.found for case in cases if case.was_found]
    return PhotoOutcome(picture=picture, cases=cases, found=found, unmatched=tuple(plate for plate in found if plate not in matched))


def _read_given(image: "Image", truth: LabelledPlate, vehicles: Sequence[Detection], engines: EvaluatedEngines) -> Plate | None:
    """The plate in its true box, with the number range of the labelled vehicle, or where none is labelled of the detected one."""
    if truth.box is None:
        return None
    vehicle = VehicleClass(truth.vehicle) if truth.vehicle in _VEHICLE_CLASSES else vehicle_around(truth.box, vehicles)
    return read_box(image, truth.box, engines.readers, engines.at, vehicle=vehicle)


def _crop(picture: LabelledPhoto, engines: EvaluatedEngines) -> PlateCase:
    truth = picture.plates[0]
    given = read_crop(load(picture.path), engines.readers, engines.at) if truth.text else None
    return PlateCase(picture=picture, truth=truth, given=given, found=None)
