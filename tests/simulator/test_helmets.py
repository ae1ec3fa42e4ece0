"""Shapes of helmets: what they cover, and that hair stays under them."""

import random
from collections import Counter

import numpy as np
import pytest

from simulator.helmets import Helmet, HelmetKind, draw_helmet, parts_of, pressed

FACE = np.array([0.16, 0.0, -0.02])
"""In front of the nose, from the middle of the head."""
EAR = np.array([0.0, 0.125, -0.03])
CROWN = np.array([0.0, 0.0, 0.145])


def helmet(kind: HelmetKind, *, visor: bool = False, striped: bool = False) -> Helmet:
    return Helmet(kind=kind, colour=(0.5, 0.0, 0.0), stripe=(1.0, 1.0, 1.0) if striped else None, across=False, matte=False, visor=visor)


def covers(worn: Helmet, place: np.ndarray) -> bool:
    """Whether any triangle is within 2 cm of the place."""
    points = np.concatenate([part.points for part in parts_of(worn)])
    return bool(np.linalg.norm(points - place, axis=1).min() < 0.02)


@pytest.mark.parametrize(
    ("worn", "face", "ear"),
    [
        pytest.param(helmet(HelmetKind.HALF), False, False, id="a half-shell leaves face and ears free"),
        pytest.param(helmet(HelmetKind.OPEN), False, True, id="an open one leaves the face free"),
        pytest.param(helmet(HelmetKind.OPEN, visor=True), True, True, id="unless its visor is down"),
        pytest.param(helmet(HelmetKind.FULL), True, True, id="a full-face one has a visor"),
    ],
)
def test_what_a_helmet_covers(worn, face, ear):
    assert covers(worn, CROWN) and covers(worn, FACE) is face and covers(worn, EAR) is ear


def test_a_stripe_is_part_of_the_shell():
    plain, striped = (parts_of(helmet(HelmetKind.FULL, striped=each)) for each in (False, True))
    assert sum(len(part.points) for part in striped) == sum(len(part.points) for part in plain)
    assert {part.colour for part in striped} - {part.colour for part in plain} == {(1.0, 1.0, 1.0)}


@pytest.mark.parametrize("kind", HelmetKind)
def test_hair_does_not_stick_out(kind):
    hair = np.array([[-0.25, 0.0, 0.02], [0.0, 0.0, 0.2], [-0.05, 0.0, 0.05], [0.0, 0.1, -0.3]])
    under = pressed(hair, kind)
    shell = parts_of(helmet(kind))[0].points
    assert shell[:, 0].min() < under[0, 0] < 0 and 0 < under[1, 2] < shell[:, 2].max()
    assert under[2:].tolist() == hair[2:].tolist(), "hair inside the helmet, and long hair below it, stay"


def test_all_kinds_are_worn_and_the_generator_determines_them():
    drawn = [draw_helmet(random.Random(seed)) for seed in range(80)]
    assert set(Counter(each.kind for each in drawn)) == set(HelmetKind)
    assert drawn == [draw_helmet(random.Random(seed)) for seed in range(80)]
