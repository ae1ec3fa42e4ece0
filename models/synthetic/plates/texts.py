"""What stands on the plates that are drawn: civil plates as the tables of `etle.plates` know them, and some that they do not."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from etle.plates.fsm import LETTERS
from etle.plates.tables import shipped_tables
from etle.types import VehicleClass

_COMMON = {
    "B": 10,
    "D": 4,
    "F": 3,
    "L": 4,
    "W": 3,
    "N": 3,
    "AG": 2,
    "H": 3,
    "G": 3,
    "AB": 3,
    "AD": 3,
    "K": 2,
    "E": 2,
    "T": 2,
    "BK": 2,
    "DK": 2,
}
"""Of how much more weight than others the prefixes of the crowded provinces are; about as on their roads."""
_OF_THE_TABLE = 0.72
"""The others are any one or two letters: a reader that knows the prefixes by heart reads a rare one wrongly."""
_DIGITS = (0.02, 0.04, 0.10, 0.84)
_SUFFIX_LETTERS = (0.01, 0.07, 0.42, 0.50)
_IN_RANGE = 0.8
"""Of the plates drawn for a vehicle, so many have a number of its class; the ranges differ from office to office."""
_IN_OWN_RANGE = 0.75
"""A class has ranges that it shares with another one; its first is its own."""
_FOUR_DIGITS = 1000
_CONFUSED = "CGHMNOOQQUVW"
"""Letters that readers take for one another come twice as often, O and Q three times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateText:
    prefix: str
    number: str
    suffix: str
    expiry: str | None
    """`MM·YY`"""

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(part for part in (self.prefix, self.number, self.suffix) if part)


def draw_text(rng: np.random.Generator, vehicle: VehicleClass | None) -> PlateText:
    prefix = _prefix(rng)
    return PlateText(
        prefix=prefix,
        number=_number(rng, prefix, vehicle),
        suffix=_letters(rng, int(rng.choice(4, p=_SUFFIX_LETTERS))),
        expiry=f"{rng.integers(1, 13):02d}·{rng.integers(15, 34):02d}" if rng.random() < 0.96 else None,
    )


@cache
def _prefixes() -> "tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.float64]]]":
    known = tuple(shipped_tables().areas)
    weights = np.array([_COMMON.get(prefix, 1) for prefix in known], dtype=np.float64)
    return known, (weights / weights.sum()).cumsum()


def _prefix(rng: np.random.Generator) -> str:
    if rng.random() < _OF_THE_TABLE:
        known, shares = _prefixes()
        return known[min(int(np.searchsorted(shares, rng.random())), len(known) - 1)]
    prefix = _letters(rng, 1 if rng.random() < 0.35 else 2)
    return "B" if prefix in _not_civil() else prefix


@cache
def _not_civil() -> frozenset[str]:
    """Embassies and the state: the rest of their plates looks otherwise."""
    special = shipped_tables().special
    return frozenset({special.state_prefix, *(corps.prefix for corps in special.corps)})


def _letters(rng: np.random.Generator, count: int) -> str:
    """Doubled letters more often than by chance: they are what a CTC reader swallows."""
    choice = LETTERS + _CONFUSED
    letters = "".join(choice[i] for i in rng.integers(len(choice), size=count))
    return letters[:-1] + letters[-2] if count >= 2 and rng.random() < 0.06 else letters


def _number(rng: np.random.Generator, prefix: str, vehicle: VehicleClass | None) -> str:
    if vehicle is not None and rng.random() < _IN_RANGE and (fitting := _ranges(prefix, vehicle)):
        first, last = fitting[0] if rng.random() < _IN_OWN_RANGE else fitting[int(rng.integers(len(fitting)))]
        least = min(max(first, _FOUR_DIGITS), last) if rng.random() < _DIGITS[-1] else first
        return str(int(rng.integers(least, last + 1)))
    digits = int(rng.choice(4, p=_DIGITS))
    return str(int(rng.integers(10**digits, 10 ** (digits + 1))))


@cache
def _ranges(prefix: str, vehicle: VehicleClass) -> tuple[tuple[int, int], ...]:
    schemes = shipped_tables().schemes
    named = [scheme for scheme in schemes if prefix in scheme.prefixes] or [scheme for scheme in schemes if not scheme.prefixes]
    return tuple((r.first, r.last) for scheme in named[:1] for r in scheme.ranges if vehicle in r.vehicles)
