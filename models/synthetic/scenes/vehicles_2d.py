"""Draws vehicles in 2D, from behind and from the front: less detailed than the sprites, but more varied."""

from dataclasses import replace

import cv2
import numpy as np

from models.synthetic.scenes.textures import Rng, chance, grey, lettering, noise, vary_colour, vivid
from models.synthetic.scenes.values import Colour, Light, Quad, SceneVehicle, box_of

_RED: Colour = (40, 30, 255)
_WHITE: Colour = (255, 245, 225)
_PAINTS: tuple[Colour, ...] = (
    (235, 235, 235),
    (25, 25, 25),
    (120, 120, 120),
    (190, 190, 195),
    (30, 30, 150),
    (120, 60, 30),
    (40, 180, 230),
    (60, 90, 40),
)


class _Canvas:
    """Drawing surface of one vehicle: image and mask."""

    def __init__(self, rng: Rng, height: int, width: int) -> None:
        self.rng, self.height, self.width = rng, height, width
        self.image = np.zeros((height, width, 3), np.float32)
        self.mask = np.zeros((height, width), np.uint8)

    def shape(self, points: list[tuple[float, float]], colour: Colour, *, body: bool = False) -> None:
        """Draw a polygon, in fractions of width and height; with `body` also into the mask."""
        corners = [(np.array(points) * (self.width, self.height) * 16).astype(np.int32)]
        cv2.fillPoly(self.image, corners, colour, cv2.LINE_AA, 4)
        if body:
            cv2.fillPoly(self.mask, corners, 255, cv2.LINE_AA, 4)

    def mirrored(self, points: list[tuple[float, float]], colour: Colour, *, body: bool = False) -> None:
        """Draw the polygon and its mirror image."""
        self.shape(points, colour, body=body)
        self.shape([(1 - x, y) for x, y in points], colour, body=body)

    def rectangle(self, x1: float, y1: float, x2: float, y2: float, colour: Colour, *, body: bool = False) -> None:
        self.shape([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour, body=body)

    def shade(self, strength: float = 0.35) -> None:
        """Apply light from above and reflections in the paint."""
        down = np.linspace(1 + strength * self.rng.uniform(0, 1), 1 - strength * self.rng.uniform(0, 1.5), self.height, dtype=np.float32)
        reflections = 1 + noise(self.rng, self.height, self.width, 2, 3) * strength * 0.5
        self.image *= (down[:, None] * reflections)[..., None]

    def vehicle(self, plate: Quad, lights: list[Light]) -> SceneVehicle:
        return SceneVehicle(image=self.image.clip(0, 255).astype(np.uint8), mask=self.mask, plate=plate, lights=tuple(lights))

    def light(self, x: float, y: float, radius: float, colour: Colour, power: float) -> Light:
        return Light(x=x * self.width, y=y * self.height, radius=radius * self.width, colour=colour, power=power)

    def plate(self, x: float, y: float, wide: float, ratio: float) -> Quad:
        """Corners of a plate with this centre; `wide`: its width relative to the canvas."""
        half = np.array([wide * self.width / 2, wide * self.width / 2 / ratio])
        middle = np.array([x * self.width, y * self.height])
        corners: Quad = (middle + half * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])).astype(np.float32)
        return corners


def car(rng: Rng, ratio: float) -> SceneVehicle:
    """`ratio`: width to height of the plate."""
    rear = chance(rng, 0.6)
    canvas = _Canvas(rng, int(rng.uniform(300, 420)), 440)
    paint = vary_colour(rng, _PAINTS[rng.integers(len(_PAINTS))], 20)
    roof, shoulder = rng.uniform(0.1, 0.22), rng.uniform(0.36, 0.48)
    canvas.mirrored([(0.05, 0.8), (0.22, 0.8), (0.2, 0.99), (0.07, 0.99)], grey(rng, 5, 40), body=True)  # wheels
    canvas.shape([(roof, 0.03), (1 - roof, 0.03), (0.96, shoulder), (0.98, 0.88), (0.02, 0.88), (0.04, shoulder)], paint, body=True)
    canvas.shade()
    glass = grey(rng, 5, 110)
    canvas.shape([(roof + 0.04, 0.07), (0.96 - roof, 0.07), (0.9, shoulder - 0.03), (0.1, shoulder - 0.03)], glass)
    plate_y = rng.uniform(shoulder + 0.12, 0.84)
    _trim(canvas, paint, shoulder, plate_y, rear)
    lamp_y, power = shoulder + rng.uniform(0.04, 0.14), float(rng.choice([0.0, rng.uniform(0.3, 3.0)]))
    lamp = _RED if rear else _WHITE
    half = rng.uniform(0.03, 0.07)
    canvas.mirrored(
        [(0.05, lamp_y - half), (rng.uniform(0.14, 0.3), lamp_y - half / 2), (0.16, lamp_y + half), (0.05, lamp_y + half)],
        vary_colour(rng, lamp, 25),
    )
    lights = [canvas.light(x, lamp_y, rng.uniform(0.03, 0.07), lamp, power) for x in (0.11, 0.89) if power]
    wide = rng.uniform(0.23, 0.34)
    return canvas.vehicle(canvas.plate(0.5 + rng.normal(0, 0.02), plate_y, wide, ratio), lights)


