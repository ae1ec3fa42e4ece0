"""Rendered heads of persons who sit close together, in a square part of a picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.types import Box
from models.synthetic.heads.head import any_colour, draw_bare, draw_helmet, skin_of
from models.synthetic.heads.ridden import draw_ridden
from models.synthetic.heads.shapes import cloth, ellipse, paint, polygon, rounded
from models.synthetic.heads.values import CANVAS, HeadPose, HeadScene, HeadState, Light, RenderedHead, Rng
from models.synthetic.scenes.textures import chance
from models.synthetic.signals.camera import Scale, capture
from models.synthetic.signals.surroundings import background

if TYPE_CHECKING:
    from etle.types import Image

_HEAD_PX: Final = 41.0
"""Usual width of a head on the canvas."""
_MIN_PX, _MAX_PX = 9.0, 60.0
"""Width of a head in the picture."""
_RIDDEN: Final = 0.45
"""Share of the pictures with riders of the simulator; the others are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSample:
    image: "Image"
    """Square."""
    heads: tuple[RenderedHead, ...]


def draw_heads(rng: Rng) -> HeadSample:
    """Up to four persons close together, none in one of ten pictures."""
    scene = _tilted(rng, draw_ridden(rng) if chance(rng, _RIDDEN) else _scene(rng))
    light = scene.light
    light = light * np.float32(np.exp(rng.uniform(np.log(0.25), np.log(2.0))))
    width = np.exp(rng.uniform(np.log(_MIN_PX), np.log(_MAX_PX)))
    scale = width / _HEAD_PX
    image = capture(rng, light.clip(0, None).astype(np.float32), Scale(x=scale, y=scale))
    by = image.shape[1] / CANVAS
    heads = tuple(RenderedHead(box=_times(head.box, by), state=head.state) for head in scene.heads)
    return _window(rng, image, heads, (scene.middle[0] * by, scene.middle[1] * by))


def _scene(rng: Rng) -> HeadScene:
    light = background(rng, CANVAS, CANVAS)
    heads: list[RenderedHead] = []
    if chance(rng, 0.1):
        pose = _pose(rng)
        if chance(rng, 0.7):
            _body(rng, light, pose)
        _clutter(rng, light, pose)
        return HeadScene(light=light, heads=(), middle=(CANVAS / 2, CANVAS / 2))
    front = _pose(rng)
    poses = [front]
    for _ in range(int(rng.choice(4, p=[0.5, 0.25, 0.17, 0.08]))):
        poses.append(_beside(rng, poses[-1]))
    for pose in reversed(poses):
        if chance(rng, 0.3):
            _clutter(rng, light, pose)
        _body(rng, light, pose)
        state = HeadState.HELMET if chance(rng, 0.5) else HeadState.BARE
        box = draw_helmet(rng, light, pose) if state is HeadState.HELMET else draw_bare(rng, light, pose)
        heads = [_covered(head, box, pose) for head in heads]
        heads.append(RenderedHead(box=box, state=state))
    if chance(rng, 0.12):
        _low_cover(rng, light, front)
    if chance(rng, 0.1):
        heads = [_covered(head, _cover(rng, light, front), front) for head in heads]
    return HeadScene(light=light, heads=tuple(heads), middle=heads[-1].box.centre)


def _pose(rng: Rng) -> HeadPose:
    turn = rng.uniform(-np.pi, np.pi)
    sun = rng.normal(0, 0.4), -rng.uniform(0.2, 1.0)
    x, y = CANVAS / 2 + rng.normal(0, 12, 2)
    return HeadPose(
        x=float(x),
        y=float(y),
        radius=float(rng.uniform(15, 22)),
        facing=float(np.sin(turn)),
        ahead=float(np.cos(turn)),
        sun=(float(sun[0]), float(sun[1])),
    )


def _body(rng: Rng, light: Light, pose: HeadPose) -> None:
    """Neck, shoulders and chest, perhaps a bag."""
    paint(light, polygon(pose, [(-0.5, 0.6), (0.5, 0.6), (0.6, 1.8), (-0.6, 1.8)]), skin_of(rng), 0.8)
    wide, top = rng.uniform(1.3, 2.6), rng.uniform(1.2, 1.7)
    lean = rng.normal(0, 0.5)
    colour, folds = any_colour(rng), cloth(rng)
    left, right = -wide + lean, wide + lean
    shoulders = [(-0.55, top - 0.15), (0.55, top - 0.15), (right, top + 0.6), (right, 5.0), (left, 5.0), (left, top + 0.6)]
    paint(light, polygon(pose, shoulders), colour, folds)
    sleeve = colour if chance(rng, 0.6) else skin_of(rng)
    for side in (left, right):  # round shoulders and upper arms
        size, low = rng.uniform(0.5, 0.9), rng.uniform(0.4, 1.6)
        shade = folds * rounded(pose, side, top + 0.7, size, size, depth=float(rng.uniform(0.0, 0.6)))
        paint(light, ellipse(pose, side * 0.92, top + 0.75, size, size), colour, shade)
        paint(light, ellipse(pose, side, top + 0.8 + low, 0.8 * size, low + 0.4, float(rng.normal(0, 20))), sleeve, shade)
    if chance(rng, 0.3):
        side = rng.uniform(-1.2, 1.2)
        paint(light, polygon(pose, [(side, top), (side + 0.3, top), (side + 0.5, 5), (side, 5)]), any_colour(rng), folds)
    if chance(rng, 0.15):
        paint(light, ellipse(pose, lean, 3.0, rng.uniform(0.8, 1.6), rng.uniform(1.0, 1.6)), any_colour(rng), folds)


