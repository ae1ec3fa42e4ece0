"""One rendered signal head with a box as people draw it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.types import Box, Lamp
from models.synthetic.scenes.textures import chance
from models.synthetic.signals.camera import Scale, capture
from models.synthetic.signals.head import draw_housing, draw_lenses, lit_lamps, reflections, with_halo
from models.synthetic.signals.surroundings import background, cover, other_lights, vehicle_only
from models.synthetic.signals.values import HeadPlan, Light, Rng, SignalState

if TYPE_CHECKING:
    from etle.types import Image

_R, _Y, _G = Lamp.RED, Lamp.YELLOW, Lamp.GREEN
_ORDERS: Final = ((_R, _Y, _G), (_R, _G), (_R, _Y, _G, _G), (_G, _Y, _R), (_R, _R, _Y, _G), (_R, _Y), (_G, _R), (_R, _G, _G))
_ORDER_FREQUENCIES: Final = (0.76, 0.06, 0.07, 0.04, 0.02, 0.02, 0.02, 0.01)
_STATES: Final = tuple(SignalState)
_STATE_FREQUENCIES: Final = (0.24, 0.21, 0.26, 0.10, 0.09, 0.10)
_CANVAS: Final = (3.6, 2.9)
"""Width and height of the canvas relative to the head."""
_MIN_DIFFERENCE, _NOISE_WEIGHT = 12.0, 1.5
"""Minimum difference (0 to 255) that a lit lamp makes to some 3 x 3 pixels of the image, without noise and more for each level of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalSample:
    image: "Image"
    drawn: Box
    """The box as a person draws it, in pixels of the image; wider than high where the head is horizontal."""
    order: tuple[Lamp, ...]
    state: SignalState
    head: Box | None
    """The housing in the image; None if it is hidden."""


def draw_sample(rng: Rng) -> SignalSample:
    state = _STATES[int(rng.choice(len(_STATES), p=_STATE_FREQUENCIES))]
    plan, size = _plan(rng, state)
    scene, lit = _scene(rng, plan, size, state)
    if any(plan.lit) and state is not SignalState.HIDDEN:
        unlit, _ = _photographed(_copy(rng), scene, plan.box)
        image, head = _photographed(rng, scene + lit, plan.box)
        state = state if _differ(image, unlit) else SignalState.DARK
    else:
        image, head = _photographed(rng, scene, plan.box)
    drawn = _drawn(rng, head)
    if chance(rng, 0.45):  # a crop without surroundings: its edge is repeated
        image, drawn, head = _cropped(rng, image, drawn, head)
    if chance(rng, 0.25):
        image, drawn, head = _enlarged(rng, image, drawn, head)
    hidden = state is SignalState.HIDDEN
    return SignalSample(image=image, drawn=drawn, order=plan.order, state=state, head=None if hidden else head)


def _plan(rng: Rng, state: SignalState) -> tuple[HeadPlan, tuple[int, int]]:
    """A head in the middle of a canvas, and the height and width of the canvas."""
    order = _ORDERS[int(rng.choice(len(_ORDERS), p=_ORDER_FREQUENCIES))]
    if state in (SignalState.YELLOW, SignalState.GREEN) and Lamp(state) not in order:
        order = _ORDERS[0]
    pitch = rng.uniform(9, 15)
    width = pitch * np.exp(rng.uniform(np.log(0.85), np.log(1.75)))
    height = pitch * (len(order) + rng.uniform(-0.05, 0.35))
    size = round(height * _CANVAS[1]), round(width * _CANVAS[0])
    x, y = size[1] / 2, size[0] / 2
    box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    radius = min(pitch, width) * rng.uniform(0.33, 0.48)
    return HeadPlan(order=order, lit=_lit(rng, order, state), box=box, pitch_px=pitch, radius_px=radius), size


def _lit(rng: Rng, order: tuple[Lamp, ...], state: SignalState) -> tuple[Lamp | None, ...]:
    """Of two lamps of one colour, one or both are lit."""
    if state is SignalState.SEVERAL:
        return _contradiction(rng, order)
    lamp = rng.choice(list(order)) if state is SignalState.HIDDEN else state.value
    places = [i for i, each in enumerate(order) if each == lamp]
    chosen = places if chance(rng, 0.3) else [int(rng.choice(places))] if places else []
    return tuple(each if i in chosen else None for i, each in enumerate(order))


