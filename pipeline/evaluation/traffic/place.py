"""A place that a virtual camera watches: where it lies in SUMO's network, how it looks in the picture, and its site file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etle.config.site import CameraSettings
from etle.types import View
from pipeline.evaluation.traffic.camera import HEIGHT_PX, WIDTH_PX, VirtualCamera

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGNAL = "lampu"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApproachLaw:
    """A junction's approach in the metres of its place: the front edge of the stop line is at s = 0."""

    entry_s: float
    """Where the junction begins."""
    left_x: float
    right_x: float
    link: int
    """Of the signal, in SUMO's plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadRectangle:
    """An area of the road."""

    start_s: float
    end_s: float
    left_x: float
    right_x: float

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """(s, x) of each."""
        return (self.start_s, self.left_x), (self.start_s, self.right_x), (self.end_s, self.right_x), (self.end_s, self.left_x)


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkingLaw:
    """A solid line along s, from which no broken line lets anybody cross."""

    x: float
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeedLaw:
    """Where speeds are measured, and the limit."""

    area: RoadRectangle
    limit_kmh: float
    tolerance_kmh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedPlace:
    """One camera. `origin`: its s = x = 0 in SUMO's network (m); `heading`: direction of s, radians counterclockwise from east."""

    id: str
    origin: tuple[float, float]
    heading: float
    camera: VirtualCamera
    view: View
    settings: CameraSettings
    fps: float
    approach: ApproachLaw | None = None
    marking: MarkingLaw | None = None
    speed: SpeedLaw | None = None
    against: RoadRectangle | None = None
    """Lanes in the direction of s, against which nobody may drive."""
    turn: RoadRectangle | None = None
    """Where nobody may turn round."""

    def poses(self, states: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """`states`: n x 3, x, y and heading in the network. Result: n x 3, s, x and heading in the place."""
        dx, dy = states[:, 0] - self.origin[0], states[:, 1] - self.origin[1]
        c, s = np.cos(self.heading), np.sin(self.heading)
        return np.column_stack([dx * c + dy * s, dx * s - dy * c, states[:, 2] - self.heading])


def camera_settings(
    name: str, camera: VirtualCamera, view: View, *, ground: Sequence[tuple[float, float]], rules: Sequence[Mapping[str, object]],
    lines: Mapping[str, float] | None = None, across: tuple[float, float] = (0.0, 0.0), zones: Mapping[str, RoadRectangle] | None = None,
    lanes: Mapping[str, tuple[RoadRectangle, int]] | None = None, markings: Mapping[str, MarkingLaw] | None = None,
) -> CameraSettings:  # fmt: skip
    """The site file's camera. `ground`: (s, x) of the ground points; `lines`: s of each line, drawn between the x of `across`; `lanes`: the
    area of each, and 1 if its traffic drives in the direction of s, else -1."""
    return CameraSettings.model_validate(
        {
            "id": name,
            "view": view,
            "source": {"file": "simulated.mp4"},
            "frame_size": [WIDTH_PX, HEIGHT_PX],
            "ground_points": [{"px": camera.pixel(s, x), "m": [x, s]} for s, x in ground],
            "signals": [{"id": SIGNAL, "head": [1240, 10, 1260, 60]}],
            "lines": [
                {"id": line, "points": [camera.pixel(s, x) for x in across], "beyond": camera.pixel(s + 3, sum(across) / 2)}
                for line, s in (lines or {}).items()
            ],
            "zones": [{"id": zone, "polygon": [camera.pixel(*corner) for corner in area.corners]} for zone, area in (zones or {}).items()],
            "lanes": [_lane(camera, lane, *drawn) for lane, drawn in (lanes or {}).items()],
            "markings": [
                {"id": marking, "points": [camera.pixel(s, law.x) for s in (law.start_s, law.end_s)]}
                for marking, law in (markings or {}).items()
            ],
            "rules": list(rules),
        }
    )


def _lane(camera: VirtualCamera, name: str, area: RoadRectangle, direction: int) -> dict[str, object]:
    middle = (area.left_x + area.right_x) / 2
    along = [camera.pixel(s, middle) for s in (area.start_s, area.end_s)]
    return {"id": name, "polygon": [camera.pixel(*corner) for corner in area.corners], "along": along[::direction]}
