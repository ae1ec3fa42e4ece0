"""Every error as a card with its picture: what a person looks through to see why."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from etle.plates import formatted
from etle.types import Box, Plate
from pipeline.evaluation.dataset import LabelledPhoto, LabelledPlate
from pipeline.evaluation.pictures import load
from pipeline.evaluation.run import Outcomes, PhotoOutcome, PlateCase
from pipeline.evaluation.score import false_finds, is_certain
from pipeline.plates.crops import FIRST, cut_out

if TYPE_CHECKING:
    from etle.types import Image

_CARD_PX = 340
_AROUND = 1.6
"""Of the plate's width, shown on each side of a plate that was not found."""
_TRUE, _FOUND = (60, 160, 40), (30, 110, 240)
"""Blue, green, red: the true box green, a found one orange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    jpeg: bytes
    truth: str
    """Empty if there is none."""
    plate: Plate | None
    """What was read; None if nothing was looked at."""
    remark: str
    picture: str
    """Name and row."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    key: str
    title: str
    what: str
    cards: tuple[Card, ...]


def sheets(outcomes: Outcomes) -> tuple[Sheet, ...]:
    """One for each kind of error, the empty ones too: they say that there was none."""
    photos, crops, foreign = outcomes.photos or (), outcomes.crops or (), outcomes.foreign or ()
    cases = [case for photo in photos for case in photo.cases]
    told = [
        (outcomes.photos, "missed", "Not found", "Green: the true box. Orange: what was found there, if anything.", _missed(cases)),
        (outcomes.photos, "given", "Read wrong in the given box", "The most probable first.", _wrong(cases)),
        (outcomes.photos, "end", "Found, and read wrong", "As the finder cut it; the most probable first.", _end_to_end(cases)),
        (outcomes.photos, "strangers", "Found where no plate is known", "Or a plate that nobody labelled.", _strangers(photos)),
        (outcomes.crops, "crops", "Crops read wrong", "The most probable first.", _wrong(crops)),
        (outcomes.foreign, "foreign", "Foreign plates read as Indonesian", "Those called certain first.", _foreign(foreign)),
        (outcomes.photos, "second", "Expiry or colour wrong", "On given boxes and crops, where it is known.", _second((*cases, *crops))),
    ]
    return tuple(Sheet(key=key, title=title, what=what, cards=tuple(cards)) for table, key, title, what, cards in told if table is not None)


def _missed(cases: Sequence[PlateCase]) -> Iterator[Card]:
    for case in cases:
        if case.truth.box and not case.was_found:
            near = f"a box overlaps it by {case.overlap:.2f}" if case.found else "nothing there"
            shown = [(case.truth.box, _TRUE)] + ([(case.found.found.box, _FOUND)] if case.found else [])
            yield _card(case.picture, case.truth, _around(case.picture, shown), None, near)


def _wrong(cases: Sequence[PlateCase]) -> list[Card]:
    wrong = [(case, case.given) for case in cases if case.given and case.truth.text and not case.right_given]
    ranked = sorted(wrong, key=lambda pair: -pair[1].probability)
    return [_card(case.picture, case.truth, _crop(case.picture, case.truth.box), given, "") for case, given in ranked]


def _end_to_end(cases: Sequence[PlateCase]) -> list[Card]:
    wrong = [(case, case.found) for case in cases if case.found and case.truth.text and not case.right_end_to_end]
    ranked = sorted(wrong, key=lambda pair: -pair[1].plate.probability)
    return [
        _card(
            case.picture,
            case.truth,
            _crop(case.picture, found.found.box),
            found.plate,
            f"overlap {case.overlap:.2f}, {'right' if case.right_given else 'wrong too'} in the given box",
        )
        for case, found in ranked
    ]


def _strangers(photos: Sequence[PhotoOutcome]) -> Iterator[Card]:
    for photo in photos:
        for stranger in photo.strangers if false_finds(photo) else ():
            picture = _around(photo.picture, [(stranger.found.box, _FOUND)])
            score = f"score {stranger.found.score:.2f}, {stranger.found.box.width:.0f} px wide"
            yield _card(photo.picture, None, picture, stranger.plate, score)


def _foreign(photos: Sequence[PhotoOutcome]) -> list[Card]:
    read: list[tuple[PhotoOutcome, Box | None, Plate, str]] = []
    for photo in photos:
        read += [(photo, case.truth.box, case.given, "in the given box") for case in photo.cases if case.given and case.given.text]
        read += [(photo, plate.found.box, plate.plate, "found in the photo") for plate in photo.found if plate.plate.text]
    ranked = sorted(read, key=lambda item: (not is_certain(item[2]), -item[2].probability))
    return [_card(photo.picture, photo.cases[0].truth, _crop(photo.picture, box), plate, where) for photo, box, plate, where in ranked]


def _second(cases: Sequence[PlateCase]) -> Iterator[Card]:
    for case in cases:
        wrong = _second_wrong(case.truth, case.given) if case.given else ""
        if wrong:
            yield _card(case.picture, case.truth, _crop(case.picture, case.truth.box), case.given, wrong)


def _second_wrong(truth: LabelledPlate, plate: Plate) -> str:
    wrong = []
    if truth.expiry and plate.expiry != truth.expiry:
        wrong.append(f"expiry {truth.expiry}, read {plate.expiry or 'none'}")
    if truth.colour and plate.colour is not truth.colour:
        wrong.append(f"{truth.colour}, taken for {plate.colour}")
    return "; ".join(wrong)


def _card(picture: LabelledPhoto, truth: LabelledPlate | None, image: "Image", plate: Plate | None, remark: str) -> Card:
    row = f", row {truth.row}" if truth else ""
    width = f"{truth.box.width:.0f} px wide" if truth and truth.box else ""
    return Card(
        jpeg=_jpeg(image),
        truth=formatted(truth.text) if truth and truth.text else "",
        plate=plate,
        remark=", ".join(part for part in (width, remark) if part),
        picture=f"{picture.name}{row}",
        source=truth.source if truth else picture.plates[0].source,
    )


def _crop(picture: LabelledPhoto, box: Box | None) -> "Image":
    image = load(picture.path)
    return cut_out(image, box, FIRST) if box else image


def _around(picture: LabelledPhoto, boxes: Iterable[tuple[Box, tuple[int, int, int]]]) -> "Image":
    """What surrounds the first of the boxes, with all of them drawn."""
    image, drawn = load(picture.path), list(boxes)
    box = drawn[0][0]
    margin = _AROUND * max(box.width, box.height)
    left, top = max(0, int(box.x1 - margin)), max(0, int(box.y1 - 0.6 * margin))
    part = image[top : int(box.y2 + 0.6 * margin), left : int(box.x2 + margin)]
    scale = _CARD_PX / part.shape[1]
    shown: Image = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    for b, colour in drawn:
        first = (round((b.x1 - left) * scale), round((b.y1 - top) * scale))
        cv2.rectangle(shown, first, (round((b.x2 - left) * scale), round((b.y2 - top) * scale)), colour, 2)
    return shown


def _jpeg(image: "Image") -> bytes:
    scale = min(1.0, _CARD_PX / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return bytes(data)
