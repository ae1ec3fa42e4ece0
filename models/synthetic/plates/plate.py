"""An Indonesian number plate, drawn from random numbers: another one for each state of the generator."""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import VehicleClass
from models.synthetic.plates.layout import TextRow, around, gaps, write
from models.synthetic.plates.paint import add_bolts_and_dirt, draw_paint, draw_rim, painted
from models.synthetic.plates.texts import PlateText, draw_text
from models.synthetic.plates.typeface import TYPEFACES, Typeface, typeface
from models.synthetic.plates.values import RenderedPlate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Box, Image

    Mask = NDArray[np.uint8]

_HEIGHT = 120
_MOTORCYCLES = 0.38
"""Of the plates drawn for no vehicle in particular. Theirs are 2.5 times as wide as high, with the expiry to the right; a car's 3.1."""

_EXPIRY_WIDTHS = (0.4, 0.95)
"""Its digits are squatter than the number's."""


def render_plate(rng: np.random.Generator, *, vehicle: VehicleClass | None = None) -> RenderedPlate:
    motorcycle = rng.random() < _MOTORCYCLES if vehicle is None else vehicle is VehicleClass.MOTORCYCLE
    text = draw_text(rng, vehicle if vehicle is not None or rng.random() < 0.4 else _any_vehicle(motorcycle, rng))
    width = int(_HEIGHT * (rng.uniform(2.3, 2.75) if motorcycle else rng.uniform(2.85, 3.3)))
    ink = np.zeros((_HEIGHT, width), dtype=np.uint8)
    face = typeface(int(rng.integers(TYPEFACES)))
    boxes = _main_line(ink, text, face, motorcycle, rng)
    expiry_box = _expiry_line(ink, text, face, around(boxes).y2, motorcycle, rng) if text.expiry else None
    ink = _weight(ink, rng)
    paint = draw_paint(rng)
    image = painted(ink, draw_rim(ink, rng), paint, rng)
    if expiry_box is not None and rng.random() < (0.2 if motorcycle else 0.05):
        _inset(image, expiry_box, rng)
    add_bolts_and_dirt(image, gaps(text.parts, boxes), rng)
    return RenderedPlate(
        image=image,
        text="".join(text.parts),
        expiry=text.expiry,
        colour=paint.colour,
        main_box=around(boxes),
        expiry_box=expiry_box,
        character_boxes=boxes,
        light_letters=paint.light_letters,
    )


def _any_vehicle(motorcycle: bool, rng: np.random.Generator) -> VehicleClass:
    """Most cars' numbers begin with a 1, as do the plates on the road, which uniform numbers would not show."""
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
    return write(ink, text.parts, row, face, rng)


def _expiry_line(ink: "Mask", text: PlateText, face: Typeface, above: float, motorcycle: bool, rng: np.random.Generator) -> "Box":
    """Below the number: in the middle on cars, to the right on motorcycles; a dot or a dash stands between month and year."""
    height, width = ink.shape
    tall = height * (rng.uniform(0.17, 0.27) if motorcycle else rng.uniform(0.13, 0.2))
    y = min(above + height * rng.uniform(0.05, 0.12), height * 0.97 - tall)
    half = tall * rng.uniform(2.6, 5.6) / 2
    middle = width * (rng.uniform(0.55, 0.84) if motorcycle and rng.random() < 0.8 else rng.uniform(0.42, 0.58))
    middle = min(max(middle, half + 4), width - half - 4)
    other = face if rng.random() < 0.6 else typeface(int(rng.integers(TYPEFACES)))
    assert text.expiry is not None
    row = TextRow(x1=middle - half, x2=middle + half, y=y, height=tall, spread=True, widths=_EXPIRY_WIDTHS)
    boxes = write(ink, text.expiry.split("·"), row, other, rng)
    between = (round((boxes[1].x2 + boxes[2].x1) / 2), round(y + tall / 2))
    reach = round(tall * rng.uniform(0.08, 0.16))
    if rng.random() < 0.75:
        cv2.circle(ink, between, reach, 255, -1, cv2.LINE_AA)
    else:
        cv2.line(ink, (between[0] - reach, between[1]), (between[0] + reach, between[1]), 255, max(2, reach), cv2.LINE_AA)
    return around(boxes)


def _weight(ink: "Mask", rng: np.random.Generator) -> "Mask":
    """Bolder or finer than the brush, as presses and coats of paint leave it."""
    kind = rng.random()
    if kind < 0.25:
        ink = cv2.dilate(ink, np.ones((3, 3), np.uint8))
    elif kind < 0.4:
        ink = cv2.erode(ink, np.ones((2, 2), np.uint8))
    return ink


def _inset(image: "Image", box: "Box", rng: np.random.Generator) -> None:
    """Expiries are renewed with a plate of their own, a little darker or lighter than the rest."""
    x1, y1, x2, y2 = (round(v + d) for v, d in zip(box, rng.uniform(3, 9, 4) * (-1, -1, 1, 1), strict=True))
    part = image[max(0, y1) : y2, max(0, x1) : x2]
    cv2.convertScaleAbs(part, dst=part, alpha=float(rng.uniform(0.6, 1.1)), beta=float(rng.uniform(0, 20)))
    if rng.random() < 0.5:
        grey = float(rng.uniform(60, 220))
        cv2.rectangle(image, (x1, y1), (x2, y2), (grey, grey, grey), 1, cv2.LINE_AA)