def _trim(canvas: _Canvas, paint: Colour, shoulder: float, plate_y: float, rear: bool) -> None:
    """Parts around the plate: bumper, grille or boot lid, badges and lettering."""
    rng = canvas.rng
    if chance(rng, 0.6):
        top = rng.uniform(0.66, 0.8)
        canvas.shape(
            [(0.02, top), (0.98, top), (0.97, 0.9), (0.03, 0.9)], grey(rng, 10, 60) if chance(rng, 0.5) else vary_colour(rng, paint, 10)
        )
    if not rear or chance(rng, 0.2):
        top, low, bars = shoulder + rng.uniform(0.04, 0.1), rng.uniform(0.62, 0.86), int(rng.integers(2, 8))
        canvas.rectangle(0.27, top, 0.73, low, grey(rng, 5, 40))
        for bar in range(bars):
            y = top + (low - top) * (bar + 0.5) / bars
            canvas.rectangle(0.28, y, 0.72, y + 0.012, grey(rng, 60, 220))
    if chance(rng, 0.6):
        wide, high = rng.uniform(0.17, 0.27), rng.uniform(0.07, 0.13)
        shade = grey(rng, 5, 60) if chance(rng, 0.5) else vary_colour(rng, paint, 25)
        canvas.rectangle(0.5 - wide, plate_y - high, 0.5 + wide, plate_y + high, shade)
    if chance(rng, 0.5):
        canvas.rectangle(0.3, plate_y - 0.13, 0.7, plate_y - 0.1, grey(rng, 120, 250))
    badge = (int(0.5 * canvas.width), int((plate_y - rng.uniform(0.14, 0.22)) * canvas.height))
    cv2.ellipse(
        canvas.image,
        badge,
        (int(rng.uniform(8, 24)), int(rng.uniform(8, 20))),
        0,
        0,
        360,
        grey(rng, 120, 255),
        int(rng.choice([-1, 2, 3])),
        cv2.LINE_AA,
    )
    for _ in range(int(rng.integers(0, 4))):
        at = (rng.uniform(0.1, 0.9) * canvas.width, rng.uniform(0.1, plate_y - 0.1) * canvas.height)
        lettering(rng, canvas.image, at, rng.uniform(6, 22), grey(rng, 0, 255) if chance(rng, 0.6) else vivid(rng))


def box_body(rng: Rng, ratio: float) -> SceneVehicle:
    """A truck or bus from behind."""
    canvas = _Canvas(rng, int(rng.uniform(420, 560)), 440)
    paint = vivid(rng) if chance(rng, 0.6) else grey(rng, 60, 230)
    canvas.mirrored([(0.06, 0.84), (0.26, 0.84), (0.26, 0.99), (0.06, 0.99)], grey(rng, 5, 35), body=True)
    canvas.rectangle(0.02, 0.02, 0.98, 0.8, paint, body=True)
    canvas.rectangle(0.05, 0.78, 0.95, 0.9, grey(rng, 15, 80), body=True)
    canvas.shade()
    for _ in range(int(rng.integers(1, 7))):
        colour = vivid(rng) if chance(rng, 0.5) else grey(rng, 0, 255)
        lettering(rng, canvas.image, tuple(rng.uniform(0.1, 0.7, 2) * (canvas.width, canvas.height)), rng.uniform(14, 60), colour)
    for x in rng.uniform(0.05, 0.95, int(rng.integers(0, 4))):
        canvas.rectangle(x, 0.03, x + 0.01, 0.79, grey(rng, 10, 200))
    power = float(rng.choice([0.0, rng.uniform(0.3, 2.5)]))
    canvas.mirrored([(0.06, 0.8), (0.16, 0.8), (0.16, 0.85), (0.06, 0.85)], vary_colour(rng, _RED, 30))
    lights = [canvas.light(x, 0.825, 0.04, _RED, power) for x in (0.11, 0.89) if power]
    plate = canvas.plate(rng.choice([0.5, rng.uniform(0.3, 0.7)]), rng.uniform(0.8, 0.86), rng.uniform(0.16, 0.24), ratio)
    return canvas.vehicle(plate, lights)


