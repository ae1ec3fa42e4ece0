"""Draws a signal head: back plate, housing, visors, dark lenses, and the light of the lit lamps."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from etle.types import Lamp
from models.synthetic.scenes.textures import chance
from models.synthetic.signals.shapes import disc, lamp_shape
from models.synthetic.signals.values import HeadPlan, Light, Rng, Tint

_HOUSINGS: Final[tuple[tuple[Tint, float], ...]] = (
    ((0.03, 0.03, 0.03), 0.5), ((0.03, 0.32, 0.5), 0.14), ((0.06, 0.12, 0.05), 0.1), ((0.3, 0.3, 0.3), 0.12), ((0.05, 0.12, 0.2), 0.08),
    ((0.6, 0.6, 0.6), 0.06),
)  # fmt: skip
"""Colours of housings and their frequency: black, yellow, green, grey, brown, white."""


def emitted(rng: Rng, lamp: Lamp) -> Tint:
    """Light of a lit lamp, its strongest channel 1. Red lamps reach from pink to orange, yellow ones to lemon, green ones to cyan."""
    white = rng.uniform(0, 0.6) if chance(rng, 0.3) else 0.0
    if lamp is Lamp.RED:
        b, g, r = rng.uniform(0, 0.22), rng.uniform(0.01, float(rng.choice([0.18, 0.3, 0.5], p=[0.65, 0.25, 0.1]))), 1.0
    elif lamp is Lamp.YELLOW:
        b, g, r = rng.uniform(0, 0.25), rng.uniform(0.3, 0.85), 1.0
    else:
        b, g, r = rng.uniform(0.15, 1.0), 1.0, rng.uniform(0, 0.25)
    return b + white * (1 - b), g + white * (1 - g), r + white * (1 - r)


def draw_housing(rng: Rng, light: Light, plan: HeadPlan, *, dim: bool = False) -> None:
    """Back plate, arm and housing, in place. `dim`: a black one, in which dim lamps are visible."""
    colour = (rng.uniform(0.005, 0.05),) * 3 if dim else _housing_colour(rng)
    box = np.array([plan.box.x1, plan.box.y1, plan.box.x2, plan.box.y2])
    if chance(rng, 0.35):
        _back_plate(rng, light, box, plan.pitch_px)
    if chance(rng, 0.5):
        _arm(rng, light, plan)
    corners = np.round(box).astype(int).tolist()
    if chance(rng, 0.2):  # separate round sections
        for i in range(len(plan.order)):
            cv2.circle(light, _rounded(plan.centre(i)), round(min(plan.pitch_px, plan.box.width) * 0.54), colour, -1, cv2.LINE_AA)
        inset = round(plan.box.width * 0.22)
        cv2.rectangle(light, (corners[0] + inset, corners[1] + 2), (corners[2] - inset, corners[3] - 2), colour, -1)
    else:
        cv2.rectangle(light, tuple(corners[:2]), tuple(corners[2:]), colour, -1)
        if chance(rng, 0.4):
            edge = tuple(part * rng.uniform(0.3, 2.5) for part in colour)
            cv2.rectangle(light, tuple(corners[:2]), tuple(corners[2:]), edge, 1, cv2.LINE_AA)
    if chance(rng, 0.5):
        part = light[max(0, corners[1]) : corners[3], max(0, corners[0]) : corners[2]]
        part *= np.linspace(rng.uniform(0.5, 1.5), rng.uniform(0.5, 1.5), part.shape[1], dtype=np.float32)[:, None]


def draw_lenses(rng: Rng, light: Light, plan: HeadPlan, *, dim: bool = False) -> None:
    """Dark lenses with visors; the sun on all of them, on some, or on none. In place. `dim`: in the shade, so that dim lamps are visible.

    A low sun shines on unlit lenses above all where no lamp is lit: it must not be taken for one.
    """
    size, unlit = light.shape[:2], not any(plan.lit)
    tinted, sun = rng.uniform(0.0, 1.0), rng.uniform(0.05, 0.4) if chance(rng, 0.6 if unlit else 0.3) and not dim else 0.0
    sun_on_one = int(rng.integers(len(plan.order))) if chance(rng, 0.5 if unlit else 0.3) else None
    level = rng.uniform(0.01, 0.12) if chance(rng, 0.8) else rng.uniform(0.1, 0.3)
    if dim:
        level = rng.uniform(0.003, 0.02)
    glossy = rng.uniform(0.0, 0.2)
    visors = chance(rng, 0.55)
    for i, lamp in enumerate(plan.order):
        tint = np.array(emitted(rng, lamp), np.float32) * tinted + (1 - tinted)
        lit_by_sun = sun * rng.uniform(0.7, 1.3) if sun_on_one in (None, i) else 0.0
        reflected = (tint * np.float32(level + lit_by_sun * 0.8) + np.float32(glossy * lit_by_sun)).astype(np.float32)
        mask = disc(size, plan.centre(i), plan.radius_px)[..., None]
        if lit_by_sun and chance(rng, 0.6):  # the visor's shadow
            mask = mask * (
                1 - disc(size, (plan.centre(i)[0], plan.centre(i)[1] - plan.radius_px * rng.uniform(0.4, 1)), plan.radius_px)[..., None]
            )
        light *= 1 - mask
        light += mask * reflected
        if visors:
            _visor(rng, light, plan.centre(i), plan.radius_px)
    if unlit and chance(rng, 0.15):  # the sun itself in a lens
        lens = plan.centre(int(rng.integers(len(plan.order))))
        light += disc(size, lens, plan.radius_px * rng.uniform(0.4, 1.0))[..., None] * np.float32(rng.uniform(0.3, 2))
    if sun and chance(rng, 0.4):
        spot = np.array(plan.centre(int(rng.integers(len(plan.order))))) + rng.normal(0, plan.radius_px / 3, 2)
        light += disc(size, (float(spot[0]), float(spot[1])), plan.radius_px * rng.uniform(0.1, 0.3))[..., None] * np.float32(
            rng.uniform(0.5, 2)
        )


def lit_lamps(rng: Rng, plan: HeadPlan, size: tuple[int, int], intensity: float, *, dim: bool = False, burnt: bool = False) -> Light:
    """Light of the lit lamps alone. `dim` ones are mostly arrows; `burnt` ones have a bright core that has lost its colour."""
    light = np.zeros((*size, 3), np.float32)
    several = len({*plan.lit} - {None}) > 1
    kind = str(rng.choice(["disc", "arrow", "digits", "part"], p=[0.3, 0.6, 0.02, 0.08] if dim else [0.52, 0.3, 0.06, 0.12]))
    glass = rng.uniform(0, 2.0) if chance(rng, 0.5) else 0.0
    for i, lamp in enumerate(plan.lit):
        if lamp is None:
            continue
        centre, radius = plan.centre(i), plan.radius_px * rng.uniform(0.8, 1.1)
        strength = np.float32(intensity * (rng.uniform(0.25, 1.2) if several else rng.uniform(0.8, 1.2)))
        colour = np.array(emitted(rng, lamp), np.float32) * strength
        if burnt:
            light += _burnt(rng, lamp, colour, size, centre, radius)
            continue
        mask = lamp_shape(rng, kind, size, centre, radius)
        if glass:  # a bulb: brighter at its centre
            mask *= 1 + np.float32(glass) * disc(size, centre, radius * rng.uniform(0.3, 0.7))
        light += mask[..., None] * colour
    return light


def reflections(rng: Rng, plan: HeadPlan, lit: Light) -> Light:
    """The lit lamps once more and weaker, one section up or down: in another lens, or in those of the camera."""
    shift = round(plan.pitch_px) * (1 if chance(rng, 0.7) else -1)
    moved: Light = np.roll(lit, shift, axis=0) * np.float32(rng.uniform(0.02, 0.15))
    return moved


def _burnt(rng: Rng, lamp: Lamp, colour: NDArray[np.float32], size: tuple[int, int], centre: tuple[float, float], radius: float) -> Light:
    """A core, white or half way there from the lamp's colour (red turns orange and yellow first), and a rim that kept the colour."""
    white = np.float32(1) if chance(rng, 0.4) else np.float32(rng.uniform(0.3, 1))
    pale = {Lamp.RED: (0.15, 0.75, 1.0), Lamp.YELLOW: (0.3, 0.9, 1.0), Lamp.GREEN: (0.95, 1.0, 0.4)}[lamp]
    core = (np.array(pale, np.float32) * (1 - white) + white) * colour.max() * np.float32(rng.uniform(1, 4))
    outer = radius * rng.uniform(0.95, 1.45)
    inner = disc(size, centre, outer * rng.uniform(0.55, 0.95))[..., None]
    rim: Light = disc(size, centre, outer)[..., None] * (1 - inner) * colour * np.float32(rng.uniform(0.3, 1))
    burnt: Light = rim + inner * core
    return burnt


