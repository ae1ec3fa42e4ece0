"""How a plate is fixed to a motorcycle: turned against the vehicle, in a frame, behind cables and levers, with a reflection on it.

On motorcycles that are seen from the front, plates follow the fairing: many are turned by 10 to 30 degrees in the picture and seen from
the side.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.textures import Rng, chance, grey, vivid
from models.synthetic.scenes.values import Quad

Canvas = NDArray[np.float32]

_STRAIGHT_FRACTION, _STRONGLY_TURNED_FRACTION = 0.35, 0.25
_MAX_TURN_DEG = 33.0
_FRAME_FRACTION = 0.3
_CABLE_FRACTION, _LEVER_FRACTION, _REFLECTION_FRACTION = 0.25, 0.12, 0.12
_LEVER_REACH = (0.05, 0.22)
"""How far a lever reaches into the plate, relative to its width: the plate stays recognisable."""


def turned(rng: Rng, plate: Quad) -> Quad:
    """The plate's corners after a turn and a shear about its centre, as on a fairing; in a third of the cases unchanged."""
    kind = rng.random()
    if kind < _STRAIGHT_FRACTION:
        return plate
    strongly = kind < _STRAIGHT_FRACTION + _STRONGLY_TURNED_FRACTION
    turn = np.radians(rng.uniform(-_MAX_TURN_DEG, _MAX_TURN_DEG) if strongly else rng.normal(0, 8))
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    shear = np.array([[rng.uniform(0.7, 1.0), rng.normal(0, 0.12)], [rng.normal(0, 0.1), rng.uniform(0.8, 1.1)]])
    centre = plate.mean(axis=0)
    corners: Quad = ((plate - centre) @ (rotation @ shear).T + centre).astype(np.float32)
    return corners


def draw_frame(rng: Rng, canvas: Canvas, plate: Quad) -> None:
    """A holder of plastic or chrome behind the plate, or none."""
    if not chance(rng, _FRAME_FRACTION):
        return
    centre = plate.mean(axis=0)
    corners = centre + (plate - centre) * rng.uniform((1.03, 1.06), (1.12, 1.3))
    colour = grey(rng, 5, 60) if chance(rng, 0.6) else grey(rng, 100, 250) if chance(rng, 0.5) else vivid(rng)
    cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], colour, cv2.LINE_AA)


def draw_in_front(rng: Rng, canvas: Canvas, plate: Quad) -> None:
    """Cables, a lever or a reflection in front of the plate; in most cases nothing."""
    if chance(rng, _CABLE_FRACTION):
        for _ in range(int(rng.integers(1, 4))):
            _cable(rng, canvas, plate)
    if chance(rng, _LEVER_FRACTION):
        _lever(rng, canvas, plate)
    if chance(rng, _REFLECTION_FRACTION):
        _reflection(rng, canvas, plate)


def _cable(rng: Rng, canvas: Canvas, plate: Quad) -> None:
    """A dark curve from above the plate, across it or beside it."""
    width = _width(plate)
    start = _inside(plate, rng.uniform(-0.3, 1.3), -rng.uniform(0.3, 2.0))
    end = _inside(plate, rng.uniform(-0.3, 1.3), rng.uniform(-0.2, 2.0))
    bend = _inside(plate, rng.uniform(-0.5, 1.5), rng.uniform(-0.5, 1.2))
    t = np.linspace(0, 1, 16)[:, None]
    points = (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * end
    thick = max(1, round(width * rng.uniform(0.01, 0.035)))
    cv2.polylines(canvas, [np.round(points).astype(np.int32)], False, grey(rng, 5, 90), thick, cv2.LINE_AA)


def _lever(rng: Rng, canvas: Canvas, plate: Quad) -> None:
    """A part of the motorcycle that covers one end or the upper edge of the plate."""
    reach, side = rng.uniform(*_LEVER_REACH), rng.integers(3)
    places = [(-0.3, -0.4), (reach, -0.4), (reach * rng.uniform(0.2, 1), 1.3), (-0.3, 1.3)]
    if side == 1:
        places = [(1 - x, y) for x, y in places]
    if side == 2:
        left = rng.uniform(-0.2, 0.7)
        places = [(left, -0.6), (left + rng.uniform(0.2, 0.6), -0.6), (left + 0.5, reach), (left + 0.1, reach * rng.uniform(0.3, 1))]
    corners = np.array([_inside(plate, x, y) for x, y in places])
    colour = grey(rng, 5, 80) if chance(rng, 0.6) else vivid(rng) if chance(rng, 0.5) else grey(rng, 80, 240)
    cv2.fillPoly(canvas, [np.round(corners).astype(np.int32)], colour, cv2.LINE_AA)


def _reflection(rng: Rng, canvas: Canvas, plate: Quad) -> None:
    """A soft bright spot: the sun or a lamp reflected by the paint."""
    height, width = canvas.shape[:2]
    centre, radius = _inside(plate, rng.uniform(0, 1), rng.uniform(0, 1)), _width(plate) * rng.uniform(0.08, 0.4)
    y, x = np.ogrid[:height, :width]
    spot = np.exp(-(((x - centre[0]) / radius) ** 2) - ((y - centre[1]) / (radius * rng.uniform(0.4, 1))) ** 2)
    canvas += (spot * rng.uniform(60, 260)).astype(np.float32)[..., None]


def _inside(plate: Quad, along: float, down: float) -> NDArray[np.float32]:
    """The point at these fractions of the plate's width and height; outside the plate below 0 and above 1."""
    a, b, _, d = plate
    point: NDArray[np.float32] = a + along * (b - a) + down * (d - a)
    return point


def _width(plate: Quad) -> float:
    return float(np.linalg.norm(plate[1] - plate[0]))
