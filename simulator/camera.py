"""Pinhole projection, used by the renderer and for the pixel coordinates of the site file."""

import math

import numpy as np
from numpy.typing import NDArray

from simulator.layout import CameraPlan

Array = NDArray[np.float64]


def rotation(angle_rad: float) -> Array:
    """4 x 4 rotation about the vertical axis."""
    c, s = math.cos(angle_rad), math.sin(angle_rad)
    m = np.eye(4)
    m[:2, :2] = [[c, -s], [s, c]]
    return m


def translation(x: float, y: float, z: float) -> Array:
    m = np.eye(4)
    m[:3, 3] = x, y, z
    return m


def look_at(eye: Array, at: Array) -> Array:
    forward = (at - eye) / np.linalg.norm(at - eye)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    m = np.eye(4)
    m[0, :3], m[1, :3], m[2, :3] = right, np.cross(right, forward), -forward
    m[:3, 3] = -m[:3, :3] @ eye
    return m


def perspective(hfov_deg: float, aspect: float, near: float = 0.5, far: float = 400.0) -> Array:
    k = 1.0 / math.tan(math.radians(hfov_deg) / 2)
    m = np.zeros((4, 4))
    m[0, 0], m[1, 1] = k, k * aspect
    m[2, 2], m[2, 3], m[3, 2] = (far + near) / (near - far), 2 * far * near / (near - far), -1.0
    return m


class PinholeCamera:
    """A camera plan with a picture size."""

    def __init__(self, plan: CameraPlan, width: int, height: int) -> None:
        self.plan, self.width, self.height = plan, width, height
        self.eye = np.array(plan.eye)
        self.matrix = perspective(plan.hfov_deg, width / height) @ look_at(self.eye, np.array(plan.at))

    def project(self, points: Array) -> Array:
        """World points (n x 3) to pixels (n x 2); NaN for points behind the camera."""
        clip = np.c_[points, np.ones(len(points))] @ self.matrix.T
        w = np.where(clip[:, 3:4] > 0.1, clip[:, 3:4], np.nan)
        pixels: Array = np.c_[(clip[:, :1] / w * 0.5 + 0.5) * self.width, (0.5 - clip[:, 1:2] / w * 0.5) * self.height]
        return pixels

    def ground(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a point on the road."""
        u, v = self.project(np.array([[x, y, 0.0]]))[0]
        return float(u), float(v)

    def sees(self, x: float, y: float, z: float = 0.0) -> bool:
        u, v = self.project(np.array([[x, y, z]]))[0]
        return bool(0 <= u < self.width and 0 <= v < self.height)
