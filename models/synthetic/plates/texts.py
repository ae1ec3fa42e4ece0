"""Samples the texts of plates: civil plates according to the tables of `etle.plates`, and some with unknown prefixes."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from etle.plates.fsm import LETTERS
from etle.plates.tables import shipped_tables
from etle.types import VehicleClass

_PREFIX_WEIGHTS = {
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
"""Weights of frequent prefixes, about as on the roads; the others have 1."""
_KNOWN_PREFIX_FRACTION = 0.72
"""The others are random, of one or two letters: a reader that memorised the known prefixes would misread rare ones."""
_DIGIT_COUNTS = (0.02, 0.04, 0.10, 0.84)
_SUFFIX_LENGTHS = (0.01, 0.07, 0.42, 0.50)
_IN_RANGE_FRACTION = 0.8
"""Fraction of plates with a number from a range of the vehicle's class; the ranges differ between offices."""
_FIRST_RANGE_FRACTION = 0.75
"""Fraction of these from the first range, which belongs to one class only; further ranges are shared."""
_FOUR_DIGIT_COUNTS = 1000
_CONFUSED = "CGHMNOOQQUVW"
"""Letters that readers confuse are twice as frequent, O and Q three times."""


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


def sample_text(rng: np.random.Generator, vehicle: VehicleClass | None) -> PlateText:
    prefix = _prefix(rng)
    return PlateText(
        prefix=prefix,
        number=_number(rng, prefix, vehicle),
        suffix=_letters(rng, int(rng.choice(4, p=_SUFFIX_LENGTHS))),
        expiry=f"{rng.integers(1, 13):02d}·{rng.integers(15, 34):02d}" if rng.random() < 0.96 else None,
    )


@cache
def _prefixes() -> "tuple[tuple[str, ...], np.ndarray[tuple[int], np.dtype[np.float64]]]":
    known = tuple(shipped_tables().areas)
    weights = np.array([_PREFIX_WEIGHTS.get(prefix, 1) for prefix in known], dtype=np.float64)
    return known, (weights / weights.sum()).cumsum()


def _prefix(rng: np.random.Generator) -> str:
    if rng.random() < _KNOWN_PREFIX_FRACTION:
        known, cumulative = _prefixes()
        return known[min(int(np.searchsorted(cumulative, rng.random())), len(known) - 1)]
    prefix = _letters(rng, 1 if rng.random() < 0.35 else 2)
    return "B" if prefix in _non_civil_prefixes() else prefix


@cache
def _non_civil_prefixes() -> frozenset[str]:
    """Prefixes of embassies and the state, whose plates have another format."""
    special = shipped_tables().special
    return frozenset({special.state_prefix, *(corps.prefix for corps in special.corps)})


def _letters(rng: np.random.Generator, count: int) -> str:
    """Random letters; doubled ones are more frequent than by chance, because CTC readers merge them."""
    choice = LETTERS + _CONFUSED
    letters = "".join(choice[i] for i in rng.integers(len(choice), size=count))
    return letters[:-1] + letters[-2] if count >= 2 and rng.random() < 0.06 else letters


def _number(rng: np.random.Generator, prefix: str, vehicle: VehicleClass | None) -> str:
    if vehicle is not None and rng.random() < _IN_RANGE_FRACTION and (fitting := _ranges(prefix, vehicle)):
        first, last = fitting[0] if rng.random() < _FIRST_RANGE_FRACTION else fitting[int(rng.integers(len(fitting)))]
        minimum = min(max(first, _FOUR_DIGIT_COUNTS), last) if rng.random() < _DIGIT_COUNTS[-1] else first
        return str(int(rng.integers(minimum, last + 1)))
    digits = int(rng.choice(4, p=_DIGIT_COUNTS))
    return str(int(rng.integers(10**digits, 10 ** (digits + 1))))


@cache
def _ranges(prefix: str, vehicle: VehicleClass) -> tuple[tuple[int, int], ...]:
    schemes = shipped_tables().schemes
    named = [scheme for scheme in schemes if prefix in scheme.prefixes] or [scheme for scheme in schemes if not scheme.prefixes]
    return tuple((r.first, r.last) for scheme in named[:1] for r in scheme.ranges if vehicle in r.vehicles)
