"""Samples the pose of a plate in front of the camera, and the box of a plate detector around it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from models.synthetic.plates.camera import Conditions, Degradation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Box

    Corners = NDArray[np.float32]

_MAX_CUT = 0.015
"""Maximum width that a box cuts off the outermost character, relative to the plate's width."""
_CUT_REACH = 0.3
"""Maximum width that a cutting box cuts off on one side, relative to the plate's width: up to two characters."""
_MAX_ROLL_DEG = 33.0
"""Plates on fairings are turned this far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """`matrix`: 3 x 3, from pixels of the plate to pixels of the crop. `width`, `height`: size of the crop, which is the detected box."""

    matrix: "NDArray[np.float64]"
    width: int
    height: int

    def shows(self, box: "Box") -> bool:
        """Whether the centre of a box of the plate is inside the crop."""
        x, y = self.project(box).mean(axis=0)
        return bool(0 <= x < self.width and 0 <= y < self.height)

    def project(self, box: "Box") -> "Corners":
        """The corners of a box of the plate in the crop, 4 x 2, clockwise from the upper left."""
        corners = np.array([[box.x1, box.y1], [box.x2, box.y1], [box.x2, box.y2], [box.x1, box.y2]], dtype=np.float32)
        projected: Corners = cv2.perspectiveTransform(corners[None], self.matrix)[0]
        return projected


def sample_pose(size: tuple[int, int], text: "Box", conditions: Conditions, rng: np.random.Generator, cut_fraction: float = 0.0) -> Pose:
    """`size`: width and height of the plate; `text`: the box of the number, which only the fraction `cut_fraction` of the boxes cut."""
    width, height = size
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    corners = _random_view(flat, conditions, rng)
    corners *= conditions.plate_height_px / _mean_height(corners)
    matrix = cv2.getPerspectiveTransform(flat, corners)
    text_corners = np.array([[text.x1, text.y1], [text.x2, text.y1], [text.x2, text.y2], [text.x1, text.y2]], dtype=np.float32)
    x1, y1, x2, y2 = _detected_box(corners, cv2.perspectiveTransform(text_corners[None], matrix)[0], rng)
    if cut_fraction and rng.random() < cut_fraction:
        x1, x2 = _cut(x1, x2, rng)
    shift = np.array([[1, 0, -x1], [0, 1, -y1], [0, 0, 1]], dtype=np.float64)
    return Pose(matrix=shift @ matrix, width=max(12, round(x2 - x1)), height=max(6, round(y2 - y1)))


def _random_view(flat: "Corners", conditions: Conditions, rng: np.random.Generator) -> "Corners":
    """Corners of the plate after a random rotation, seen from a distance of a few plate widths."""
    width = flat[2, 0]
    tilted = conditions.degradation is Degradation.TILTED
    roll = rng.uniform(-_MAX_ROLL_DEG, _MAX_ROLL_DEG) if tilted else rng.normal(0, 3.2)
    yaw = rng.normal(0, 26 if tilted else 16)
    pitch = rng.normal(0, 16 if tilted else 9)
    points = np.concatenate([(flat - flat.mean(axis=0)) / width, np.zeros((4, 1), dtype=np.float32)], axis=1)
    points = points @ _rotation(np.radians([np.clip(pitch, -40, 40), np.clip(yaw, -52, 52), roll])).T
    distance = rng.uniform(2.0, 9.0)
    projected = points[:, :2] * (distance / (distance + points[:, 2:]))
    projected[:, 1] *= rng.uniform(0.94, 1.06)
    projected[:, 0] += projected[:, 1] * rng.normal(0, 0.1)
    corners: Corners = (projected * width).astype(np.float32)
    return corners


def _rotation(angles: "NDArray[np.float64]") -> "NDArray[np.float64]":
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    about_x = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    rotation: NDArray[np.float64] = about_z @ about_y @ about_x
    return rotation


def _mean_height(corners: "Corners") -> float:
    """Mean length of the left and the right side."""
    return float((np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2)


def _detected_box(plate: "Corners", text: "Corners", rng: np.random.Generator) -> "NDArray[np.float64]":
    """A box (x1, y1, x2, y2) around the plate: tight, loose, very loose or cutting the plate, but not the number."""
    x1, y1 = plate.min(axis=0)
    x2, y2 = plate.max(axis=0)
    width, height = x2 - x1, y2 - y1
    kind = rng.random()
    if kind < 0.34:
        left, top, right, bottom = rng.uniform(-0.01, 0.03, 4)
    elif kind < 0.76:
        left, right = rng.uniform(-0.03, 0.1, 2)
        top, bottom = rng.uniform(-0.05, 0.2, 2)
    elif kind < 0.84:
        left, right = rng.uniform(0.0, 0.25, 2)
        top, bottom = rng.uniform(0.0, 0.5, 2)
    elif kind < 0.88:
        left, right = rng.uniform(0.0, 0.55, 2)
        top, bottom = rng.uniform(0.0, 1.1, 2)
    else:
        left, right = rng.uniform(-0.09, 0.03, 2)
        top, bottom = rng.uniform(-0.12, 0.05), rng.uniform(-0.3, 0.05)
    box = np.array([x1 - left * width, y1 - top * height, x2 + right * width, y2 + bottom * height], dtype=np.float64)
    allowed = _MAX_CUT * width
    box[:2] = np.minimum(box[:2], text.min(axis=0) + allowed)
    box[2:] = np.maximum(box[2:], text.max(axis=0) - allowed)
    return box


def _cut(x1: float, x2: float, rng: np.random.Generator) -> tuple[float, float]:
    """The left and right side of a box that cuts off the first or the last characters."""
    reach = rng.uniform(0.02, _CUT_REACH) * (x2 - x1)
    return (x1 + reach, x2) if rng.random() < 0.5 else (x1, x2 - reach)
