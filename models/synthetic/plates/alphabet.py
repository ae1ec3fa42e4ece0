"""The characters of Indonesian number plates as strokes, with random variations.

No free typeface contains them, and a reader that was not trained on them confuses them: I with serifs, a 1 with a foot, a slashed letter O
beside a plain or notched zero, a Q whose tail is a short stroke in the corner of the bowl, W and M with vertical sides, an open 4, a G
without a spur. Each workshop presses them in its own proportions, so every alphabet is sampled from its own random generator.

A stroke is a polyline in the unit square, y downwards; a letter is a list of strokes, of which the last ones may be finer than the others.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

Stroke: TypeAlias = list[tuple[float, float]]
Letter: TypeAlias = list[Stroke]

RELATIVE_WIDTH = {"I": 0.62, "J": 0.84, "M": 1.15, "W": 1.2, "L": 0.88, "E": 0.9, "F": 0.88, "-": 0.5}
"""Relative to the width of the other characters; the 1 has a random width."""
FINE = {"M": 2, "N": 2, "O": 1, "Q": 1, "W": 2}
"""Index of the first stroke that may be finer: with a bold brush the slash of an O and the tail of a Q would disappear."""


@dataclass(frozen=True, slots=True)
class Proportions:
    """Proportions that all characters of one workshop share, relative to the height of a character (`lean`: to the width)."""

    bend: float
    """Height of the curve of O, C and 0."""
    corner: float
    """Height of the curve of U, D and J."""
    waist: float
    """Lower end of the bowl of P and R."""
    bar: float
    """Height of the bars of E, F, H and A."""
    lean: float
    """Inclination of the sides of W and M."""


def sample_proportions(rng: np.random.Generator) -> Proportions:
    return Proportions(
        bend=rng.uniform(0.18, 0.34),
        corner=rng.uniform(0.18, 0.33),
        waist=rng.uniform(0.44, 0.57),
        bar=rng.uniform(0.42, 0.58),
        lean=rng.uniform(0.0, 0.17) if rng.random() < 0.75 else rng.uniform(0.17, 0.24),
    )


def sample_alphabet(rng: np.random.Generator) -> dict[str, Letter]:
    p = sample_proportions(rng)
    return {**_digits(rng, p), **_first_letters(rng, p), **_last_letters(rng, p), "-": [[(0, 0.5), (1, 0.5)]]}


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> Stroke:
    """`start`, `end`: degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 14))
    return [(x + rx * float(np.cos(a)), y + ry * float(np.sin(a))) for a in angles]


def _ring(bend: float) -> Stroke:
    ring = [*_arc(0.5, bend, 0.5, bend, 180, 360), *_arc(0.5, 1 - bend, 0.5, bend, 0, 180)]
    return [*ring, ring[0]]


def _rotated_180(stroke: Stroke) -> Stroke:
    return [(1 - x, 1 - y) for x, y in stroke]


def _digits(rng: np.random.Generator, p: Proportions) -> dict[str, Letter]:
    six = [*_arc(0.5, p.bend, 0.5, p.bend, -rng.uniform(15, 50), -180), (0.0, 0.7)]
    if rng.random() < 0.15:  # a straight, inclined back
        six = [(rng.uniform(0.6, 0.85), 0.0), (0.04, 0.6), (0.0, 0.7)]
    round_bowl = _arc(0.5, 0.7, 0.5, 0.3, 0, 360)
    long_bowl = [*_arc(0.5, 0.62, 0.5, 0.2, 180, 360), *_arc(0.5, 0.78, 0.5, 0.22, 0, 180), (0.0, 0.62)]
    bowl = round_bowl if rng.random() < 0.5 else long_bowl
    return {
        "0": [_zero(rng, p)],
        "1": _one(rng),
        "2": [[*_arc(0.5, 0.27, 0.5, 0.27, rng.uniform(175, 195), rng.uniform(368, 385)), (0, 1), (1, 1)]],
        "3": _three(rng),
        "4": _four(rng),
        "5": [[(0.95, 0), (0.1, 0), (0.04, rng.uniform(0.41, 0.49)), *_arc(0.45, 0.68, 0.55, 0.32, 225, rng.uniform(490, 515))]],
        "6": [six, bowl],
        "7": [[(0, 0), (1, 0), (rng.uniform(0.58, 0.68), 0.42), (rng.uniform(0.3, 0.48), 1)]],
        "8": [_arc(0.5, 0.25, rng.uniform(0.38, 0.48), 0.25, 0, 360), _arc(0.5, 0.75, 0.5, 0.25, 0, 360)],
        "9": [_rotated_180(six), _rotated_180(bowl)],
    }


