"""What is behind, beside and in front of a signal head: sky, buildings, trees, other lights, other heads, vehicles."""

from collections.abc import Callable

import cv2
import numpy as np

from etle.types import Box
from models.synthetic.scenes.textures import chance, noise
from models.synthetic.signals.shapes import disc
from models.synthetic.signals.values import HeadPlan, Light, Rng, Tint


def background(rng: Rng, height: int, width: int) -> Light:
    kind: Callable[[Rng, int, int], Light] = (_sky, _trees, _buildings, _plain)[int(rng.choice(4, p=[0.5, 0.16, 0.2, 0.14]))]
    light = kind(rng, height, width)
    if chance(rng, 0.25):  # the skyline crosses the picture
        other, y = _buildings(rng, height, width), int(rng.uniform(0, height))
        light[y:] = other[y:]
    return light


def other_lights(rng: Rng, size: tuple[int, int], plan: HeadPlan, intensity: float) -> Light:
    """Lights of vehicles, shops and other signals, beside the head."""
    light = np.zeros((*size, 3), np.float32)
    for _ in range(int(rng.integers(1, 5))):
        centre = rng.uniform(0, size[1]), rng.uniform(0, size[0])
        radius = plan.radius_px * rng.uniform(0.2, 1.0)
        if _near(plan.box, centre, radius * (0.5 if chance(rng, 0.3) else 1.5)):
            continue
        colour = _light_colour(rng)
        light += disc(size, centre, radius)[..., None] * np.array(colour, np.float32) * np.float32(intensity * rng.uniform(0.1, 1.5))
    return light


def cover(rng: Rng, light: Light, plan: HeadPlan) -> None:
    """A bus, a lorry, leaves or a pole before most of the head, often red; in place."""
    height, width = light.shape[:2]
    box = plan.box
    share = rng.uniform(0.3, 1.3)
    side = int(rng.integers(4))
    x1, y1, x2, y2 = 0, 0, width, height
    if side == 0:
        x2 = round(box.x1 + share * box.width)
    elif side == 1:
        x1 = round(box.x2 - share * box.width)
    elif side == 2:
        y1 = round(box.y2 - share * box.height)
    else:
        y2 = round(box.y1 + share * box.height)
    x1, y1, x2, y2 = max(0, x1), max(0, y1), min(width, x2), min(height, y2)
    if x2 <= x1 or y2 <= y1:
        return
    light[y1:y2, x1:x2] = _vehicle(rng, y2 - y1, x2 - x1)


def vehicle_only(rng: Rng, height: int, width: int) -> Light:
    """No head at all: the side of a vehicle, or the background."""
    return _vehicle(rng, height, width) if chance(rng, 0.6) else background(rng, height, width)


def _vehicle(rng: Rng, height: int, width: int) -> Light:
    colour = (
        np.array([0.02, 0.03, 1.0]) * rng.uniform(0.15, 0.9)
        if chance(rng, 0.4)
        else np.array([0.05, 0.6, 0.9]) * rng.uniform(0.2, 0.9)
        if chance(rng, 0.25)
        else np.array([0.3, 0.6, 0.1]) * rng.uniform(0.2, 1)
        if chance(rng, 0.2)
        else np.full(3, rng.uniform(0.03, 0.9)) * np.exp(rng.normal(0, 0.2, 3))
    )
    light = np.broadcast_to(colour.astype(np.float32), (height, width, 3)).copy()
    for _ in range(int(rng.integers(0, 5))):  # windows, stripes, lettering, lights
        x, y, w, h = (rng.uniform(0, 1, 4) * (width, height, width, height / 2)).astype(int).tolist()
        part = np.full(3, rng.uniform(0.01, 0.15)) if chance(rng, 0.6) else rng.uniform(0, 1, 3)
        cv2.rectangle(light, (x, y), (x + w, y + h), part.tolist(), -1)
    light *= 1 + np.float32(0.15) * noise(rng, height, width)[..., None]
    if chance(rng, 0.25):
        centre = rng.uniform(0, width), rng.uniform(0, height)
        light += (
            disc((height, width), centre, rng.uniform(1, 8))[..., None]
            * np.array(_light_colour(rng), np.float32)
            * np.float32(rng.uniform(0.5, 6))
        )
    return light.clip(0, None)


