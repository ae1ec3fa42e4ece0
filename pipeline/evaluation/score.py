"""Figures from outcomes: of all plates, and grouped by vehicle, colour, size and source."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from etle.types import Certainty, Plate, PlateColour
from pipeline.evaluation.run import PhotoOutcome, PlateCase
from pipeline.evaluation.statistics import (
    CalibrationBin,
    Proportion,
    calibration_error,
    character_accuracy,
    coverage_at,
    error_curve,
    reliability,
)

TARGET_ERROR = 0.01
"""Maximum share of wrong plates at which the coverage is stated."""
SIZES_PX = (40, 60, 90, 140, 240)
"""Limits between the groups by plate width, in pixels."""
MIN_PLATES = 10
"""The share of fewer plates says nothing; they are not shown as a group of their own where there are many groups."""
MAX_SHOWN = 12
"""Values of a group that a table shows, without `others`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateScore:
    found: Proportion
    """Of the plates with a box: found."""
    exact: Proportion
    """Of the plates with a text: read right in the given box or crop."""
    end_to_end: Proportion
    """Of the plates with box and text: found and read right."""
    characters: float | None
    colour: Proportion
    expiry: Proportion
    certain: Proportion
    """Of the certain plates: read right."""
    curve: tuple[tuple[int, int], ...]
    """For each probability threshold: number of accepted plates, and how many of these are wrong."""
    bins: tuple[CalibrationBin, ...]

    @property
    def certain_wrong(self) -> Proportion:
        return Proportion(self.certain.total - self.certain.count, self.certain.total)

    @property
    def coverage(self) -> float | None:
        return coverage_at(TARGET_ERROR, self.curve)

    @property
    def calibration_error(self) -> float | None:
        return calibration_error(self.bins)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignScore:
    """Number of foreign plates read as Indonesian, in photos (detected) and in given boxes. The field names are keys of the JSON report."""

    photos: int
    boxes: int
    photos_certain: int
    boxes_certain: int
    photos_with_text: int
    boxes_with_text: int
    certain: int
    """Photos with a certain plate in either."""


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


def split(cases: Sequence[PlateCase], *, most: int | None = None) -> dict[str, dict[str, PlateScore]]:
    """Scores by group (vehicle, colour, size, source), then by value; the values with the most plates first, sizes in order.

    `most`: in a group with more values, those after the first `most` and those with fewer plates than `MIN_PLATES` become `others (N)`.
    """
    return {name: _by(key, cases, most) for name, key in KEYS.items()}


def precision(photos: Sequence[PhotoOutcome]) -> Proportion:
    """Of the detected plates: true positives. See `false_positives` for plates without a labelled box."""
    correct = sum(case.was_found for photo in photos for case in photo.cases)
    false = sum(false_positives(photo) for photo in photos)
    return Proportion(correct, correct + false)


def false_positives(photo: PhotoOutcome) -> int:
    """Number of unmatched detections, less one for each labelled plate without a box, which an unmatched detection may show."""
    unboxed = sum(case.truth.box is None for case in photo.cases)
    return max(0, len(photo.unmatched) - unboxed)


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


def _share(outcomes: Iterable[bool]) -> Proportion:
    values = list(outcomes)
    return Proportion(sum(values), len(values))


def _by(key: Callable[[PlateCase], str | None], cases: Sequence[PlateCase], most: int | None) -> dict[str, PlateScore]:
    groups: dict[str, list[PlateCase]] = {}
    for case in cases:
        name = key(case)
        if name is not None:
            groups.setdefault(name, []).append(case)
    sizes = [size_name(px) for px in (0, *SIZES_PX)]
    ranked = sorted(groups, key=lambda name: (sizes.index(name) if name in sizes else 0, -len(groups[name]), name))
    if most is None or len(ranked) <= most:
        return {name: score(groups[name]) for name in ranked}
    named = [name for name in ranked[:most] if len(groups[name]) >= MIN_PLATES]
    others = [name for name in ranked if name not in named]
    together = {f"others ({len(others)})": score([case for name in others for case in groups[name]])}
    return {name: score(groups[name]) for name in named} | together


def size_name(width_px: float) -> str:
    """The group of a plate of this width, such as `60 to 89 px`."""
    low = max((px for px in SIZES_PX if px <= width_px), default=0)
    high = min((px for px in SIZES_PX if px > width_px), default=None)
    return f"from {low} px" if high is None else f"{low} to {high - 1} px"


KEYS: Mapping[str, Callable[[PlateCase], str | None]] = {
    "vehicle": lambda case: case.truth.vehicle,
    "colour": lambda case: str(case.truth.colour or PlateColour.UNKNOWN),
    "size": lambda case: size_name(case.truth.box.width) if case.truth.box else None,
    "source": lambda case: case.truth.source,
}
"""Group names and the value of a plate in each; plates with the value None are left out of the group."""