def with_halo(rng: Rng, light: Light, radius: float, *, night: bool) -> Light:
    """The lit lamps with the light that the lens of the camera, haze and the housing scatter."""
    strength = rng.uniform(0.05, 0.5) if night else rng.uniform(0, 0.15)
    near = cv2.GaussianBlur(light, (0, 0), max(0.8, radius * rng.uniform(0.3, 0.9)))
    far = cv2.blur(cv2.blur(light, (_odd(radius * 2),) * 2), (_odd(radius * rng.uniform(2, 5)),) * 2)
    scattered: Light = light + np.float32(strength) * near + np.float32(strength * 0.5) * far
    return scattered


def _housing_colour(rng: Rng) -> Tint:
    colours, frequencies = zip(*_HOUSINGS, strict=True)
    colour = colours[int(rng.choice(len(colours), p=frequencies))]
    b, g, r = (float(part * np.exp(rng.normal(0, 0.4))) for part in colour)
    return b, g, r


def _back_plate(rng: Rng, light: Light, box: NDArray[np.float64], pitch: float) -> None:
    margin = pitch * rng.uniform(0.12, 0.6)
    x1, y1, x2, y2 = np.round(box + np.array([-margin, -margin, margin, margin])).astype(int).tolist()
    level = rng.uniform(0.01, 0.06)
    cv2.rectangle(light, (x1, y1), (x2, y2), (level, level, level), -1)
    if chance(rng, 0.6):
        edge = rng.uniform(0.4, 1.0) * np.array([1, 1, 1] if chance(rng, 0.7) else [0.1, 0.7, 1])
        cv2.rectangle(light, (x1, y1), (x2, y2), edge.tolist(), max(1, round(pitch * rng.uniform(0.04, 0.25))), cv2.LINE_AA)


def _arm(rng: Rng, light: Light, plan: HeadPlan) -> None:
    """Pole or mast arm, up or across."""
    level, wide = rng.uniform(0.02, 0.4), max(1, round(plan.pitch_px * rng.uniform(0.1, 0.5)))
    x, y = plan.centre(int(rng.integers(len(plan.order))))
    end = (x, light.shape[0] if chance(rng, 0.7) else 0.0) if chance(rng, 0.5) else (light.shape[1] if chance(rng, 0.5) else 0.0, y)
    cv2.line(light, _rounded((x, y)), _rounded(end), (level, level, level), wide)


def _visor(rng: Rng, light: Light, centre: tuple[float, float], radius: float) -> None:
    level, start = rng.uniform(0.01, 0.15), rng.uniform(170, 200)
    axes, thickness = (round(radius * 1.05),) * 2, max(1, round(radius * rng.uniform(0.1, 0.4)))
    cv2.ellipse(light, _rounded(centre), axes, 0, start, 540 - start, (level,) * 3, thickness, cv2.LINE_AA)


def _odd(value: float) -> int:
    return round(value) | 1


def _rounded(point: tuple[float, float]) -> tuple[int, int]:
    return round(point[0]), round(point[1])