def motorcycle(rng: Rng, ratio: float) -> SceneVehicle:
    return (_motorcycle_rear if chance(rng, 0.4) else _motorcycle_front)(rng, ratio)


def _motorcycle_rear(rng: Rng, ratio: float) -> SceneVehicle:
    canvas = _Canvas(rng, int(rng.uniform(420, 600)), 300)
    paint = vivid(rng) if chance(rng, 0.5) else grey(rng, 10, 230)
    plate_y = rng.uniform(0.5, 0.64)
    canvas.rectangle(0.43, plate_y, 0.43 + rng.uniform(0.1, 0.2), 0.98, grey(rng, 8, 45), body=True)  # tyre
    side = rng.choice([-1, 1])
    exhaust = 0.5 + side * rng.uniform(0.16, 0.3)
    canvas.shape(
        [(exhaust - 0.07, 0.66), (exhaust + 0.07, 0.66), (exhaust + 0.05, 0.86), (exhaust - 0.05, 0.86)], grey(rng, 20, 170), body=True
    )
    if chance(rng, 0.55):
        _rider(canvas)
    canvas.shape([(0.26, 0.3), (0.74, 0.3), (0.66, plate_y), (0.34, plate_y)], paint, body=True)
    canvas.shape([(0.32, 0.24), (0.68, 0.24), (0.72, 0.33), (0.28, 0.33)], grey(rng, 8, 50), body=True)  # seat
    canvas.shape(
        [(0.36, plate_y - 0.08), (0.64, plate_y - 0.08), (0.6, plate_y + 0.14), (0.4, plate_y + 0.14)], grey(rng, 5, 50), body=True
    )
    canvas.shade(0.5)
    lamp_y, power = plate_y - rng.uniform(0.09, 0.16), float(rng.choice([0.0, rng.uniform(0.3, 3.0)]))
    canvas.shape([(0.36, lamp_y - 0.025), (0.64, lamp_y - 0.025), (0.58, lamp_y + 0.03), (0.42, lamp_y + 0.03)], vary_colour(rng, _RED, 30))
    canvas.mirrored(
        [(0.2, lamp_y), (0.3, lamp_y), (0.3, lamp_y + 0.03), (0.2, lamp_y + 0.03)], vary_colour(rng, (30, 120, 240), 25), body=True
    )
    lights = [canvas.light(0.5, lamp_y, rng.uniform(0.05, 0.12), _RED, power)] if power else []
    plate = canvas.plate(0.5 + rng.normal(0, 0.03), plate_y + rng.uniform(-0.02, 0.06), rng.uniform(0.34, 0.5), ratio)
    return _on_plate(canvas, plate, lights)


def _rider(canvas: _Canvas) -> None:
    rng = canvas.rng
    cloth, trousers = vivid(rng) if chance(rng, 0.5) else grey(rng, 5, 220), grey(rng, 5, 120)
    canvas.mirrored([(0.1, 0.28), (0.34, 0.28), (0.3, 0.62), (0.08, 0.66)], trousers, body=True)
    canvas.shape([(0.26, 0.08), (0.74, 0.08), (0.8, 0.32), (0.2, 0.32)], cloth, body=True)
    centre, radius = (int(0.5 * canvas.width), int(0.06 * canvas.height)), int(0.12 * canvas.width)
    for target, colour in ((canvas.image, vivid(rng)), (canvas.mask, 255)):
        cv2.circle(target, centre, radius, colour, -1, cv2.LINE_AA)


