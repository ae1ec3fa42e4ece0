"""Renders the background: walls, roads, paving, foliage, parked objects, shop signs; never a number plate."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.distractors import cone, lamp, sign
from models.synthetic.scenes.textures import Rng, chance, grey, noise, surface, vary_colour, vivid

Canvas = NDArray[np.float32]


def backdrop(rng: Rng, height: int, width: int) -> Canvas:
    horizon = round(height * rng.uniform(-0.1, 0.6))
    canvas = np.concatenate([_upper(rng, max(horizon, 0), width), _ground(rng, height - max(horizon, 0), width)])
    for _ in range(int(rng.integers(0, 10))):
        _object(rng, canvas, horizon)
    for _ in range(int(rng.choice([0, 1, 2, 4], p=[0.35, 0.3, 0.2, 0.15]))):
        sign(rng, canvas)
    for _ in range(int(rng.choice([0, 1, 3], p=[0.6, 0.25, 0.15]))):
        at = (rng.uniform(0, width), rng.uniform(0.2, 1) * height)
        (lamp if chance(rng, 0.6) else cone)(rng, canvas, at, rng.uniform(0.04, 0.25) * width)
    return canvas


def _upper(rng: Rng, height: int, width: int) -> Canvas:
    if height < 4:
        return np.zeros((height, width, 3), np.float32)
    kind = rng.random()
    if kind < 0.35:
        return _sky(rng, height, width)
    if kind < 0.6:
        return surface(rng, height, width, vary_colour(rng, (40, 80, 60), 25), 45, 12)
    wall = surface(rng, height, width, grey(rng, 40, 220) if chance(rng, 0.7) else vivid(rng), 20)
    for _ in range(int(rng.integers(0, 12))):
        x, y, w, h = rng.uniform(0, 1, 4) * (width, height, width / 3, height / 2)
        cv2.rectangle(wall, (int(x), int(y)), (int(x + w), int(y + h)), grey(rng, 10, 200), -1 if chance(rng, 0.7) else 2)
    return wall


def _sky(rng: Rng, height: int, width: int) -> Canvas:
    top, bottom = (np.array(vary_colour(rng, (rng.uniform(120, 250), rng.uniform(110, 230), rng.uniform(90, 220)), 20)) for _ in range(2))
    fade = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky = (top * (1 - fade) + bottom * fade + noise(rng, height, width)[..., None] * 20).astype(np.float32)
    for _ in range(int(rng.integers(0, 9))):  # houses and trees
        x, w, h = rng.uniform(0, width), rng.uniform(width / 20, width / 3), rng.uniform(0.1, 0.9) * height
        cv2.rectangle(sky, (int(x), int(height - h)), (int(x + w), height), vary_colour(rng, grey(rng, 30, 200), 10), -1)
    return sky


def _ground(rng: Rng, height: int, width: int) -> Canvas:
    ground = surface(rng, height, width, vary_colour(rng, grey(rng, 50, 170), 12), rng.uniform(3, 22), int(rng.integers(3, 30)))
    if chance(rng, 0.35):
        _paving(rng, ground)
    elif chance(rng, 0.6):
        for _ in range(int(rng.integers(1, 5))):
            x, lean, wide = rng.uniform(0, width), rng.normal(0, width / 3), rng.uniform(2, width / 30)
            corners = [(x, 0), (x + wide / 3, 0), (x + lean + wide, height), (x + lean, height)]
            cv2.fillPoly(
                ground, [np.array(corners, np.int32)], vary_colour(rng, (210, 215, 215) if chance(rng, 0.8) else (60, 190, 230), 20)
            )
    return ground


def _paving(rng: Rng, ground: Canvas) -> None:
    height, width = ground.shape[:2]
    side = rng.uniform(width / 30, width / 6)
    dark = vary_colour(rng, grey(rng, 20, 90), 8)
    for row in range(int(height / side) + 1):
        y, shift = row * side, (row % 2) * side / 2
        cv2.line(ground, (0, int(y)), (width, int(y)), dark, max(1, int(side / 18)))
        for column in range(int(width / side) + 2):
            x = column * side - shift
            cv2.line(ground, (int(x), int(y)), (int(x), int(y + side)), dark, max(1, int(side / 18)))


def _object(rng: Rng, canvas: Canvas, horizon: int) -> None:
    """A random object: pole, wheel, polygon, pipe or box."""
    height, width = canvas.shape[:2]
    x, y = rng.uniform(0, width), rng.uniform(max(horizon, 0) * 0.6, height)
    size = rng.uniform(0.02, 0.2) * width
    colour = grey(rng, 5, 90) if chance(rng, 0.6) else vivid(rng)
    match int(rng.integers(5)):
        case 0:
            cv2.rectangle(canvas, (int(x), int(y - size * 3)), (int(x + size / 4), int(y)), colour, -1)
        case 1:
            cv2.ellipse(
                canvas,
                (int(x), int(y)),
                (int(size), int(size * rng.uniform(0.4, 1))),
                rng.uniform(0, 180),
                0,
                360,
                colour,
                max(2, int(size / 4)),
            )
        case 2:
            points = (rng.normal(0, 1, (int(rng.integers(3, 8)), 2)) * size + (x, y)).astype(np.int32)
            cv2.fillPoly(canvas, [cv2.convexHull(points)], colour)
        case 3:
            points = (rng.normal(0, 1, (4, 2)) * size + (x, y)).astype(np.int32)
            cv2.polylines(canvas, [points], False, colour, max(1, int(size / 8)), cv2.LINE_AA)
        case _:
            cv2.rectangle(canvas, (int(x), int(y)), (int(x + size * 1.5), int(y + size)), colour, -1)
            cv2.rectangle(canvas, (int(x), int(y)), (int(x + size * 1.5), int(y + size)), grey(rng, 100, 240), 2)