def _contradiction(rng: Rng, order: tuple[Lamp, ...]) -> tuple[Lamp | None, ...]:
    """Two colours, red and yellow most often; or the light of a vehicle in a section of another colour."""
    places = sorted({order.index(lamp) for lamp in order})
    if chance(rng, 0.2) and {_R, _G} <= {*order}:
        shown = (_R, _G) if chance(rng, 0.7) else (_G, _R)
        return tuple(shown[0] if i == order.index(shown[1]) else None for i in range(len(order)))
    chosen = [0, 1] if chance(rng, 0.6) and order[0] is not order[1] else rng.permutation(places)[:2].tolist()
    return tuple(each if i in chosen else None for i, each in enumerate(order))


def _photographed(rng: Rng, light: Light, box: Box) -> "tuple[Image, Box]":
    """The image of a camera, and the housing in it."""
    size = light.shape[:2]
    light, head = _tilted(rng, light, box)
    image = capture(rng, light.clip(0, None), _scale(rng, head))
    return image, _scaled(head, image.shape[1] / size[1], image.shape[0] / size[0])


def _copy(rng: Rng) -> Rng:
    """A generator that draws the same numbers: the same camera takes the same scene without the lit lamps."""
    copy = np.random.default_rng()
    copy.bit_generator.state = rng.bit_generator.state
    return copy


def _differ(image: "Image", other: "Image") -> bool:
    """Whether a person could see the difference through the noise: a lamp that cannot be seen must not be learnt."""
    noise = float(cv2.absdiff(other, cv2.medianBlur(other, 3)).mean())
    difference = cv2.blur(cv2.absdiff(image, other), (3, 3))
    return bool(difference.max() >= _MIN_DIFFERENCE + _NOISE_WEIGHT * noise)


def _scene(rng: Rng, plan: HeadPlan, size: tuple[int, int], state: SignalState) -> tuple[Light, Light]:
    """The light of the scene without the lit lamps, and theirs."""
    night = chance(rng, 0.25)
    ambient = np.exp(rng.uniform(np.log(0.006), np.log(0.15))) if night else np.exp(rng.uniform(np.log(0.15), np.log(1.3)))
    absent = state is SignalState.HIDDEN and chance(rng, 0.4)
    light = vehicle_only(rng, *size) if absent else background(rng, *size)
    dim, burnt = _strength(rng, plan)
    if not absent:
        draw_housing(rng, light, plan, dim=dim)
        draw_lenses(rng, light, plan, dim=dim)
    if chance(rng, 0.2):
        _neighbour(rng, light, plan)
    if state is SignalState.HIDDEN and not absent:
        cover(rng, light, plan)
    light *= np.float32(ambient) * (1 + np.float32(0.1) * rng.standard_normal(3).astype(np.float32))
    dimmest, brightest = (0.07 * ambient + 0.015, 0.8 * ambient + 0.12) if dim else (0.8 * ambient + 0.12, 12 * max(ambient, 0.15))
    intensity = np.exp(rng.uniform(np.log(dimmest), np.log(brightest)))
    if _contradicts(plan):
        intensity = min(intensity, 1.2)  # burnt out, nobody could tell its colour
    lit = np.zeros_like(light)
    if state is not SignalState.HIDDEN:
        lit = lit_lamps(rng, plan, size, intensity, dim=dim, burnt=burnt)
        if chance(rng, 0.08):
            lit = lit + reflections(rng, plan, lit)
        lit = with_halo(rng, lit, plan.radius_px, night=night)
    if chance(rng, 0.5 if night else 0.15):
        light += with_halo(rng, other_lights(rng, size, plan, intensity), plan.radius_px, night=night)
    return light, lit


def _strength(rng: Rng, plan: HeadPlan) -> tuple[bool, bool]:
    """Whether the lit lamps are dim (thin arrows, a camera set for the sky), and whether they are burnt out."""
    if not any(plan.lit):
        return chance(rng, 0.2), False
    if chance(rng, 0.2):
        return True, False
    return False, chance(rng, 0.2) and not _contradicts(plan)


def _contradicts(plan: HeadPlan) -> bool:
    """Whether a light shines at a place where the head has none of its colour."""
    return any(lit not in (None, lamp) for lit, lamp in zip(plan.lit, plan.order, strict=True))


