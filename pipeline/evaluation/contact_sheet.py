"""Contact sheets of an evaluation: each error as a card with its picture."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2

from etle.plates import formatted
from etle.types import Box, Plate
from pipeline.evaluation.dataset import LabelledPhoto, LabelledPlate
from pipeline.evaluation.pictures import load
from pipeline.evaluation.run import Outcomes, PhotoOutcome, PlateCase
from pipeline.evaluation.score import false_positives, is_certain
from pipeline.plates.crops import WIDE_MARGIN, crop

if TYPE_CHECKING:
    from etle.types import Image

_CARD_PX = 340
_CONTEXT = 1.6
"""Context on each side of a plate that was not found, as a multiple of its width."""
_TRUE_COLOUR, _FOUND_COLOUR = (60, 160, 40), (30, 110, 240)
"""BGR: green and orange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCard:
    jpeg: bytes
    truth: str
    """True text; empty if it is not known."""
    plate: Plate | None
    """As read; None if the plate was not read."""
    remark: str
    picture: str
    """File name and row of the table."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactSheet:
    key: str
    title: str
    description: str
    cards: tuple[ErrorCard, ...]


def sheets(outcomes: Outcomes) -> tuple[ContactSheet, ...]:
    """One for each kind of error; a sheet without cards shows that there was no such error."""
    photos, crops, foreign = outcomes.photos or (), outcomes.crops or (), outcomes.foreign or ()
    cases = [case for photo in photos for case in photo.cases]
    rows = [
        (outcomes.photos, "missed", "Not found", "Green: true box. Orange: overlapping detection, if any.", _missed(cases)),
        (outcomes.photos, "given", "Read wrong in the given box", "Most probable first.", _wrong(cases)),
        (outcomes.photos, "end", "Found, and read wrong", "In the detected box; most probable first.", _end_to_end(cases)),
        (
            outcomes.photos,
            "false-positives",
            "Found where no plate is labelled",
            "May be a plate without a label.",
            _false_positives(photos),
        ),
        (outcomes.crops, "crops", "Crops read wrong", "Most probable first.", _wrong(crops)),
        (outcomes.foreign, "foreign", "Foreign plates read as Indonesian", "Certain ones first.", _foreign(foreign)),
        (
            outcomes.photos,
            "second",
            "Expiry or colour wrong",
            "In given boxes and crops with a labelled expiry or colour.",
            _wrong_details((*cases, *crops)),
        ),
    ]
    return tuple(
        ContactSheet(key=key, title=title, description=text, cards=tuple(cards))
        for table, key, title, text, cards in rows
        if table is not None
    )


def _missed(cases: Sequence[PlateCase]) -> Iterator[ErrorCard]:
    for case in cases:
        if case.truth.box and not case.was_found:
            remark = f"a detection overlaps it with IoU {case.iou:.2f}" if case.found else "no detection"
            boxes = [(case.truth.box, _TRUE_COLOUR)] + ([(case.found.found.box, _FOUND_COLOUR)] if case.found else [])
            yield _card(case.picture, case.truth, _context(case.picture, boxes), None, remark)


def _wrong(cases: Sequence[PlateCase]) -> list[ErrorCard]:
    wrong = [(case, case.given) for case in cases if case.given and case.truth.text and not case.right_given]
    ranked = sorted(wrong, key=lambda pair: -pair[1].probability)
    return [_card(case.picture, case.truth, _crop(case.picture, case.truth.box), given, "") for case, given in ranked]


def _end_to_end(cases: Sequence[PlateCase]) -> list[ErrorCard]:
    wrong = [(case, case.found) for case in cases if case.found and case.truth.text and not case.right_end_to_end]
    ranked = sorted(wrong, key=lambda pair: -pair[1].plate.probability)
    return [
        _card(
            case.picture,
            case.truth,
            _crop(case.picture, found.found.box),
            found.plate,
            f"IoU {case.iou:.2f}, {'right' if case.right_given else 'also wrong'} in the given box",
        )
        for case, found in ranked
    ]


def _false_positives(photos: Sequence[PhotoOutcome]) -> Iterator[ErrorCard]:
    for photo in photos:
        for plate in photo.unmatched if false_positives(photo) else ():
            picture = _context(photo.picture, [(plate.found.box, _FOUND_COLOUR)])
            score = f"score {plate.found.score:.2f}, {plate.found.box.width:.0f} px wide"
            yield _card(photo.picture, None, picture, plate.plate, score)


def _foreign(photos: Sequence[PhotoOutcome]) -> list[ErrorCard]:
    read: list[tuple[PhotoOutcome, Box | None, Plate, str]] = []
    for photo in photos:
        read += [(photo, case.truth.box, case.given, "in the given box") for case in photo.cases if case.given and case.given.text]
        read += [(photo, plate.found.box, plate.plate, "found in the photo") for plate in photo.found if plate.plate.text]
    ranked = sorted(read, key=lambda item: (not is_certain(item[2]), -item[2].probability))
    return [_card(photo.picture, photo.cases[0].truth, _crop(photo.picture, box), plate, remark) for photo, box, plate, remark in ranked]


def _wrong_details(cases: Sequence[PlateCase]) -> Iterator[ErrorCard]:
    for case in cases:
        wrong = _detail_errors(case.truth, case.given) if case.given else ""
        if wrong:
            yield _card(case.picture, case.truth, _crop(case.picture, case.truth.box), case.given, wrong)


def _detail_errors(truth: LabelledPlate, plate: Plate) -> str:
    wrong = []
    if truth.expiry and plate.expiry != truth.expiry:
        wrong.append(f"expiry {truth.expiry}, read {plate.expiry or 'none'}")
    if truth.colour and plate.colour is not truth.colour:
        wrong.append(f"colour {truth.colour}, read {plate.colour}")
    return "; ".join(wrong)


def _card(picture: LabelledPhoto, truth: LabelledPlate | None, image: "Image", plate: Plate | None, remark: str) -> ErrorCard:
    row = f", row {truth.row}" if truth else ""
    width = f"{truth.box.width:.0f} px wide" if truth and truth.box else ""
    return ErrorCard(
        jpeg=_jpeg(image),
        truth=formatted(truth.text) if truth and truth.text else "",
        plate=plate,
        remark=", ".join(part for part in (width, remark) if part),
        picture=f"{picture.name}{row}",
        source=truth.source if truth else picture.plates[0].source,
    )


def _crop(picture: LabelledPhoto, box: Box | None) -> "Image":
    image = load(picture.path)
    return crop(image, box, WIDE_MARGIN) if box else image


def _context(picture: LabelledPhoto, boxes: Iterable[tuple[Box, tuple[int, int, int]]]) -> "Image":
    """The surroundings of the first box, with all boxes drawn."""
    image, rows = load(picture.path), list(boxes)
    box = rows[0][0]
    margin = _CONTEXT * max(box.width, box.height)
    left, top = max(0, int(box.x1 - margin)), max(0, int(box.y1 - 0.6 * margin))
    part = image[top : int(box.y2 + 0.6 * margin), left : int(box.x2 + margin)]
    scale = _CARD_PX / part.shape[1]
    shown: Image = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    for b, colour in rows:
        corner = (round((b.x1 - left) * scale), round((b.y1 - top) * scale))
        cv2.rectangle(shown, corner, (round((b.x2 - left) * scale), round((b.y2 - top) * scale)), colour, 2)
    return shown


def _jpeg(image: "Image") -> bytes:
    scale = min(1.0, _CARD_PX / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    _, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 82])
    return bytes(data)
