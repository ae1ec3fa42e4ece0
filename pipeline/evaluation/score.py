"""From outcomes to figures: of all plates, and of those of one vehicle, colour, size or source."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from etle.types import Certainty, Plate, PlateColour
from pipeline.evaluation.run import PhotoOutcome, PlateCase
from pipeline.evaluation.statistics import (
    CalibrationBin,
    Share,
    calibration_error,
    character_accuracy,
    coverage_at,
    error_curve,
    reliability,
)

PROMISED_ERROR = 0.01
SIZES_PX = (40, 60, 90, 140, 240)
"""Widths of a plate at which one size ends and the next begins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateScore:
    found: Share
    """Of the plates with a box, those that were found."""
    exact: Share
    """Of the plates with a text, those that were read right where they are given."""
    end_to_end: Share
    """Of the plates with box and text, those that were found and read right."""
    characters: float | None
    colour: Share
    expiry: Share
    certain: Share
    """Right ones of those that a reviewer is told to be certain."""
    curve: tuple[tuple[int, int], ...]
    """How many plates a threshold lets through, and how many of these are wrong."""
    bins: tuple[CalibrationBin, ...]

    @property
    def certain_wrong(self) -> Share:
        return Share(self.certain.of - self.certain.right, self.certain.of)

    @property
    def coverage(self) -> float | None:
        return coverage_at(PROMISED_ERROR, self.curve)

    @property
    def calibration_error(self) -> float | None:
        return calibration_error(self.bins)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignScore:
    """How often a foreign plate came out as an Indonesian one, in photos (searched) and in their given boxes."""

    photos: int
    boxes: int
    photos_certain: int
    boxes_certain: int
    photos_with_text: int
    boxes_with_text: int
    certain: int
    """Photos in which either came out as certain."""


def score(cases: Sequence[PlateCase]) -> PlateScore:
    boxed = [case for case in cases if case.truth.box]
    read = [(case, case.given) for case in cases if case.given and case.truth.text]
    reads = [(given.probability, case.right_given) for case, given in read]
    coloured = [given.colour is case.truth.colour for case, given in read if case.truth.colour]
    expiring = [given.expiry == case.truth.expiry for case, given in read if case.truth.expiry]
    certain = [case.right_given for case, given in read if given.certainty is Certainty.CERTAIN]
    return PlateScore(
        found=_share(case.was_found for case in boxed),
        exact=_share(case.right_given for case, _ in read),
        end_to_end=_share(case.right_end_to_end for case in boxed if case.truth.text),
        characters=character_accuracy((case.truth.text or "", given.text or "") for case, given in read),
        colour=_share(coloured),
        expiry=_share(expiring),
        certain=_share(certain),
        curve=error_curve(reads),
        bins=reliability(reads),
    )


def split(cases: Sequence[PlateCase]) -> dict[str, dict[str, PlateScore]]:
    """By what is known of a plate, then by its value; those with most plates first."""
    return {name: _by(key, cases) for name, key in KEYS.items()}


def precision(photos: Sequence[PhotoOutcome]) -> Share:
    """Of what the finder found. A plate whose box nobody drew may be any of those that no true box explains: so many are let off."""
    right = sum(case.was_found for photo in photos for case in photo.cases)
    false = sum(false_finds(photo) for photo in photos)
    return Share(right, right + false)


def false_finds(photo: PhotoOutcome) -> int:
    unboxed = sum(case.truth.box is None for case in photo.cases)
    return max(0, len(photo.strangers) - unboxed)


def foreign(photos: Sequence[PhotoOutcome]) -> ForeignScore:
    found = [[plate.plate for plate in photo.found] for photo in photos]
    given = [[case.given for case in photo.cases if case.given] for photo in photos]
    boxes = [plate for plates in given for plate in plates]
    return ForeignScore(
        photos=len(photos),
        boxes=len(boxes),
        photos_certain=sum(any(is_certain(plate) for plate in plates) for plates in found),
        boxes_certain=sum(is_certain(plate) for plate in boxes),
        photos_with_text=sum(any(plate.text for plate in plates) for plates in found),
        boxes_with_text=sum(bool(plate.text) for plate in boxes),
        certain=sum(any(is_certain(plate) for plate in (*f, *g)) for f, g in zip(found, given, strict=True)),
    )


def is_certain(plate: Plate) -> bool:
    return plate.certainty is Certainty.CERTAIN


def _share(rights: Iterable[bool]) -> Share:
    told = list(rights)
    return Share(sum(told), len(told))


def _by(key: Callable[[PlateCase], str | None], cases: Sequence[PlateCase]) -> dict[str, PlateScore]:
    groups: dict[str, list[PlateCase]] = {}
    for case in cases:
        name = key(case)
        if name is not None:
            groups.setdefault(name, []).append(case)
    sizes = [size_name(px) for px in (0, *SIZES_PX)]
    ranked = sorted(groups, key=lambda name: (sizes.index(name) if name in sizes else 0, -len(groups[name]), name))
    return {name: score(groups[name]) for name in ranked}


def size_name(width_px: float) -> str:
    """`60 to 89 px`: the band in which a plate of that width lies."""
    low = max((px for px in SIZES_PX if px <= width_px), default=0)
    high = min((px for px in SIZES_PX if px > width_px), default=None)
    return f"from {low} px" if high is None else f"{low} to {high - 1} px"


KEYS: Mapping[str, Callable[[PlateCase], str | None]] = {
    "vehicle": lambda case: case.truth.vehicle,
    "colour": lambda case: str(case.truth.colour or PlateColour.UNKNOWN),
    "size": lambda case: size_name(case.truth.box.width) if case.truth.box else None,
    "source": lambda case: case.truth.source,
}
"""What plates are split by; a plate of which it is None stays out."""
