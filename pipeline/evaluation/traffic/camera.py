"""A virtual camera: projects the boxes of vehicles on a flat road to its picture.

Coordinates are those of a place: `s` along the direction of its traffic, `x` to the right of it, `z` up, all in metres.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIDTH_PX, HEIGHT_PX = 1280, 720
_NEAREST_M: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualCamera:
    """A pinhole camera of 1280 x 720 pixels. `position`, `target`: x, s and z of the lens, and of what is in the middle of the picture."""

    position: tuple[float, float, float]
    target: tuple[float, float, float]
    focal_px: float

    def pixels(self, points: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """`points`: ... x 3, (x, s, z). Pixels: ... x 2; NaN for points that are not in front of the camera."""
        forward = np.subtract(self.target, self.position)
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        seen = (points - np.array(self.position)) @ np.array([right, np.cross(forward, right), forward]).T
        depth = np.where(seen[..., 2:] > _NEAREST_M, seen[..., 2:], np.nan)
        result: NDArray[np.float64] = self.focal_px * seen[..., :2] / depth + np.array([WIDTH_PX / 2, HEIGHT_PX / 2])
        return result

    def pixel(self, s: float, x: float, z: float = 0.0) -> tuple[float, float]:
        """Where a point of the place is in the picture."""
        u, v = self.pixels(np.array([x, s, z]))
        return float(u), float(v)

    def boxes(self, poses: "NDArray[np.float64]", size: tuple[float, float, float]) -> "NDArray[np.float64]":
        """The smallest rectangles around a vehicle, not cut at the picture's edge; NaN where it is not in front of the camera.

        `poses`: n x 3, the middle of the front (s, x) and the heading (radians from `s` towards -x). `size`: length, width, height.
        Result: n x 4, x1, y1, x2, y2.
        """
        length, width, height = size
        along = np.stack([np.cos(poses[:, 2]), -np.sin(poses[:, 2])], axis=1)
        right = np.stack([np.sin(poses[:, 2]), np.cos(poses[:, 2])], axis=1)
        corners = []
        for back in (0.0, 1.0):
            for side in (-0.5, 0.5):
                ground = poses[:, :2] - back * length * along + side * width * right
                corners += [np.column_stack([ground[:, 1], ground[:, 0], np.full(len(poses), z)]) for z in (0.0, height)]
        pixels = self.pixels(np.stack(corners, axis=1))
        return np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)

    def distances(self, poses: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Distance of each vehicle's front from the lens, on the road."""
        result: NDArray[np.float64] = np.hypot(poses[:, 1] - self.position[0], poses[:, 0] - self.position[1])
        return result
