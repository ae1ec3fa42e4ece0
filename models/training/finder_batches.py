"""Pictures and boxes in the form that the finder learns from: square, grey around, boxes in parts of the side."""

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

_GREY = 114
"""What YOLO was trained to ignore."""
_STRIDE = 32
_CUT = (0.02, 0.75)
"""A plate of which a part between these is in sight is neither one nor none: such a view is not taken."""
_LEAST_PX = 8


@dataclass(frozen=True, slots=True)
class Batch:
    images: "NDArray[np.uint8]"
    """Number x side x side x 3."""
    owners: NDArray[np.float32]
    """For each box, the number of its picture."""
    boxes: NDArray[np.float32]
    """Middle, width and height, in parts of the side."""


def batches(composer: Composer, seed: int, *, size: int, count: int, looks: int = 2) -> Iterator[Batch]:
    """Endless. Each picture is looked at `looks` times, at another scale and some time later; sides are around `size`."""
    rng = np.random.default_rng(seed)
    known: deque[ScenePhoto] = deque(maxlen=24 * count)
    while True:
        side = size + _STRIDE * int(rng.integers(-2, 3))
        new = max(1, count // looks)
        fresh = [composer.picture(rng) for _ in range(new)]
        old = [known[i] for i in rng.integers(0, len(known), count - new)] if len(known) >= count else []
        known.extend(fresh)
        yield _batch([_view(rng, picture, side) for picture in (*fresh, *old)], side)


def _view(rng: np.random.Generator, picture: ScenePhoto, side: int) -> tuple["Image", list[Quad]]:
    """The picture fitted into the square, or a little larger or smaller than that."""
    height, width = picture.image.shape[:2]
    fit = side / max(height, width)
    for zoom in (float(np.exp(rng.normal(0, 0.25))), 1.0):
        scale = fit * zoom
        room = np.array([side - width * scale, side - height * scale])
        shift = room * rng.uniform(0, 1, 2) if zoom != 1.0 else np.floor(room / 2)
        quads = [(quad * scale + shift).astype(np.float32) for quad in picture.plates]
        if not any(_CUT[0] < _in_sight(quad, side) < _CUT[1] for quad in quads):
            break
    matrix = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    image = picture.image
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float64)
    view: Image = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderValue=(_GREY, _GREY, _GREY))
    return view, quads


def _in_sight(quad: Quad, side: int) -> float:
    whole = box_of(quad - quad.min(axis=0), 10**6, 10**6)
    part = box_of(quad, side, side)
    return (part.x2 - part.x1) * (part.y2 - part.y1) / max((whole.x2 - whole.x1) * (whole.y2 - whole.y1), 1e-6)


def _batch(views: "list[tuple[Image, list[Quad]]]", side: int) -> Batch:
    owners, boxes = [], []
    for number, (_, quads) in enumerate(views):
        for quad in quads:
            x1, y1, x2, y2 = box_of(quad, side, side)
            if x2 - x1 >= _LEAST_PX and y2 - y1 >= _LEAST_PX / 3:
                owners.append(number)
                boxes.append(((x1 + x2) / 2 / side, (y1 + y2) / 2 / side, (x2 - x1) / side, (y2 - y1) / side))
    return Batch(
        np.stack([image for image, _ in views]),
        np.array(owners, np.float32),
        np.array(boxes, np.float32).reshape(-1, 4),
    )