def _zero(rng: np.random.Generator, p: Proportions) -> Stroke:
    """A closed ring; on newer plates with a notch at the upper right, as in a stencil."""
    if rng.random() < 0.65:
        return _ring(p.bend)
    upper = _arc(0.5, p.bend, 0.5, p.bend, rng.uniform(-10, 40), -180)
    return [*upper, *_arc(0.5, 1 - p.bend, 0.5, p.bend, 180, 0), (1, rng.uniform(0.35, 0.6))]


def _one(rng: np.random.Generator) -> Letter:
    """A stem with a short, long, flat, bent or no flag, and with or without a foot."""
    stem = rng.uniform(0.5, 0.75)
    kind = rng.choice(5, p=[0.38, 0.24, 0.16, 0.16, 0.06])
    flag: Stroke = [
        [(stem - rng.uniform(0.25, 0.45), rng.uniform(0.08, 0.2)), (stem, 0.0)],
        [(stem - rng.uniform(0.45, 0.75), rng.uniform(0.16, 0.36)), (stem, 0.0)],
        [(stem - rng.uniform(0.2, 0.5), rng.uniform(0.02, 0.06)), (stem, 0.0)],
        [(stem - rng.uniform(0.3, 0.6), rng.uniform(0.2, 0.28)), (stem - 0.12, rng.uniform(0.1, 0.18)), (stem, 0.0)],
        [(stem, 0.0)],
    ][kind]
    one: Letter = [[*flag, (stem, 1.0)]]
    if rng.random() < 0.55:
        one.append([(stem - rng.uniform(0.25, 0.6), 1.0), (stem + rng.uniform(0.2, 0.55), 1.0)])
    return one


def _three(rng: np.random.Generator) -> Letter:
    if rng.random() < 0.8:
        return [[*_arc(0.48, 0.25, 0.46, 0.25, 195, 450), *_arc(0.48, 0.74, 0.52, 0.26, 270, 525)]]
    return [[(0, 0), (1, 0), (0.45, 0.42), *_arc(0.45, 0.71, 0.55, 0.29, 270, 520)]]


def _four(rng: np.random.Generator) -> Letter:
    height = rng.uniform(0.66, 0.76)
    kind = rng.choice(3, p=[0.62, 0.24, 0.14])
    if kind == 0:  # open: the stem starts below the diagonal
        stem = rng.uniform(0.66, 0.82)
        return [[(rng.uniform(0.48, 0.7), 0), (0, height), (1, height)], [(stem, rng.uniform(0.36, 0.54)), (stem, 1)]]
    if kind == 1:
        return [[(0.7, 1), (0.7, 0), (0, height), (1, height)]]
    return [[(0.15, 0), (0, height), (1, height)], [(0.78, rng.uniform(0.2, 0.4)), (0.78, 1)]]


def _first_letters(rng: np.random.Generator, p: Proportions) -> dict[str, Letter]:
    c = [*_arc(0.5, p.bend, 0.5, p.bend, -rng.uniform(5, 30), -180), *_arc(0.5, 1 - p.bend, 0.5, p.bend, 180, rng.uniform(5, 30))]
    apex: Stroke = [(0, 1), (0.44, 0), (0.56, 0), (1, 1)] if rng.random() < 0.4 else [(0, 1), (0.5, 0), (1, 1)]
    bowls = [*_arc(0.5, 0.75, 0.5, 0.25, 90, -90), *_arc(0.5, 0.25, rng.uniform(0.38, 0.48), 0.25, 90, -90)]
    u = p.corner
    return {
        "A": [apex, [(0.13, p.bar + 0.18), (0.87, p.bar + 0.18)]],
        "B": [[(0, 0), (0, 1), (0.5, 1), *bowls, (0, 0)], [(0, 0.5), (0.55, 0.5)]],
        "C": [c],
        "D": [[(0, 0), (0, 1), (0.42, 1), *_arc(0.42, 1 - u, 0.58, u, 90, 0), *_arc(0.42, u, 0.58, u, 0, -90), (0, 0)]],
        "E": [[(1, 0), (0, 0), (0, 1), (1, 1)], [(0, p.bar), (rng.uniform(0.7, 0.95), p.bar)]],
        "F": [[(1, 0), (0, 0), (0, 1)], [(0, p.bar), (rng.uniform(0.7, 0.95), p.bar)]],
        "G": _g(rng, c),
        "H": [[(0, 0), (0, 1)], [(1, 0), (1, 1)], [(0, p.bar), (1, p.bar)]],
        "I": _i(rng),
        "J": _j(rng, u),
        "K": [[(0, 0), (0, 1)], [(1, 0), (0, rng.uniform(0.55, 0.65))], [(rng.uniform(0.25, 0.4), 0.45), (1, 1)]],
        "L": [[(0, 0), (0, 1), (1, 1)]],
        "M": _m(rng, p),
    }


