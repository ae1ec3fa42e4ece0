"""A straight approach to a junction, the vehicles on it, and the boxes that a detector draws of them.

Coordinates in metres: `s` runs along the approach, the stop line is at 50 and the junction's edge `entry_s` beyond it; `x` runs to the
right of the direction of travel; `z` is up. A vehicle's position is that of the middle of its front.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from etle.config.site import CameraSettings
from etle.types import Box, Detection, VehicleClass, View

WIDTH_PX, HEIGHT_PX = 1280, 720
LINE_S: Final = 50.0
LINE_ID, ENTRY_ID, SIGNAL_ID = "henti", "simpang", "barat"
RED_LIGHT: Final[Mapping[str, object]] = {"rule": "red_light", "line": LINE_ID, "entry": ENTRY_ID, "signal": SIGNAL_ID}
STOP_LINE: Final[Mapping[str, object]] = {"rule": "stop_line", "line": LINE_ID, "entry": ENTRY_ID, "signal": SIGNAL_ID}
SIZE_M: Final = {
    VehicleClass.CAR: (4.3, 1.75, 1.5),
    VehicleClass.MOTORCYCLE: (1.95, 0.75, 1.6),
    VehicleClass.BUS: (12.0, 2.5, 3.1),
    VehicleClass.TRUCK: (7.0, 2.3, 3.0),
}
"""Length, width, height."""

Path = Callable[[float], tuple[float, float] | None]
"""Position (s, x) of the front at a second; None while the vehicle is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadLane:
    """A rectangle of the road with its direction of travel."""

    id: str
    left_x: float
    right_x: float
    start_s: float
    end_s: float
    ahead: bool = True
    """Whether its arrow leads towards the junction."""


class RoadCamera:
    """A pinhole camera over the road, `front` of the junction or behind the traffic."""

    def __init__(
        self, view: View = View.FRONT, *, at_s: float | None = None, height_m: float = 7.0, focal_px: float = 1400.0, side_x: float = 0.0,
        entry_m: float = 4.0,
    ) -> None:  # fmt: skip
        self.view = view
        self.entry_s = LINE_S + entry_m
        default_s = 85.0 if view is View.FRONT else 22.0
        self._position = np.array([side_x, default_s if at_s is None else at_s, height_m])
        forward = np.array([0.0, LINE_S, 0.0]) - self._position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        self._rotation = np.array([right, np.cross(forward, right), forward])
        self._focal_px = focal_px

    def pixel(self, s: float, x: float, z: float = 0.0) -> tuple[float, float]:
        """Where a point of the road is in the picture."""
        a, b, depth = self._rotation @ (np.array([x, s, z]) - self._position)
        depth = max(depth, 0.5)
        return float(self._focal_px * a / depth + WIDTH_PX / 2), float(self._focal_px * b / depth + HEIGHT_PX / 2)

    def box(self, s: float, x: float, size: tuple[float, float, float]) -> Box:
        """The smallest rectangle around a vehicle, cut at the picture's edge."""
        length, width, height = size
        corners = [self.pixel(s - b, x + a, z) for a in (-width / 2, width / 2) for b in (0.0, length) for z in (0.0, height)]
        xs, ys = [corner[0] for corner in corners], [corner[1] for corner in corners]
        return Box(max(0.0, min(xs)), max(0.0, min(ys)), min(float(WIDTH_PX), max(xs)), min(float(HEIGHT_PX), max(ys)))

    def settings(self, rules: Sequence[Mapping[str, object]], lanes: Sequence[RoadLane] = ()) -> CameraSettings:
        """The camera as a site file describes it, with exact ground points."""
        return CameraSettings.model_validate(
            {
                "id": "cam-1",
                "view": self.view,
                "source": {"file": "clip.mp4"},
                "frame_size": [WIDTH_PX, HEIGHT_PX],
                "ground_points": [{"px": self.pixel(s, x), "m": [x, s]} for x in (-4, 4) for s in (35, LINE_S, 62)],
                "signals": [{"id": SIGNAL_ID, "head": [1200, 10, 1220, 60]}],
                "lines": [self._line(LINE_ID, LINE_S, 4.0), self._line(ENTRY_ID, self.entry_s, 8.0)],
                "lanes": [self._lane(lane) for lane in lanes],
                "rules": list(rules),
            }
        )

    def _line(self, name: str, s: float, half_width: float) -> dict[str, object]:
        points = [self.pixel(s, -half_width), self.pixel(s, half_width)]
        return {"id": name, "points": points, "beyond": self.pixel(s + 6, 0)}

    def _lane(self, lane: RoadLane) -> dict[str, object]:
        corners = [(lane.start_s, lane.left_x), (lane.start_s, lane.right_x), (lane.end_s, lane.right_x), (lane.end_s, lane.left_x)]
        middle = (lane.left_x + lane.right_x) / 2
        along = [self.pixel(lane.start_s, middle), self.pixel(lane.end_s, middle)]
        return {"id": lane.id, "polygon": [self.pixel(*corner) for corner in corners], "along": along if lane.ahead else along[::-1]}


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadUser:
    """Something that the detector takes for a vehicle. The callables take the second of the scenario."""

    name: str
    path: Path
    vehicle: VehicleClass = VehicleClass.CAR
    size: tuple[float, float, float] | None = None
    hidden: tuple[tuple[float, float], ...] = ()
    """From when to when the detector does not see it."""
    drawn: Callable[[float, Box], Box] = lambda second, box: box
    """What the detector makes of the true box, such as one without the hidden bumper."""
    label: Callable[[float], VehicleClass] | None = None

    def detection(self, camera: RoadCamera, second: float, noise_px: float, rng: random.Random) -> Detection | None:
        place = self.path(second)
        if place is None or any(start <= second < end for start, end in self.hidden):
            return None
        box = self.drawn(second, camera.box(*place, self.size or SIZE_M[self.vehicle]))
        if box.width < 4 or box.height < 4:
            return None
        if noise_px:
            box = Box(*(edge + rng.gauss(0, noise_px) for edge in box))
        return Detection(box=box, vehicle=self.label(second) if self.label else self.vehicle, score=0.85)


def straight(s: float, speed: float, x: float = 0.0, start: float = 0.0) -> Path:
    """At constant speed (m/s) from position `s` at second `start`."""
    return lambda second: (s + speed * (second - start), x) if second >= start else None


def legs(*points: tuple[float, ...], x: float = 0.0) -> Path:
    """Through (second, s) or (second, s, x), linear in between, standing before the first and after the last."""
    seconds = [point[0] for point in points]
    s_values = [point[1] for point in points]
    x_values = [point[2] if len(point) > 2 else x for point in points]
    return lambda second: (float(np.interp(second, seconds, s_values)), float(np.interp(second, seconds, x_values)))
