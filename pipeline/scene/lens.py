"""Radial distortion of a lens: barrel (wide angles) or pincushion, as one or two terms around the middle of the picture."""

from dataclasses import dataclass
from math import hypot
from typing import Final

from etle.config.site import Lens
from etle.types import Point

_STEPS: Final = 12
"""Of Newton's method; four suffice for the strongest distortion allowed inside the picture."""
_MIN_SLOPE: Final = 0.05


@dataclass(frozen=True, slots=True)
class RadialLens:
    """Pixels of the full frame, with and without distortion. `unit`: the half width of the frame, in pixels."""

    centre: Point
    unit: float
    k1: float
    k2: float

    def straightened(self, point: Point) -> Point:
        """Where the point would be in a picture without distortion."""
        x, y = point.x - self.centre.x, point.y - self.centre.y
        squared = (x * x + y * y) / self.unit**2
        factor = 1 + squared * (self.k1 + squared * self.k2)
        return Point(self.centre.x + x * factor, self.centre.y + y * factor)

    def distorted(self, point: Point) -> Point:
        """The inverse of `straightened`."""
        x, y = point.x - self.centre.x, point.y - self.centre.y
        wanted = hypot(x, y) / self.unit
        if wanted == 0:
            return point
        radius = wanted
        for _ in range(_STEPS):
            squared = radius * radius
            value = radius * (1 + squared * (self.k1 + squared * self.k2)) - wanted
            slope = 1 + squared * (3 * self.k1 + 5 * squared * self.k2)
            radius -= value / max(slope, _MIN_SLOPE)
        return Point(self.centre.x + x * radius / wanted, self.centre.y + y * radius / wanted)


def radial_lens(lens: Lens | None, frame_size: tuple[int, int]) -> RadialLens | None:
    """None without distortion."""
    if lens is None or (lens.k1 == 0 and lens.k2 == 0):
        return None
    width, height = frame_size
    return RadialLens(Point(width / 2, height / 2), width / 2, lens.k1, lens.k2)
