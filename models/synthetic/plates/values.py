"""Results of the renderer."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etle.types import Box, PlateColour, Point

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPlate:
    """A plate seen from the front: flat, sharp, evenly lit."""

    image: "Image"
    text: str
    expiry: str | None
    """`MM·YY`"""
    colour: PlateColour
    main_box: Box
    expiry_box: Box | None
    character_boxes: tuple[Box, ...]
    """Boxes in the main line, one for each character of `text`."""
    light_letters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedPlate:
    """The plate as a camera shows it, cropped to a detected box. Corners: in pixels of `image`, clockwise from the upper left."""

    image: "Image"
    text: str
    expiry: str | None
    """None also if it is illegible in this image."""
    colour: PlateColour
    main_corners: tuple[Point, Point, Point, Point]
    expiry_corners: tuple[Point, Point, Point, Point] | None
    """None where `expiry` is None."""