def _near(box: Box, centre: tuple[float, float], margin: float) -> bool:
    return box.x1 - margin < centre[0] < box.x2 + margin and box.y1 - margin < centre[1] < box.y2 + margin


def _light_colour(rng: Rng) -> Tint:
    palette = ((0.05, 0.05, 1.0), (0.1, 0.5, 1.0), (0.7, 1.0, 0.1), (1.0, 1.0, 1.0), (0.5, 0.8, 1.0), (1.0, 0.5, 0.2))
    return palette[int(rng.choice(len(palette), p=[0.35, 0.15, 0.15, 0.15, 0.15, 0.05]))]


def _sky(rng: Rng, height: int, width: int) -> Light:
    bright = rng.uniform(0.15, 2.5)
    top = np.array([1.0, rng.uniform(0.5, 1), rng.uniform(0.3, 1.0)]) * bright * rng.uniform(0.6, 1)
    bottom = np.array([rng.uniform(0.5, 1), rng.uniform(0.7, 1), 1.0]) * bright
    fade = np.linspace(0, 1, height)[:, None, None]
    light = np.broadcast_to(top * (1 - fade) + bottom * fade, (height, width, 3)).astype(np.float32)
    if chance(rng, 0.5):  # clouds
        light = light * (1 + np.float32(rng.uniform(0.05, 0.4)) * noise(rng, height, width)[..., None])
    if chance(rng, 0.5):  # wires and branches
        light = np.ascontiguousarray(light)
        for _ in range(int(rng.integers(1, 8))):
            ends = (rng.uniform(-0.2, 1.2, 4) * (width, height, width, height)).astype(int).tolist()
            cv2.line(light, tuple(ends[:2]), tuple(ends[2:]), (0.05, 0.05, 0.05), int(rng.integers(1, 3)), cv2.LINE_AA)
    return np.ascontiguousarray(light)


def _trees(rng: Rng, height: int, width: int) -> Light:
    colour = np.array([rng.uniform(0.01, 0.1), rng.uniform(0.05, 0.35), rng.uniform(0.03, 0.3)], np.float32)
    texture = noise(rng, height, width, 6, 5) + rng.normal(0, rng.uniform(0, 0.5), (height, width)).astype(np.float32)
    light = colour * np.exp(texture * np.float32(rng.uniform(0.4, 1.4)))[..., None]
    if chance(rng, 0.4):  # the sky through the leaves
        light = np.where((texture > rng.uniform(0.4, 1.0))[..., None], np.float32(rng.uniform(0.5, 2)), light)
    return np.ascontiguousarray(light, np.float32)


def _buildings(rng: Rng, height: int, width: int) -> Light:
    tint = np.exp(rng.normal(0, 0.25, 3)) * rng.uniform(0.05, 0.8)
    light = np.broadcast_to(tint.astype(np.float32), (height, width, 3)).copy()
    for _ in range(int(rng.integers(2, 14))):
        x, y, w, h = (rng.uniform(0, 1, 4) * (width, height, width / 2, height / 3)).astype(int).tolist()
        part = np.exp(rng.normal(0, 0.4, 3)) * rng.uniform(0.02, 1.2) if chance(rng, 0.8) else rng.uniform(0, 1, 3)
        cv2.rectangle(light, (x, y), (x + w, y + h), part.tolist(), -1 if chance(rng, 0.8) else 1)
    light *= (1 + np.float32(0.2) * noise(rng, height, width)[..., None]).clip(0, None)
    return light


def _plain(rng: Rng, height: int, width: int) -> Light:
    colour = (np.exp(rng.normal(0, 0.2, 3)) * rng.uniform(0.005, 1.5)).astype(np.float32)
    light: Light = colour * np.exp(noise(rng, height, width) * np.float32(rng.uniform(0, 0.5)))[..., None]
    return light
