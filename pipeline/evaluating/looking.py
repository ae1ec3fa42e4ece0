"""Shows every picture to finder and readers, as the pipeline does, and keeps what they made of it beside what is true."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from etle.geometry import overlap
from etle.protocols import PlateFinder, PlateReader
from etle.types import Plate
from pipeline.evaluating.figures import matched
from pipeline.evaluating.photo_reading import PhotoPlate, read_box, read_crop, read_photo
from pipeline.evaluating.pictures import load
from pipeline.evaluating.truth import TruePicture, TruePlate, Truth

FOUND_FROM = 0.5
"""Overlap (intersection over union) from which a plate counts as found."""
READ_FROM = 0.3
"""... and from which it counts end to end: a loose box whose text is right has done its work."""

T = TypeVar("T")


class Progress(Protocol):
    def __call__(self, things: Sequence[T], what: str) -> Iterable[T]:
        """The same things one by one, while a person is told how far it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCase:
    """One true plate and what became of it."""

    picture: TruePicture
    truth: TruePlate
    given: Plate | None
    """Read in its true box or on its crop; None where there is no box, or no text to hold it against."""
    found: PhotoPlate | None
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
    picture: TruePicture
    cases: tuple[PlateCase, ...]
    found: tuple[PhotoPlate, ...]
    strangers: tuple[PhotoPlate, ...]
    """Found where no true plate is, from an overlap of `FOUND_FROM`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcomes:
    """None for a table that is not there."""

    photos: tuple[PhotoOutcome, ...] | None
    crops: tuple[PlateCase, ...] | None
    foreign: tuple[PhotoOutcome, ...] | None


def look(truth: Truth, finder: PlateFinder, readers: Sequence[PlateReader], at: datetime, progress: Progress) -> Outcomes:
    """`at`: the day on which the plates count as seen. Raises InferenceError, and SourceError where a picture has gone."""

    def photos(pictures: Sequence[TruePicture], what: str, *, foreign: bool) -> tuple[PhotoOutcome, ...]:
        return tuple(_photo(picture, finder, readers, at, foreign=foreign) for picture in progress(pictures, what))

    return Outcomes(
        photos=None if truth.photos is None else photos(truth.photos, "photos", foreign=False),
        crops=None if truth.crops is None else tuple(_crop(picture, readers, at) for picture in progress(truth.crops, "crops")),
        foreign=None if truth.foreign is None else photos(truth.foreign, "foreign photos", foreign=True),
    )


def _photo(picture: TruePicture, finder: PlateFinder, readers: Sequence[PlateReader], at: datetime, *, foreign: bool) -> PhotoOutcome:
    """A foreign plate's own text does not matter: whatever is read there is wrong."""
    image = load(picture.path)
    found = read_photo(image, finder, readers, at)
    boxed = [(i, plate.box) for i, plate in enumerate(picture.plates) if plate.box]
    pairs = matched([box for _, box in boxed], [plate.found.box for plate in found], READ_FROM)
    partner = {boxed[i][0]: found[j] for i, j in pairs.items()}
    cases = tuple(
        PlateCase(
            picture=picture,
            truth=truth,
            given=read_box(image, truth.box, readers, at) if truth.box and (truth.text or foreign) else None,
            found=partner.get(i),
            overlap=overlap(truth.box, partner[i].found.box) if truth.box and i in partner else 0.0,
        )
        for i, truth in enumerate(picture.plates)
    )
    known = [case.found for case in cases if case.was_found]
    return PhotoOutcome(picture=picture, cases=cases, found=found, strangers=tuple(plate for plate in found if plate not in known))


def _crop(picture: TruePicture, readers: Sequence[PlateReader], at: datetime) -> PlateCase:
    truth = picture.plates[0]
    given = read_crop(load(picture.path), readers, at) if truth.text else None
    return PlateCase(picture=picture, truth=truth, given=given, found=None)