def _beside(rng: Rng, pose: HeadPose) -> HeadPose:
    """Of the person behind or beside, partly covered by this one."""
    side = 1.0 if chance(rng, 0.5) else -1.0
    return HeadPose(
        x=pose.x + side * pose.radius * float(rng.uniform(0.5, 2.6)),
        y=pose.y - pose.radius * float(rng.normal(0.3, 0.5)),
        radius=pose.radius * float(rng.uniform(0.85, 1.08)),
        facing=pose.facing,
        ahead=pose.ahead,
        sun=pose.sun,
    )


def _covered(head: RenderedHead, by: Box, pose: HeadPose) -> RenderedHead:
    """UNCLEAR if less than half of it shows beside the nearer head and its shoulders, HIDDEN if less than a fifth."""
    box = head.box
    rows, columns = (np.linspace(low, high, 9) for low, high in ((box.y1, box.y2), (box.x1, box.x2)))
    x, y = np.meshgrid(columns, rows)
    own = ((x - box.centre.x) / (box.width / 2)) ** 2 + ((y - box.centre.y) / (box.height / 2)) ** 2 <= 1
    nearer = ((x - by.centre.x) / (by.width / 2)) ** 2 + ((y - by.centre.y) / (by.height / 2)) ** 2 <= 1
    nearer |= (y > pose.y + 1.5 * pose.radius) & (abs(x - pose.x) < 1.6 * pose.radius)
    return head.with_visible_share(float((own & ~nearer).sum() / own.sum()))


def _clutter(rng: Rng, light: Light, pose: HeadPose) -> None:
    """Bags, mirrors, wheels, lamps: round and square things that are no heads, of other sizes."""
    for _ in range(int(rng.integers(1, 5))):
        x, y = rng.uniform(-4, 4), rng.uniform(-2.5, 4)
        size = rng.uniform(0.15, 0.6) if chance(rng, 0.7) else rng.uniform(1.8, 2.6)
        if chance(rng, 0.3):  # knees, bags and lamps, below
            y, size = rng.uniform(2.4, 4.5), rng.uniform(0.6, 1.4)
        if chance(rng, 0.5):
            mask = ellipse(pose, x, y, size, size * rng.uniform(0.4, 1.2), float(rng.uniform(0, 180)))
        else:
            mask = polygon(
                pose, [(x - size, y - size), (x + size, y - size * rng.uniform(0.4, 1)), (x + size, y + size), (x - size, y + size)]
            )
        paint(light, mask, any_colour(rng), cloth(rng))


def _cover(rng: Rng, light: Light, pose: HeadPose) -> Box:
    """Something large before a head: a load, a vehicle, a post."""
    x, y = rng.normal(0, 0.6, 2)
    wide, high = rng.uniform(1.0, 2.4), rng.uniform(1.4, 2.6)
    corners = [(x - wide, y - high), (x + wide, y - high * rng.uniform(0.8, 1.1)), (x + wide, 5), (x - wide, 5)]
    paint(light, polygon(pose, corners), any_colour(rng), cloth(rng))
    return pose.box(x - wide, y - high, x + wide, 5)


def _low_cover(rng: Rng, light: Light, pose: HeadPose) -> None:
    """The chin is hidden: by an arm, a windscreen, a shoulder before it."""
    y = rng.uniform(0.55, 1.1)
    paint(light, polygon(pose, [(-2.5, y), (2.5, y + rng.normal(0, 0.2)), (2.5, 5), (-2.5, 5)]), any_colour(rng), cloth(rng))


def _tilted(rng: Rng, scene: HeadScene) -> HeadScene:
    middle = CANVAS / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), float(rng.normal(0, 8)), 1.0)
    matrix[0, 0] *= np.exp(rng.normal(0, 0.07))
    matrix[:, 2] += np.array([middle, middle]) - matrix @ np.array([middle, middle, 1])
    turned: Light = cv2.warpAffine(scene.light, matrix, (CANVAS, CANVAS), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

    def moved(point: tuple[float, float]) -> tuple[float, float]:
        x, y = (matrix @ np.array([*point, 1])).tolist()
        return x, y

    heads = tuple(RenderedHead(box=_about(moved(head.box.centre), head.box), state=head.state) for head in scene.heads)
    return HeadScene(light=turned, heads=heads, middle=moved(scene.middle))


def _about(middle: tuple[float, float], box: Box) -> Box:
    x, y = middle
    return Box(x - box.width / 2, y - box.height / 2, x + box.width / 2, y + box.height / 2)


def _times(box: Box, by: float) -> Box:
    return Box(*(edge * by for edge in box))


def _window(rng: Rng, image: "Image", heads: Sequence[RenderedHead], middle: tuple[float, float]) -> HeadSample:
    """A square part in which heads take a third of the side, more or less."""
    size = _HEAD_PX * image.shape[1] / CANVAS
    side = max(8, round(size * np.exp(rng.uniform(np.log(1.8), np.log(4.5)))))
    x1, y1 = (round(centre + rng.uniform(-0.4, 0.4) * side - side / 2) for centre in middle)
    padded = cv2.copyMakeBorder(image, side, side, side, side, cv2.BORDER_REPLICATE)
    left, top = (min(max(0, edge + side), long + side) for edge, long in ((x1, image.shape[1]), (y1, image.shape[0])))
    cut: Image = padded[top : top + side, left : left + side]
    moved = (RenderedHead(box=_moved(head.box, side - left, side - top), state=head.state) for head in heads)
    inside = tuple(head for head in moved if 0 <= head.box.centre.x < side and 0 <= head.box.centre.y < side)
    return HeadSample(image=np.ascontiguousarray(cut), heads=inside)


def _moved(box: Box, x: float, y: float) -> Box:
    return Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y)