def _i(rng: np.random.Generator) -> Letter:
    """With serifs, which no other country's plates have; rarely without."""
    stem: Stroke = [(0.5, 0), (0.5, 1)]
    return [stem, [(0, 0), (1, 0)], [(0, 1), (1, 1)]] if rng.random() < 0.85 else [stem]


def _j(rng: np.random.Generator, corner: float) -> Letter:
    hook: Stroke = [(1, 0), (1, 1 - corner), *_arc(0.5, 1 - corner, 0.5, corner, 0, rng.uniform(120, 175))]
    return [hook, [(0.4, 0), (1, 0)]] if rng.random() < 0.3 else [hook]


def _g(rng: np.random.Generator, c: Stroke) -> Letter:
    bar, reach = rng.uniform(0.5, 0.66), rng.uniform(0.45, 0.82)
    if rng.random() < 0.6:
        return [[*c[:-1], (1, 0.8), (1, bar), (reach, bar)]]
    return [c, [(reach, bar), (1, bar), (1, rng.uniform(0.85, 1.0))]]


def _m(rng: np.random.Generator, p: Proportions) -> Letter:
    left, right = p.lean * 0.4, 1 - p.lean * 0.4
    return [[(0, 1), (left, 0)], [(1, 1), (right, 0)], [(left, 0), (0.5, rng.uniform(0.35, 0.75)), (right, 0)]]


def _w(rng: np.random.Generator, p: Proportions) -> Letter:
    left, right = p.lean, 1 - p.lean
    return [[(0, 0), (left, 1)], [(1, 0), (right, 1)], [(left, 1), (0.5, rng.uniform(0.12, 0.58)), (right, 1)]]


def _last_letters(rng: np.random.Generator, p: Proportions) -> dict[str, Letter]:
    head = [(0, 1), (0, 0), (0.5, 0), *_arc(0.5, p.waist / 2, 0.5, p.waist / 2, -90, 90), (0.0, p.waist)]
    fork = rng.uniform(0.42, 0.52)
    return {
        "N": [[(0, 1), (0, 0)], [(1, 1), (1, 0)], [(0, 0), (1, 1)]],
        "O": _o(rng, p),
        "P": [head],
        "Q": _q(rng, p),
        "R": [head, [(0.4, p.waist), (1, 1)]],
        "S": [[*_arc(0.5, 0.25, 0.49, 0.25, -25, -270), *_arc(0.5, 0.75, 0.5, 0.25, -90, 155)]],
        "T": [[(0, 0), (1, 0)], [(0.5, 0), (0.5, 1)]],
        "U": [[(0, 0), *_arc(0.5, 1 - p.corner, 0.5, p.corner, 180, 0), (1, 0)]],
        "V": [[(0, 0), (0.46, 1), (0.54, 1), (1, 0)]],
        "W": _w(rng, p),
        "X": [[(0, 0), (1, 1)], [(1, 0), (0, 1)]],
        "Y": [[(0, 0), (0.5, fork), (1, 0)], [(0.5, fork), (0.5, 1)]],
        "Z": [[(0, 0), (1, 0), (0, 1), (1, 1)]],
    }


def _o(rng: np.random.Generator, p: Proportions) -> Letter:
    if rng.random() > 0.7:
        return [_ring(p.bend)]
    reach = rng.uniform(0.2, 0.42)
    return [_ring(p.bend), [(0.5 + reach, 0.5 - reach + rng.uniform(-0.05, 0.05)), (0.5 - reach, 0.5 + reach + rng.uniform(-0.05, 0.05))]]


def _q(rng: np.random.Generator, p: Proportions) -> Letter:
    """The tail lies inside the bowl, crosses it, or is so short that it only fills the corner of the bowl."""
    kind = rng.choice(3, p=[0.32, 0.36, 0.32])
    if kind == 2:
        start, end = (rng.uniform(0.6, 0.8), rng.uniform(0.78, 0.9)), (rng.uniform(0.95, 1.05), rng.uniform(0.97, 1.03))
    else:
        start = (rng.uniform(0.42, 0.68), rng.uniform(0.64, 0.82))
        end = (rng.uniform(0.78, 0.92), rng.uniform(0.86, 0.95)) if kind == 0 else (rng.uniform(0.86, 1.08), rng.uniform(0.94, 1.06))
    return [_ring(p.bend), [start, end]]
