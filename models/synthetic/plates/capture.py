"""A plate as a camera sees it and a finder cuts it out.

What nobody could read is drawn again: every character must still stand out from its ground after light and blur, by more than the noise.
"""

from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.types import Point
from models.synthetic.plates.camera import Conditions, Degradation, blurred, conditions_for, draw_conditions, lit, recorded
from models.synthetic.plates.context import draw_surroundings, mix, with_holder
from models.synthetic.plates.occlusion import hindered
from models.synthetic.plates.paint import rounded_rectangle
from models.synthetic.plates.pose import Pose, draw_pose
from models.synthetic.plates.values import CapturedPlate, RenderedPlate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from etle.types import Box, Image

    Light = NDArray[np.float32]

_ATTEMPTS = 3
_LEAST_SPREAD = 5.0
"""Grey levels, one sigma over a character's box."""
_SPREAD_OVER_NOISE = 0.9
_LEAST_EXPIRY_SPREAD = 8.0
_LEAST_EXPIRY_PX = 6.5
"""Digits lower than this are not read by anybody."""
_FINE = 2.0
"""Plates are hung at twice the camera's pixels and then averaged, or the strokes of small ones would flicker."""


def seen(plate: RenderedPlate, rng: np.random.Generator) -> CapturedPlate:
    for attempt in range(_ATTEMPTS):
        conditions = draw_conditions(rng) if attempt < _ATTEMPTS - 1 else conditions_for(Degradation.NONE, rng)
        pose = draw_pose((plate.image.shape[1], plate.image.shape[0]), plate.main_box, conditions, rng)
        light = blurred(lit(_hung_up(plate.image, pose, rng), conditions, rng), conditions, rng)
        if attempt == _ATTEMPTS - 1 or all(_stands_out(light, pose, box, conditions) for box in plate.character_boxes):
            break
    image = recorded(light, conditions, rng)
    readable = plate.expiry_box is not None and _expiry_readable(light, pose, plate.expiry_box, conditions)
    scale = image.shape[1] / light.shape[1]
    return CapturedPlate(
        image=image,
        text=plate.text,
        expiry=plate.expiry if readable else None,
        colour=plate.colour,
        main_corners=_points(pose.moved(plate.main_box) * scale),
        expiry_corners=_points(pose.moved(plate.expiry_box) * scale) if readable and plate.expiry_box is not None else None,
    )


def _hung_up(plate: "Image", pose: Pose, rng: np.random.Generator) -> "Image":
    held, frame = with_holder(hindered(plate, rng), rng)
    fine = np.diag([_FINE, _FINE, 1.0]) @ pose.matrix @ np.array([[1, 0, -frame], [0, 1, -frame], [0, 0, 1]], dtype=np.float64)
    held, fine = _reduced(held, fine)
    mask = np.zeros(held.shape[:2], dtype=np.uint8)
    rounded_rectangle(mask, (0, 0, held.shape[1] - 1, held.shape[0] - 1), int(rng.uniform(0, 0.1) * held.shape[0]), 255, -1)
    size = (round(pose.width * _FINE), round(pose.height * _FINE))
    hung = cv2.warpPerspective(held, fine, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(mask, fine, size, flags=cv2.INTER_LINEAR)
    below = draw_surroundings(pose.height, pose.width, rng)
    small = (pose.width, pose.height)
    return mix(below, cv2.resize(hung, small, interpolation=cv2.INTER_AREA), cv2.resize(mask, small, interpolation=cv2.INTER_AREA))


def _reduced(held: "Image", matrix: "NDArray[np.float64]") -> "tuple[Image, NDArray[np.float64]]":
    """The plate made about as small as it will be seen, averaging, because the warp would skip pixels."""
    height, width = held.shape[:2]
    ends = cv2.perspectiveTransform(np.array([[[0, 0], [0, height], [width, height]]], dtype=np.float32), matrix.astype(np.float32))[0]
    factor = float(np.linalg.norm(ends[1] - ends[0])) / height
    if factor > 0.8:
        return held, matrix
    small: Image = cv2.resize(held, (max(8, round(width * factor)), max(4, round(height * factor))), interpolation=cv2.INTER_AREA)
    back = np.diag([width / small.shape[1], height / small.shape[0], 1.0])
    return small, matrix @ back


def _stands_out(light: "Light", pose: Pose, box: "Box", conditions: Conditions, least: float = _LEAST_SPREAD) -> bool:
    corners = pose.moved(box)
    (x1, y1), (x2, y2) = np.floor(corners.min(axis=0)).astype(int), np.ceil(corners.max(axis=0)).astype(int)
    part = light[max(0, y1) : y2, max(0, x1) : x2]
    if part.size < 12:
        return False
    spread = float(part.mean(axis=2).std())
    return spread > least and spread > _SPREAD_OVER_NOISE * conditions.noise


def _expiry_readable(light: "Light", pose: Pose, box: "Box", conditions: Conditions) -> bool:
    corners = pose.moved(box)
    inside = bool((corners >= -1).all() and (corners <= (pose.width + 1, pose.height + 1)).all())
    tall = float(np.linalg.norm(corners[3] - corners[0])) >= _LEAST_EXPIRY_PX
    return (
        inside and tall and conditions.trouble is not Degradation.MOVED and _stands_out(light, pose, box, conditions, _LEAST_EXPIRY_SPREAD)
    )


def _points(corners: "Sequence[NDArray[np.float32]]") -> tuple[Point, Point, Point, Point]:
    a, b, c, d = (Point(float(x), float(y)) for x, y in corners)
    return (a, b, c, d)