def _neighbour(rng: Rng, light: Light, plan: HeadPlan) -> None:
    """A part of another head beside this one, in another state."""
    shift = (1 if chance(rng, 0.5) else -1) * plan.box.width * rng.uniform(1.1, 1.7)
    moved = Box(plan.box.x1 + shift, plan.box.y1, plan.box.x2 + shift, plan.box.y2)
    place = int(rng.integers(len(plan.order)))
    lit = tuple(lamp if i == place else None for i, lamp in enumerate(plan.order))
    other = HeadPlan(order=plan.order, lit=lit, box=moved, pitch_px=plan.pitch_px, radius_px=plan.radius_px)
    draw_housing(rng, light, other)
    draw_lenses(rng, light, other)
    light += lit_lamps(rng, other, (light.shape[0], light.shape[1]), rng.uniform(0.5, 6))


def _tilted(rng: Rng, light: Light, box: Box) -> tuple[Light, Box]:
    """Rotated and sheared; the box of the housing around it."""
    if chance(rng, 0.25):
        return light, box
    height, width = light.shape[:2]
    spread = float(rng.choice([6, 13, 24], p=[0.78, 0.17, 0.05]))
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, spread / 2), 1.0)
    matrix[1, 0] += np.tan(np.radians(rng.normal(0, spread / 2)))
    matrix[:, 2] += np.array([width, height]) / 2 - matrix @ np.array([width / 2, height / 2, 1])
    corners = np.array([[box.x1, box.y1, 1], [box.x2, box.y1, 1], [box.x2, box.y2, 1], [box.x1, box.y2, 1]]) @ matrix.T
    (x1, y1), (x2, y2) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    turned = cv2.warpAffine(light, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return turned, Box(x1, y1, x2, y2)


def _scale(rng: Rng, head: Box) -> Scale:
    """The head is 4 to 45 pixels wide in the image, often less than 8; publishers of crops stretch them."""
    width = np.exp(rng.uniform(np.log(4), np.log(8 if chance(rng, 0.3) else 45)))
    x = min(1.6, width / head.width)
    return Scale(x=x, y=x * np.exp(rng.uniform(-0.25, 0.25)) if chance(rng, 0.4) else x)


def _drawn(rng: Rng, head: Box) -> Box:
    """Tight, loose or shifted."""
    loose = rng.uniform(-0.03, 0.08, 4) if chance(rng, 0.35) else rng.uniform(0.0, 0.35) + rng.uniform(-0.05, 0.1, 4)
    if chance(rng, 0.15):
        loose = rng.uniform(0.3, 0.55) + rng.uniform(-0.1, 0.1, 4)
    shift = rng.uniform(-0.25, 0.25, 2) if chance(rng, 0.5) else rng.normal(0, 0.03, 2)
    width, height = head.width, head.height
    x, y = shift * (width * (1 + loose[0] + loose[2]), height * (1 + loose[1] + loose[3]))
    return Box(
        head.x1 - loose[0] * width + x, head.y1 - loose[1] * height + y, head.x2 + loose[2] * width + x, head.y2 + loose[3] * height + y
    )


def _cropped(rng: Rng, image: "Image", drawn: Box, head: Box) -> "tuple[Image, Box, Box]":
    """Cut near the housing, as publishers of crops do."""
    margins = rng.uniform(-0.04, 0.3, 4) if chance(rng, 0.5) else rng.uniform(-0.05, 0.08, 4)
    x1, y1 = max(0, round(head.x1 - margins[0] * head.width)), max(0, round(head.y1 - margins[1] * head.height))
    x2, y2 = round(head.x2 + margins[2] * head.width), round(head.y2 + margins[3] * head.height)
    crop = image[y1 : max(y2, y1 + 4), x1 : max(x2, x1 + 3)]
    return np.ascontiguousarray(crop), _moved(drawn, -x1, -y1), _moved(head, -x1, -y1)


def _enlarged(rng: Rng, image: "Image", drawn: Box, head: Box) -> "tuple[Image, Box, Box]":
    by = rng.uniform(1.3, 5)
    way = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4], p=[0.1, 0.3, 0.4, 0.2]))
    size = round(image.shape[1] * by), round(image.shape[0] * by)
    larger: Image = cv2.resize(image, size, interpolation=way)
    x, y = size[0] / image.shape[1], size[1] / image.shape[0]
    return larger, _scaled(drawn, x, y), _scaled(head, x, y)


def _scaled(box: Box, x: float, y: float) -> Box:
    return Box(box.x1 * x, box.y1 * y, box.x2 * x, box.y2 * y)


def _moved(box: Box, x: float, y: float) -> Box:
    return Box(box.x1 + x, box.y1 + y, box.x2 + x, box.y2 + y)
