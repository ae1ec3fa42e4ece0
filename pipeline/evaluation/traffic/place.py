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

    def poses(self, states: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """`states`: n x 3, x, y and heading in the network. Result: n x 3, s, x and heading in the place."""
        dx, dy = states[:, 0] - self.origin[0], states[:, 1] - self.origin[1]
        c, s = np.cos(self.heading), np.sin(self.heading)
        return np.column_stack([dx * c + dy * s, dx * s - dy * c, states[:, 2] - self.heading])


def camera_settings(
    name: str, camera: VirtualCamera, view: View, *, ground: Sequence[tuple[float, float]], rules: Sequence[Mapping[str, object]],
    lines: Mapping[str, float] | None = None, across: tuple[float, float] = (0.0, 0.0),
) -> CameraSettings:  # fmt: skip
    """The site file's camera. `ground`: (s, x) of the ground points; `lines`: s of each line, drawn between the x of `across`."""
    drawn = [
        {"id": line, "points": [camera.pixel(s, x) for x in across], "beyond": camera.pixel(s + 3, sum(across) / 2)}
        for line, s in (lines or {}).items()
    ]
    return CameraSettings.model_validate(
        {
            "id": name,
            "view": view,
            "source": {"file": "simulated.mp4"},
            "frame_size": [WIDTH_PX, HEIGHT_PX],
            "ground_points": [{"px": camera.pixel(s, x), "m": [x, s]} for s, x in ground],
            "signals": [{"id": SIGNAL, "head": [1240, 10, 1260, 60]}],
            "lines": drawn,
            "rules": list(rules),
        }
    )
