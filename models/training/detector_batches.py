"""Batches for the plate detector's training: square images padded with grey, and boxes relative to the side."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.compose import Composer
from models.synthetic.scenes.values import Quad, ScenePhoto, box_of

if TYPE_CHECKING:
    from etle.types import Image

_PADDING_GREY = 114
"""The padding colour of YOLO's training."""
_STRIDE = 32
_AMBIGUOUS_VISIBILITY = (0.02, 0.75)
"""Views with a plate whose visible fraction is between these are rejected: it would be neither a positive nor a negative example."""
_MIN_PX = 8


@dataclass(frozen=True, slots=True)
class Batch:
    images: "NDArray[np.uint8]"
    """n x side x side x 3, uint8, BGR."""
    image_indices: NDArray[np.float32]
    """Index of the image of each box."""
    boxes: NDArray[np.float32]
    """boxes x 4: centre x and y, width and height, relative to the side."""


def batches(composer: Composer, seed: int, *, size: int, count: int, views: int = 2, strides: int = 2) -> Iterator[Batch]:
    """Endless batches of `count` images with sides of `size` and up to `strides` strides of the network more or less.

    Each image is used `views` times on average, at other scales.
    """
    rng = np.random.default_rng(seed)
    recent: deque[ScenePhoto] = deque(maxlen=24 * count)
    while True:
        side = size + _STRIDE * int(rng.integers(-strides, strides + 1))
        new = max(1, count // views)
        fresh = [composer.compose(rng) for _ in range(new)]
        old = [recent[i] for i in rng.integers(0, len(recent), count - new)] if len(recent) >= count else []
        recent.extend(fresh)
        yield _batch([_view(rng, photo, side) for photo in (*fresh, *old)], side)


def _view(rng: np.random.Generator, photo: ScenePhoto, side: int) -> tuple["Image", list[Quad]]:
    """The photo scaled to fit the square, or to a slightly larger or smaller size."""
    height, width = photo.image.shape[:2]
    fit = side / max(height, width)
    for zoom in (float(np.exp(rng.normal(0, 0.25))), 1.0):
        scale = fit * zoom
        margin = np.array([side - width * scale, side - height * scale])
        shift = margin * rng.uniform(0, 1, 2) if zoom != 1.0 else np.floor(margin / 2)
        quads = [(quad * scale + shift).astype(np.float32) for quad in photo.plates]
        if not any(_AMBIGUOUS_VISIBILITY[0] < _visible_fraction(quad, side) < _AMBIGUOUS_VISIBILITY[1] for quad in quads):
            break
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    image = photo.image
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    view: Image = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(_PADDING_GREY,) * 3)
    return view, quads


def _visible_fraction(quad: Quad, side: int) -> float:
    whole = box_of(quad - quad.min(axis=0), 10**6, 10**6)
    part = box_of(quad, side, side)
    return (part.x2 - part.x1) * (part.y2 - part.y1) / max((whole.x2 - whole.x1) * (whole.y2 - whole.y1), 1e-6)


def _batch(views: "list[tuple[Image, list[Quad]]]", side: int) -> Batch:
    image_indices, boxes = [], []
    for index, (_, quads) in enumerate(views):
        for quad in quads:
            x1, y1, x2, y2 = box_of(quad, side, side)
            if x2 - x1 >= _MIN_PX and y2 - y1 >= _MIN_PX / 3:
                image_indices.append(index)
                boxes.append(((x1 + x2) / 2 / side, (y1 + y2) / 2 / side, (x2 - x1) / side, (y2 - y1) / side))
    return Batch(
        np.stack([image for image, _ in views]),
        np.array(image_indices, np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
    )
