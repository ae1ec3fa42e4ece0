"""Maps pixels of a camera to its road.

With four or more ground points the picture's plane maps to the road's plane by a homography, and distances are metres. Without them
distances are pixels, and quantities that need metres (speed, the front of a vehicle seen from behind) are not measured.
"""

from dataclasses import dataclass
from typing import Final

from etle.config import site as config
from etle.errors import MissingExtra
from etle.geometry import distance
from etle.types import Box, Point, Sighting, Track, VehicleClass, View
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.scene.lens import RadialLens, radial_lens

HEIGHT_M: Final = {
    VehicleClass.CAR: (1.6, 0.2),
    VehicleClass.MOTORCYCLE: (1.65, 0.15),
    VehicleClass.BUS: (3.0, 0.4),
    VehicleClass.TRUCK: (2.6, 0.7),
}
"""Height of vehicles on Indonesian roads, of motorcycles with their rider, and its standard uncertainty within the class, in metres."""
LENGTH_M = {
    VehicleClass.CAR: (4.4, 0.4),
    VehicleClass.MOTORCYCLE: (1.95, 0.1),
    VehicleClass.BUS: (8.5, 2.2),
    VehicleClass.TRUCK: (7.0, 1.8),
}
"""Length of vehicles on Indonesian roads, and its standard uncertainty within the class, in metres.

Cars from 3.6 (Ayla, Agya) to 4.9 (Fortuner), motorcycles from 1.85 to 2.05 (makers' data sheets). What a detector classifies as a bus or
truck is anything from an angkot or pick-up (4 m) to 12 m; the large uncertainty makes their violations need an older red.
"""
_CUT: Final = 0.02
"""Detectors end the box of a vehicle that the picture cuts up to so far, as a fraction of the height, before the edge."""
_CUT_BELOW: Final = 0.04
"""The same at the lower edge, where vehicles come into view: the box of a motorcycle ended up to 3.2 % before it for seven frames, at one
place on the road while it drove three metres."""
FOOT_U_M = 0.3
"""Standard uncertainty, in metres, of a vehicle's position on the road: its box's lower edge is accurate to a few pixels."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Maps pixels of the full frame to the road. `matrix`: 3 x 3, row by row; None without ground points."""

    view: View
    matrix: tuple[tuple[float, float, float], ...] | None
    lens: RadialLens | None = None
    """`matrix` maps pixels without its distortion."""
    frame_size: tuple[int, int] | None = None
    """Width and height in pixels; None if they are not known."""

    @property
    def unit(self) -> str:
        return "px" if self.matrix is None else "m"

    def ground(self, point: Point) -> Point:
        """`point` of the picture on the road, in `unit`."""
        if self.matrix is None:
            return point
        if self.lens is not None:
            point = self.lens.straightened(point)
        a, b, c = self.matrix
        scale = c[0] * point.x + c[1] * point.y + c[2]
        return Point((a[0] * point.x + a[1] * point.y + a[2]) / scale, (b[0] * point.x + b[1] * point.y + b[2]) / scale)

    def pixel(self, point: Point) -> Point:
        """The inverse of `ground`."""
        if self.matrix is None:
            return point
        (a, b, c), (d, e, f), (g, h, i) = self.matrix
        x = (e * i - f * h) * point.x + (c * h - b * i) * point.y + (b * f - c * e)
        y = (f * g - d * i) * point.x + (a * i - c * g) * point.y + (c * d - a * f)
        scale = (d * h - e * g) * point.x + (b * g - a * h) * point.y + (a * e - b * d)
        straight = Point(x / scale, y / scale)
        return straight if self.lens is None else self.lens.distorted(straight)

    def is_horizon_between(self, one: Point, two: Point) -> bool:
        """Whether one of two points of the picture is above the horizon, where no road is."""
        if self.matrix is None:
            return False
        straight = [self.lens.straightened(point) if self.lens else point for point in (one, two)]
        a, b, c = self.matrix[2]
        first, second = (a * point.x + b * point.y + c for point in straight)
        return first * second <= 0

    def shows_foot(self, box: Box) -> bool:
        """Whether the lower edge is the vehicle's and not the picture's, by which a vehicle that comes or leaves is cut."""
        return self.frame_size is None or box.y2 < (1 - _CUT_BELOW) * self.frame_size[1]

    def is_cut(self, box: Box) -> bool:
        """Whether the picture's edge may cut the box."""
        if self.frame_size is None:
            return False
        width, height = self.frame_size
        x, y = _CUT * width, _CUT * height
        return box.x1 < x or box.y1 < y or box.x2 > width - x or box.y2 > height - y

    def front_offset(self, track: Track) -> tuple[float, float]:
        """Distance from the foot in the picture to the vehicle's front, and its standard uncertainty, in metres.

        Seen from the front, the foot is the front. Seen from behind, the front is one vehicle length ahead. (0, 0) without metres.
        """
        if self.matrix is None or self.view is View.FRONT:
            return 0.0, 0.0
        return LENGTH_M[vehicle_class_of(track)]

    def metre(self, sighting: Sighting) -> float:
        """One metre in `unit`; without ground points a box is taken to be 1.5 m high, which is right within a third."""
        return 1.0 if self.matrix is not None else sighting.box.height / 1.5

    def foot_jitter(self, sighting: Sighting) -> float:
        """Standard deviation of a foot's position from frame to frame, in `unit`.

        With ground points: of 1.5 pixels, or 1/60 of the box height, mapped to the road, 3 m at most. Without: 1/14 of the box height,
        because detectors draw a motorcycle now with its rider and now without.
        """
        if self.matrix is None:
            return max(2.5, sighting.box.height / 14)
        foot, px = sighting.box.foot, max(1.5, sighting.box.height / 60)
        return min(3.0, distance(self.ground(foot), self.ground(Point(foot.x, foot.y - px))))

    def foot_uncertainty(self, sighting: Sighting) -> float:
        """Standard uncertainty of a foot's position, in `unit`; in pixels 1/50 of the box height, at least two."""
        return FOOT_U_M if self.matrix is not None else max(2.0, sighting.box.height / 50)


def calibrate(camera: config.CameraSettings) -> Calibration:
    """Raises ConfigError if the ground points do not span a plane or contradict each other, MissingExtra without numpy."""
    if not camera.ground_points:
        return Calibration(camera.view, None, frame_size=camera.frame_size)
    try:
        from pipeline.scene.homography import fit_homography
    except ImportError as error:
        raise MissingExtra("numpy", "detect") from error
    lens = radial_lens(camera.lens, camera.frame_size)
    pixels = [lens.straightened(Point(*point.px)) if lens else point.px for point in camera.ground_points]
    matrix = fit_homography(pixels, [point.m for point in camera.ground_points], camera.id)
    return Calibration(camera.view, matrix, lens, camera.frame_size)
