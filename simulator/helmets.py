"""The shapes of motorcycle helmets: half-shell, open and full-face, with visor and stripes, as triangles.

Axes as of riders: x forward, y left, z up, in metres. The origin is the middle of the head, `MIDDLE_M` below its highest point.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from simulator.camera import Array
from simulator.gpu import Tint

MIDDLE_M: Final = 0.118
_AROUND, _DOWN = 32, 20
_VISOR_TINT: Tint = (0.02, 0.02, 0.03)
_COLOURS: tuple[Tint, ...] = (
    (0.012, 0.012, 0.012), (0.03, 0.03, 0.032), (0.62, 0.62, 0.6), (0.2, 0.2, 0.21), (0.45, 0.02, 0.02),
    (0.03, 0.06, 0.35), (0.65, 0.32, 0.02), (0.02, 0.22, 0.06), (0.5, 0.12, 0.25), (0.25, 0.4, 0.5),
)  # fmt: skip
_FREQUENCIES = (26, 12, 16, 8, 11, 8, 6, 4, 5, 4)
_INNER: Final = 0.9
"""Of the inner side, relative to the outer one."""
_STRIPED, _MATTE, _VISOR_DOWN = 0.4, 0.3, 0.35


class HelmetKind(StrEnum):
    HALF = "half"
    """Covers the upper half of the head, to above the ears."""
    OPEN = "open"
    """Covers ears and neck, and leaves the face open, or behind a visor."""
    FULL = "full"
    """With a chin bar and a dark visor."""


_KINDS: Final = {HelmetKind.HALF: 0.25, HelmetKind.OPEN: 0.45, HelmetKind.FULL: 0.3}
_HALF_SIZES_M: Final = {
    HelmetKind.HALF: (0.140, 0.118, 0.142),
    HelmetKind.OPEN: (0.150, 0.124, 0.147),
    HelmetKind.FULL: (0.166, 0.126, 0.150),
}
"""Half the length, width and height: a head is about 0.19, 0.155 and 0.235 m."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Helmet:
    """What one helmet looks like. `stripe` None: of one colour."""

    kind: HelmetKind
    colour: Tint
    stripe: Tint | None
    across: bool
    """The stripe goes around the helmet, not over it from front to back."""
    matte: bool
    visor: bool
    """Of an open helmet: it is down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HelmetPart:
    """Triangles of one colour: `points` and `normals` are 3n x 3."""

    points: Array
    normals: Array
    colour: Tint
    rough: float


def draw_helmet(rng: random.Random) -> Helmet:
    kind = rng.choices(list(_KINDS), list(_KINDS.values()))[0]
    colour, stripe = rng.choices(_COLOURS, _FREQUENCIES, k=2)
    striped = rng.random() < _STRIPED and stripe != colour
    return Helmet(
        kind=kind,
        colour=colour,
        stripe=stripe if striped else None,
        across=rng.random() < 0.5,
        matte=rng.random() < _MATTE,
        visor=rng.random() < _VISOR_DOWN,
    )


def parts_of(helmet: Helmet) -> tuple[HelmetPart, ...]:
    rough = 0.65 if helmet.matte else 0.2
    size = np.array(_HALF_SIZES_M[helmet.kind])
    middles = _faces().mean(axis=1)
    shell = np.array([_is_shell(helmet.kind, *middle) for middle in middles])
    visor = np.array([_is_opening(helmet.kind, *middle) for middle in middles])
    striped = shell & np.array([helmet.stripe is not None and _is_striped(helmet.across, *middle) for middle in middles])
    parts = [_part(shell & ~striped, size, helmet.colour, rough)]
    if helmet.stripe is not None and striped.any():
        parts.append(_part(striped, size, helmet.stripe, rough))
    if helmet.kind is HelmetKind.FULL or (helmet.kind is HelmetKind.OPEN and helmet.visor):
        parts.append(_part(visor, size * 0.985, _VISOR_TINT, 0.12))
    return tuple(parts)


def pressed(hair: Array, kind: HelmetKind) -> Array:
    """Points of hair (n x 3, about the middle of the helmet) under a helmet: those that would stick out lie on its inner side."""
    size = np.array(_HALF_SIZES_M[kind])
    out = np.linalg.norm(hair / size, axis=1, keepdims=True) / _INNER
    inside = np.where(out > 1, hair / np.maximum(out, 1e-9), hair)
    return np.where(hair[:, 2:] > _LOWER_EDGES[kind](-1.0) * size[2], inside, hair)


def _part(chosen: Array, size: Array, colour: Tint, rough: float) -> HelmetPart:
    """Triangles of the chosen faces, on an ellipsoid whose lower part narrows less than a ball's."""
    corners = _faces()[chosen][:, (0, 1, 2, 0, 2, 3)].reshape(-1, 3)
    normals = corners / size
    widened = corners * (1 + 0.06 * np.clip(-corners[:, 2:], 0, 1))
    return HelmetPart(points=widened * size, normals=normals / np.linalg.norm(normals, axis=1, keepdims=True), colour=colour, rough=rough)


def _faces() -> Array:
    """Quadrangles on the unit ball, n x 4 corners x 3, from the top down."""
    return np.array(
        [[_on_ball(i, j), _on_ball(i, j + 1), _on_ball(i + 1, j + 1), _on_ball(i + 1, j)] for i in range(_AROUND) for j in range(_DOWN)]
    )


def _on_ball(i: int, j: int) -> tuple[float, float, float]:
    a, b = 2 * math.pi * i / _AROUND, math.pi * j / _DOWN
    return math.sin(b) * math.cos(a), math.sin(b) * math.sin(a), math.cos(b)


_LOWER_EDGES: Final[dict[HelmetKind, Callable[[float], float]]] = {
    HelmetKind.HALF: lambda x: 0.02 - 0.18 * max(0.0, -x),
    HelmetKind.OPEN: lambda x: -0.72,
    HelmetKind.FULL: lambda x: -0.84,
}
"""Height of the shell's lower edge on the unit ball, by how far it is in front."""


def _is_shell(kind: HelmetKind, x: float, y: float, z: float) -> bool:
    return z > _LOWER_EDGES[kind](x) and not _is_opening(kind, x, y, z)


def _is_opening(kind: HelmetKind, x: float, y: float, z: float) -> bool:
    """Where the face shows, or the visor."""
    if kind is HelmetKind.OPEN:
        return x > 0.42 + 0.25 * max(0.0, -z) and -0.72 < z < 0.38
    return kind is HelmetKind.FULL and x > 0.4 and -0.32 < z < 0.38


def _is_striped(across: bool, x: float, y: float, z: float) -> bool:
    return -0.15 < z < 0.18 if across else abs(y) < 0.24
