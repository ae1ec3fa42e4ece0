"""What the renderer hands over."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from etle.types import Box, PlateColour, Point

if TYPE_CHECKING:
    from etle.types import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPlate:
    """A plate as it lies on the bench: flat, sharp, evenly lit."""

    image: "Image"
    text: str
    expiry: str | None
    """`MM·YY`"""
    colour: PlateColour
    main_box: Box
    expiry_box: Box | None
    character_boxes: tuple[Box, ...]
    """Of the main line, one for each character of `text`."""
    light_letters: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CapturedPlate:
    """The same plate as a camera and a finder's loose box show it. Corners run from the upper left one clockwise, in pixels of `image`."""

    image: "Image"
    text: str
    expiry: str | None
    """None also where the plate has one that cannot be read here."""
    colour: PlateColour
    main_corners: tuple[Point, Point, Point, Point]
    expiry_corners: tuple[Point, Point, Point, Point] | None
    """None where `expiry` is None."""
