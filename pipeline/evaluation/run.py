"""Shows every picture to finder and readers, as the pipeline does, and keeps what they made of it beside what is true."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from etle.geometry import overlap
from etle.protocols import PlateDetector, PlateReader, VehicleDetector
from etle.types import Plate
from pipeline.evaluation.dataset import Dataset, LabelledPhoto, LabelledPlate
from pipeline.evaluation.pictures import load
from pipeline.evaluation.statistics import matched
from pipeline.plates.photo import PlateInPhoto, read_box, read_crop, read_photo

FOUND_FROM = 0.5
"""Overlap (intersection over union) from which a plate counts as found."""
READ_FROM = 0.3
"""... and from which it counts end to end: a loose box whose text is right has done its work."""

T = TypeVar("T")


class ProgressCallback(Protocol):
    def __call__(self, things: Sequence[T], what: str) -> Iterable[T]:
        """The same things one by one, while a person is told how far it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCase:
    """One true plate and what became of it."""

    picture: LabelledPhoto
    truth: LabelledPlate
    given: Plate | None
    """Read in its true box or on its crop; None where there is no box, or no text to hold it against."""
    found: PlateInPhoto | None
    """What the finder found in its place, from an overlap of `READ_FROM`."""
    overlap: float = 0.0

    @property
    def was_found(self) -> bool:
        return self.found is not None and self.overlap >= FOUND_FROM

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
    strangers: tuple[PlateInPhoto, ...]
    """Found where no true plate is, from an overlap of `FOUND_FROM`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """None for a table that is not there."""

    photos: tuple[PhotoOutcome, ...] | None
    crops: tuple[PlateCase, ...] | None
    foreign: tuple[PhotoOutcome, ...] | None

    @property
    def searched(self) -> int:
        """Photos."""
        return len(self.photos or ()) + len(self.foreign or ())

    @property
    def read(self) -> int:
        """Plates, found or given."""
        photos = (*(self.photos or ()), *(self.foreign or ()))
        cases = (*(case for photo in photos for case in photo.cases), *(self.crops or ()))
        return sum(case.given is not None for case in cases) + sum(len(photo.found) for photo in photos)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedEngines:
    """Who looks. `at`: the day on which the plates count as seen."""

    detector: VehicleDetector
    finder: PlateDetector
    readers: Sequence[PlateReader]
    at: datetime


def look(truth: Dataset, watchers: EvaluatedEngines, progress: ProgressCallback) -> Outcomes:
    """Raises InferenceError, and SourceError where a picture has gone."""

    def photos(pictures: Sequence[LabelledPhoto], what: str, *, foreign: bool) -> tuple[PhotoOutcome, ...]:
        return tuple(_photo(picture, watchers, foreign=foreign) for picture in progress(pictures, what))

    return Outcomes(
        photos=None if truth.photos is None else photos(truth.photos, "photos", foreign=False),
        crops=None if truth.crops is None else tuple(_crop(picture, watchers) for picture in progress(truth.crops, "crops")),
        foreign=None if truth.foreign is None else photos(truth.foreign, "foreign photos", foreign=True),
    )


def _photo(picture: LabelledPhoto, by: EvaluatedEngines, *, foreign: bool) -> PhotoOutcome:
    """A foreign plate's own text does not matter: whatever is read there is wrong."""
    image = load(picture.path)
    found = read_photo(image, by.detector, by.finder, by.readers, by.at)
    boxed = [(i, plate.box) for i, plate in enumerate(picture.plates) if plate.box]
    pairs = matched([box for _, box in boxed], [plate.found.box for plate in found], READ_FROM)
    partner = {boxed[i][0]: found[j] for i, j in pairs.items()}
    cases = tuple(
        PlateCase(
            picture=picture,
            truth=truth,
            given=read_box(image, truth.box, by.readers, by.at) if truth.box and (truth.text or foreign) else None,
            found=partner.get(i),
            overlap=overlap(truth.box, partner[i].found.box) if truth.box and i in partner else 0.0,
        )
        for i, truth in enumerate(picture.plates)
    )
    known = [case.found for case in cases if case.was_found]
    return PhotoOutcome(picture=picture, cases=cases, found=found, strangers=tuple(plate for plate in found if plate not in known))


def _crop(picture: LabelledPhoto, by: EvaluatedEngines) -> PlateCase:
    truth = picture.plates[0]
    given = read_crop(load(picture.path), by.readers, by.at) if truth.text else None
    return PlateCase(picture=picture, truth=truth, given=given, found=None)
