"""Renders a random Indonesian number plate: flat, sharp, evenly lit."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import VehicleClass
from models.synthetic.plates.layout import TextRow, bounding_box, draw_row, group_gaps
from models.synthetic.plates.paint import add_bolts_and_dirt, draw_rim, paint_plate, sample_paint
from models.synthetic.plates.texts import PlateText, sample_text
from models.synthetic.plates.typeface import TYPEFACES, Typeface, typeface
from models.synthetic.plates.values import RenderedPlate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Box, Image

    Mask = NDArray[np.uint8]

_HEIGHT = 120
_MOTORCYCLE_FRACTION = 0.38
"""Fraction of motorcycle plates if no vehicle is given: 2.5 times as wide as high (car plates 3.1), with the expiry to the right."""

_EXPIRY_WIDTHS = (0.4, 0.95)
"""The digits of the expiry are wider than those of the number."""


def render_plate(rng: np.random.Generator, *, vehicle: VehicleClass | None = None) -> RenderedPlate:
    motorcycle = rng.random() < _MOTORCYCLE_FRACTION if vehicle is None else vehicle is VehicleClass.MOTORCYCLE
    text = sample_text(rng, vehicle if vehicle is not None or rng.random() < 0.4 else _any_vehicle(motorcycle, rng))
    width = int(_HEIGHT * (rng.uniform(2.3, 2.75) if motorcycle else rng.uniform(2.85, 3.3)))
    ink = np.zeros((_HEIGHT, width), dtype=np.uint8)
    face = typeface(int(rng.integers(TYPEFACES)))
    boxes = _main_line(ink, text, face, motorcycle, rng)
    expiry_box = _expiry_line(ink, text, face, bounding_box(boxes).y2, motorcycle, rng) if text.expiry else None
    ink = _weight(ink, rng)
    paint = sample_paint(rng)
    image = paint_plate(ink, draw_rim(ink, rng), paint, rng)
    if expiry_box is not None and rng.random() < (0.2 if motorcycle else 0.05):
        _inset(image, expiry_box, rng)
    add_bolts_and_dirt(image, group_gaps(text.parts, boxes), rng)
    return RenderedPlate(
        image=image,
        text="".join(text.parts),
        expiry=text.expiry,
        colour=paint.colour,
        main_box=bounding_box(boxes),
        expiry_box=expiry_box,
        character_boxes=boxes,
        light_letters=paint.light_letters,
    )


def _any_vehicle(motorcycle: bool, rng: np.random.Generator) -> VehicleClass:
    """A random class of vehicle, for the number range of its class: most cars' numbers begin with a 1, unlike uniform random ones."""
    if motorcycle:
        return VehicleClass.MOTORCYCLE
    return (VehicleClass.CAR, VehicleClass.TRUCK, VehicleClass.BUS)[int(rng.choice(3, p=[0.75, 0.19, 0.06]))]


def _main_line(ink: "Mask", text: PlateText, face: Typeface, motorcycle: bool, rng: np.random.Generator) -> "tuple[Box, ...]":
    height, width = ink.shape
    margin = width * rng.uniform(0.025, 0.07)
    row = TextRow(
        x1=margin,
        x2=width - margin,
        y=height * rng.uniform(0.07, 0.15),
        height=height * (rng.uniform(0.4, 0.54) if motorcycle else rng.uniform(0.48, 0.64)),
        spread=rng.random() < 0.8,
    )
    return draw_row(ink, text.parts, row, face, rng)


def _expiry_line(ink: "Mask", text: PlateText, face: Typeface, number_bottom: float, motorcycle: bool, rng: np.random.Generator) -> "Box":
    """Draw the expiry below the number: centred on cars, to the right on motorcycles, with a dot or dash between month and year."""
    height, width = ink.shape
    digit_height = height * (rng.uniform(0.17, 0.27) if motorcycle else rng.uniform(0.13, 0.2))
    y = min(number_bottom + height * rng.uniform(0.05, 0.12), height * 0.97 - digit_height)
    half_width = digit_height * rng.uniform(2.6, 5.6) / 2
    centre = width * (rng.uniform(0.55, 0.84) if motorcycle and rng.random() < 0.8 else rng.uniform(0.42, 0.58))
    centre = min(max(centre, half_width + 4), width - half_width - 4)
    expiry_face = face if rng.random() < 0.6 else typeface(int(rng.integers(TYPEFACES)))
    assert text.expiry is not None
    row = TextRow(x1=centre - half_width, x2=centre + half_width, y=y, height=digit_height, spread=True, widths=_EXPIRY_WIDTHS)
    boxes = draw_row(ink, text.expiry.split("·"), row, expiry_face, rng)
    between = (round((boxes[1].x2 + boxes[2].x1) / 2), round(y + digit_height / 2))
    radius = round(digit_height * rng.uniform(0.08, 0.16))
    if rng.random() < 0.75:
        cv2.circle(ink, between, radius, 255, -1, cv2.LINE_AA)
    else:
        cv2.line(ink, (between[0] - radius, between[1]), (between[0] + radius, between[1]), 255, max(2, radius), cv2.LINE_AA)
    return bounding_box(boxes)


def _weight(ink: "Mask", rng: np.random.Generator) -> "Mask":
    """Bolder or finer strokes, as from pressing and coats of paint."""
    kind = rng.random()
    if kind < 0.25:
        ink = cv2.dilate(ink, np.ones((3, 3), np.uint8))
    elif kind < 0.4:
        ink = cv2.erode(ink, np.ones((2, 2), np.uint8))
    return ink


def _inset(image: "Image", box: "Box", rng: np.random.Generator) -> None:
    """Renewed expiries are on a plate of their own, slightly darker or lighter than the rest."""
    x1, y1, x2, y2 = (round(v + d) for v, d in zip(box, rng.uniform(3, 9, 4) * (-1, -1, 1, 1), strict=True))
    part = image[max(0, y1) : y2, max(0, x1) : x2]
    cv2.convertScaleAbs(part, dst=part, alpha=float(rng.uniform(0.6, 1.1)), beta=float(rng.uniform(0, 20)))
    if rng.random() < 0.5:
        grey = float(rng.uniform(60, 220))
        cv2.rectangle(image, (x1, y1), (x2, y2), (grey, grey, grey), 1, cv2.LINE_AA)