def _rider_facing(canvas: _Canvas) -> None:
    """A rider from the front: legs beside the fairing, arms at the handlebar, helmet; the fairing is drawn over it."""
    rng = canvas.rng
    cloth, trousers = vivid(rng) if chance(rng, 0.5) else grey(rng, 5, 230), grey(rng, 5, 130)
    knee = rng.uniform(0.02, 0.12)
    canvas.mirrored([(knee, 0.44), (0.36, 0.3), (0.42, 0.5), (0.24, 0.9), (0.1, 0.9)], trousers, body=True)
    canvas.shape([(0.28, 0.08), (0.72, 0.08), (0.8, 0.36), (0.2, 0.36)], cloth, body=True)
    canvas.mirrored([(0.3, 0.08), (0.2, 0.1), (0.02, 0.24), (0.14, 0.28)], vary_colour(rng, cloth, 8), body=True)
    centre, size = (int(0.5 * canvas.width), int(0.05 * canvas.height)), int(0.13 * canvas.width)
    for target, colour in ((canvas.image, vivid(rng) if chance(rng, 0.5) else grey(rng, 10, 230)), (canvas.mask, 255)):
        cv2.ellipse(target, centre, (size, int(1.2 * size)), 0, 0, 360, colour, -1, cv2.LINE_AA)


def _motorcycle_front(rng: Rng, ratio: float) -> SceneVehicle:
    canvas = _Canvas(rng, int(rng.uniform(400, 560)), 320)
    paint = vivid(rng) if chance(rng, 0.4) else grey(rng, 8, 240)
    if chance(rng, 0.6):
        _rider_facing(canvas)
    canvas.rectangle(0.44, 0.6, 0.56, 0.98, grey(rng, 8, 45), body=True)
    canvas.shape([(0.38, 0.6), (0.62, 0.6), (0.58, 0.8), (0.42, 0.8)], vary_colour(rng, paint, 15), body=True)
    wide, low = rng.uniform(0.24, 0.38), rng.uniform(0.62, 0.74)
    canvas.shape(
        [(0.5 - wide, 0.24), (0.5, 0.16), (0.5 + wide, 0.24), (0.5 + wide * 0.9, 0.48), (0.5, low), (0.5 - wide * 0.9, 0.48)],
        paint,
        body=True,
    )
    canvas.mirrored([(0.08, 0.16), (0.5, 0.2), (0.5, 0.23), (0.08, 0.2)], grey(rng, 5, 60), body=True)
    canvas.mirrored([(0.04, 0.04), (0.2, 0.03), (0.2, 0.1), (0.06, 0.11)], grey(rng, 5, 90), body=True)  # mirrors
    canvas.shade(0.5)
    accent = vivid(rng) if chance(rng, 0.5) else grey(rng, 5, 250)
    canvas.mirrored([(0.5 - wide, 0.3), (0.5 - wide * 0.5, 0.45), (0.48, low - 0.03), (0.5 - wide * 0.8, 0.46)], accent)
    plate_y, lamp_y = (rng.uniform(0.2, 0.3), 0.42) if chance(rng, 0.5) else (rng.uniform(0.4, 0.56), 0.26)
    canvas.shape([(0.38, lamp_y - 0.05), (0.62, lamp_y - 0.05), (0.58, lamp_y + 0.06), (0.42, lamp_y + 0.06)], grey(rng, 150, 255))
    lettering(
        rng, canvas.image, (0.5 * canvas.width, (plate_y + rng.choice([-0.1, 0.1])) * canvas.height), rng.uniform(7, 16), grey(rng, 0, 255)
    )
    power = float(rng.choice([0.0, 0.0, rng.uniform(0.3, 3.0)]))
    lights = [canvas.light(0.5, lamp_y, rng.uniform(0.06, 0.12), _WHITE, power)] if power else []
    plate = canvas.plate(0.5 + rng.normal(0, 0.03), plate_y, rng.uniform(0.4, 0.62), ratio)
    return _on_plate(canvas, plate, lights)


def _on_plate(canvas: _Canvas, plate: Quad, lights: list[Light]) -> SceneVehicle:
    """A motorcycle's plate may extend beyond its body: the holder is part of the mask."""
    x1, y1, x2, y2 = (round(side) for side in box_of(plate, canvas.width, canvas.height))
    cv2.rectangle(canvas.mask, (x1 + 1, y1 + 1), (x2 - 1, y2 - 1), 255, -1)
    cv2.rectangle(canvas.image, (x1 + 1, y1 + 1), (x2 - 1, y2 - 1), grey(canvas.rng, 5, 60), -1)
    return replace(canvas.vehicle(plate, lights), motorcycle=True)
