"""Simulates the photo of a plate, cropped by a plate detector.

Illegible results are rejected: after light and blur every character must have more contrast than the noise.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import Point
from models.synthetic.plates.camera import (
    Conditions,
    Degradation,
    apply_blur,
    apply_lighting,
    apply_sensor,
    conditions_for,
    sample_conditions,
)
from models.synthetic.plates.context import blend, render_context, with_holder
from models.synthetic.plates.occlusion import occluded
from models.synthetic.plates.paint import rounded_rectangle
from models.synthetic.plates.pose import Pose, sample_pose
from models.synthetic.plates.values import CapturedPlate, RenderedPlate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etle.types import Box, Image

    Light = NDArray[np.float32]

_ATTEMPTS = 3
_MIN_CONTRAST = 5.0
"""Minimum standard deviation of the grey levels in a character's box."""
_MIN_CONTRAST_TO_NOISE = 0.9
_MIN_EXPIRY_CONTRAST = 8.0
_MIN_EXPIRY_PX = 6.5
"""Minimum height of legible digits."""
_SUPERSAMPLING = 2.0
"""Plates are warped at twice the resolution and then averaged, to avoid aliasing of thin strokes."""


def capture_plate(plate: RenderedPlate, rng: np.random.Generator, *, cut_fraction: float = 0.0) -> CapturedPlate:
    """`cut_fraction`: fraction of the crops that cut off the first or the last characters; their corners are then outside the crop."""
    for attempt in range(_ATTEMPTS):
        conditions = sample_conditions(rng) if attempt < _ATTEMPTS - 1 else conditions_for(Degradation.NONE, rng)
        pose = sample_pose((plate.image.shape[1], plate.image.shape[0]), plate.main_box, conditions, rng, cut_fraction)
        light = apply_blur(apply_lighting(_mounted(plate.image, pose, rng), conditions, rng), conditions, rng)
        visible = [box for box in plate.character_boxes if pose.shows(box)]
        if attempt == _ATTEMPTS - 1 or all(_has_contrast(light, pose, box, conditions) for box in visible):
            break
    image = apply_sensor(light, conditions, rng)
    legible = plate.expiry_box is not None and _expiry_legible(light, pose, plate.expiry_box, conditions)
    scale = image.shape[1] / light.shape[1]
    return CapturedPlate(
        image=image,
        text=plate.text,
        expiry=plate.expiry if legible else None,
        colour=plate.colour,
        main_corners=_points(pose.project(plate.main_box) * scale),
        expiry_corners=_points(pose.project(plate.expiry_box) * scale) if legible and plate.expiry_box is not None else None,
    )


def _mounted(plate: "Image", pose: Pose, rng: np.random.Generator) -> "Image":
    held, frame = with_holder(occluded(plate, rng), rng)
    matrix = (
        np.diag([_SUPERSAMPLING, _SUPERSAMPLING, 1.0])
        @ pose.matrix
        @ np.array([[1, 0, -frame], [0, 1, -frame], [0, 0, 1]], dtype=np.float64)
    )
    held, matrix = _downscaled(held, matrix)
    mask = np.zeros(held.shape[:2], dtype=np.uint8)
    rounded_rectangle(mask, (0, 0, held.shape[1] - 1, held.shape[0] - 1), int(rng.uniform(0, 0.1) * held.shape[0]), 255, -1)
    size = (round(pose.width * _SUPERSAMPLING), round(pose.height * _SUPERSAMPLING))
    plate_image = cv2.warpPerspective(held, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_LINEAR)
    context = render_context(pose.height, pose.width, rng)
    small = (pose.width, pose.height)
    foreground, alpha = (cv2.resize(each, small, interpolation=cv2.INTER_AREA) for each in (plate_image, mask))
    return blend(context, foreground, alpha)


def _downscaled(held: "Image", matrix: "NDArray[np.float64]") -> "tuple[Image, NDArray[np.float64]]":
    """The plate scaled down to about its final size by averaging, because warping alone would skip pixels; and the adapted matrix."""
    height, width = held.shape[:2]
    ends = cv2.perspectiveTransform(np.array([[[0, 0], [0, height], [width, height]]], dtype=np.float32), matrix.astype(np.float32))[0]
    factor = float(np.linalg.norm(ends[1] - ends[0])) / height
    if factor > 0.8:
        return held, matrix
    small: Image = cv2.resize(held, (max(8, round(width * factor)), max(4, round(height * factor))), interpolation=cv2.INTER_AREA)
    back = np.diag([width / small.shape[1], height / small.shape[0], 1.0])
    return small, matrix @ back


def _has_contrast(light: "Light", pose: Pose, box: "Box", conditions: Conditions, min_contrast: float = _MIN_CONTRAST) -> bool:
    corners = pose.project(box)
    (x1, y1), (x2, y2) = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    part = light[max(0, y1) : y2, max(0, x1) : x2]
    if part.size < 12:
        return False
    contrast = float(part.mean(axis=2).std())
    return contrast > min_contrast and contrast > _MIN_CONTRAST_TO_NOISE * conditions.noise


def _expiry_legible(light: "Light", pose: Pose, box: "Box", conditions: Conditions) -> bool:
    corners = pose.project(box)
    inside = bool((corners >= -1).all() and (corners <= (pose.width + 1, pose.height + 1)).all())
    high_enough = float(np.linalg.norm(corners[3] - corners[0])) >= _MIN_EXPIRY_PX
    sharp = conditions.degradation is not Degradation.MOTION_BLUR
    return inside and high_enough and sharp and _has_contrast(light, pose, box, conditions, _MIN_EXPIRY_CONTRAST)


def _points(corners: "Sequence[NDArray[np.float32]]") -> tuple[Point, Point, Point, Point]:
    a, b, c, d = (Point(float(x), float(y)) for x, y in corners)
    return (a, b, c, d)
