"""Heads of the simulator's riders: a part of the picture of one or several motorcycles before a street."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.types import Box
from models.synthetic.heads.sprites import GAMMA, SpriteHead, rider_sprites
from models.synthetic.heads.values import CANVAS, MIN_CLEAR, MIN_SHOWN, HeadScene, HeadState, Light, RenderedHead, Rng
from models.synthetic.scenes.backdrop import backdrop
from models.synthetic.scenes.textures import chance
from models.synthetic.signals.surroundings import background

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIDE: Final = 4.3
"""Of the canvas, in widths of the head it is about."""
_COMPANY: Final = (0.6, 0.3, 0.1)
"""Probability of no other motorcycle, one and two behind it."""
_ON_HEAD: Final = 0.8
"""Share of the pictures around a head; the others are around any part of the motorcycle."""
_STREET: Final = 0.65
"""Share of the backgrounds with road, walls and objects."""
_PAD: Final = 120
"""Of the background around the motorcycle, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ridden:
    light: Light
    mask: "NDArray[np.float32]"
    heads: tuple[SpriteHead, ...]


def draw_ridden(rng: Rng) -> HeadScene:
    front = _ridden(rng)
    height, width = front.mask.shape
    size = height + 2 * _PAD, width + 2 * _PAD
    light = _street(rng, *size) if chance(rng, _STREET) else background(rng, *size)
    heads: list[RenderedHead] = []
    for _ in range(int(rng.choice(len(_COMPANY), p=_COMPANY))):
        other = _scaled(_ridden(rng), float(rng.uniform(0.5, 1.0)))
        x, y = (round(rng.uniform(-0.4, 0.6) * side) for side in (width, height / 2))
        heads = _pasted(light, heads, other, x + _PAD, y)
    heads = _pasted(light, heads, front, _PAD, _PAD)
    own = heads[len(heads) - len(front.heads) :]
    aimed = own[int(rng.integers(len(own)))]
    on_head = chance(rng, _ON_HEAD)
    middle = aimed.box.centre if on_head else (_PAD + rng.uniform(0, width), _PAD + rng.uniform(0, height))
    side = _SIDE * aimed.box.width * float(np.exp(rng.uniform(-0.25, 0.25)))
    return _cut(light, heads, (float(middle[0]), float(middle[1])), side)


def _street(rng: Rng, height: int, width: int) -> Light:
    street: Light = np.power(backdrop(rng, height, width).clip(0, 255) / np.float32(255), np.float32(GAMMA))
    return street


def _ridden(rng: Rng) -> _Ridden:
    sprites = rider_sprites()
    sprite = sprites[int(rng.integers(len(sprites)))]
    light, mask = sprite.decoded()
    heads = sprite.heads
    if chance(rng, 0.5):
        light, mask = np.ascontiguousarray(light[:, ::-1]), np.ascontiguousarray(mask[:, ::-1])
        heads = tuple(replace(head, box=_mirrored(head.box, mask.shape[1])) for head in heads)
    return _Ridden(light=_varied(rng, light, heads), mask=mask, heads=heads)


def _varied(rng: Rng, light: Light, heads: tuple[SpriteHead, ...]) -> Light:
    """Other clothes and another motorcycle; brighter or darker heads, of a slightly other colour."""
    light = light * np.exp(rng.normal(0, 0.25) + rng.normal(0, 0.05, 3)).astype(np.float32)
    low = int(max(head.box.y2 for head in heads))
    body = light[low:]
    if chance(rng, 0.6) and body.size:
        colour = np.exp(rng.normal(0, 0.5, 3)).astype(np.float32)
        light[low:] = body[..., rng.permutation(3)] * colour
    for head in heads:
        x1, y1, x2, y2 = (max(0, round(edge)) for edge in head.box)
        part = light[y1:y2, x1:x2]
        if head.helmet and part.size and chance(rng, 0.5):
            light[y1:y2, x1:x2] = part[..., rng.permutation(3)] * np.float32(np.exp(rng.normal(0, 0.3)))
    return light


def _scaled(ridden: _Ridden, by: float) -> _Ridden:
    height, width = ridden.mask.shape
    size = max(8, round(width * by)), max(8, round(height * by))
    light, mask = (np.asarray(cv2.resize(each, size, interpolation=cv2.INTER_AREA), np.float32) for each in (ridden.light, ridden.mask))
    heads = tuple(replace(head, box=Box(*(edge * by for edge in head.box))) for head in ridden.heads)
    return _Ridden(light=light, mask=mask, heads=heads)


def _pasted(light: Light, farther: list[RenderedHead], ridden: _Ridden, x: int, y: int) -> list[RenderedHead]:
    """Draws it in place, and returns the heads behind it, as far as they still show, and its own."""
    height, width = ridden.mask.shape
    left, top = max(0, x), max(0, y)
    right, low = min(light.shape[1], x + width), min(light.shape[0], y + height)
    covered = np.zeros(light.shape[:2], np.float32)
    if right > left and low > top:
        part = slice(top, low), slice(left, right)
        own = slice(top - y, low - y), slice(left - x, right - x)
        covered[part] = ridden.mask[own]
        light[part] += (ridden.light[own] - light[part]) * ridden.mask[own][..., None]
    moved = (replace(head, box=Box(head.box.x1 + x, head.box.y1 + y, head.box.x2 + x, head.box.y2 + y)) for head in ridden.heads)
    return [*(behind(head, covered) for head in farther), *(RenderedHead(box=head.box, state=_state(head)) for head in moved)]


def _state(head: SpriteHead) -> HeadState:
    if head.shown < MIN_SHOWN:
        return HeadState.HIDDEN
    if head.shown < MIN_CLEAR:
        return HeadState.UNCLEAR
    return HeadState.HELMET if head.helmet else HeadState.BARE


def behind(head: RenderedHead, covered: "NDArray[np.float32]") -> RenderedHead:
    """The head, of which those pixels are covered by something nearer (height x width, 0 to 1)."""
    x1, y1, x2, y2 = (max(0, round(edge)) for edge in head.box)
    part = covered[y1:y2, x1:x2]
    return head.with_visible_share(1 - float(part.mean()) if part.size else 0.0)


def _cut(light: Light, heads: list[RenderedHead], middle: tuple[float, float], side: float) -> HeadScene:
    """The square of this side around the middle, as a canvas."""
    by = CANVAS / side
    matrix = np.array([[by, 0, CANVAS / 2 - by * middle[0]], [0, by, CANVAS / 2 - by * middle[1]]])
    way = cv2.INTER_AREA if by < 1 else cv2.INTER_LINEAR
    canvas = np.asarray(cv2.warpAffine(light, matrix, (CANVAS, CANVAS), flags=way, borderMode=cv2.BORDER_REPLICATE), np.float32)
    x, y = matrix[0, 2], matrix[1, 2]
    moved = tuple(
        RenderedHead(box=Box(by * h.box.x1 + x, by * h.box.y1 + y, by * h.box.x2 + x, by * h.box.y2 + y), state=h.state) for h in heads
    )
    return HeadScene(light=canvas, heads=moved, middle=(CANVAS / 2, CANVAS / 2))


def _mirrored(box: Box, width: int) -> Box:
    return Box(width - box.x2, box.y1, width - box.x1, box.y2)
