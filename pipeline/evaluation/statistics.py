"""The arithmetic of an evaluation: shares with their intervals, coverage at a promised error, calibration, distances of texts."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from etle.geometry import overlap
from etle.types import Box

BINS = 10
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Share:
    """`right` of `of`; nothing of nothing has no value."""

    right: int
    of: int

    @property
    def value(self) -> float | None:
        return self.right / self.of if self.of else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 %, exact (Clopper and Pearson): it holds at 0 wrong too, where approximations promise too much."""
        if not self.of:
            return None
        low = 0.0 if self.right == 0 else _bisected(lambda p: _at_least(self.right, self.of, p) - _ALPHA / 2)
        high = 1.0 if self.right == self.of else _bisected(lambda p: _ALPHA / 2 - _at_most(self.right, self.of, p))
        return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Plates whose probability lies from `low` up to `high` (the last bin includes 1)."""

    low: float
    high: float
    n: int
    probability: float | None
    """Mean of what was said."""
    right: float | None
    """Share that was right."""


def matched(true: Sequence[Box], found: Sequence[Box], least: float) -> dict[int, int]:
    """Index of the found box by that of the true one: pairs by overlap, the largest first, each box once."""
    pairs = sorted(((-overlap(t, f), i, j) for i, t in enumerate(true) for j, f in enumerate(found) if overlap(t, f) >= least))
    chosen: dict[int, int] = {}
    for _, i, j in pairs:
        if i not in chosen and j not in chosen.values():
            chosen[i] = j
    return chosen


def error_curve(reads: Iterable[tuple[float, bool]]) -> tuple[tuple[int, int], ...]:
    """How many reads a threshold lets through, and how many of these are wrong: for every threshold, the highest first.

    `reads`: probability and whether it was right. Equally probable ones are taken together: no threshold parts them.
    """
    ranked = sorted(reads, key=lambda read: -read[0])
    wrong = list(accumulate(not right for _, right in ranked))
    last = [n for n in range(1, len(ranked) + 1) if n == len(ranked) or ranked[n][0] < ranked[n - 1][0]]
    return tuple((n, wrong[n - 1]) for n in last)


def coverage_at(error: float, curve: Sequence[tuple[int, int]]) -> float | None:
    """Largest share of the reads, most probable first, of which no more than `error` are wrong. `curve`: of `error_curve`."""
    kept = [n for n, wrong in curve if wrong <= error * n + 1e-9]
    return max(kept, default=0) / curve[-1][0] if curve else None


def reliability(reads: Sequence[tuple[float, bool]]) -> tuple[CalibrationBin, ...]:
    members: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for probability, right in reads:
        members[min(BINS - 1, int(probability * BINS))].append((probability, right))
    return tuple(
        CalibrationBin(
            low=i / BINS,
            high=(i + 1) / BINS,
            n=len(inside),
            probability=sum(p for p, _ in inside) / len(inside) if inside else None,
            right=sum(right for _, right in inside) / len(inside) if inside else None,
        )
        for i, inside in enumerate(members)
    )


def calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """Mean distance between what was said and what was right, weighted by how often it was said (ECE)."""
    total = sum(bin.n for bin in bins)
    gaps = (bin.n * abs(bin.probability - bin.right) for bin in bins if bin.probability is not None and bin.right is not None)
    return sum(gaps) / total if total else None


def edits(first: str, second: str) -> int:
    """Fewest characters to change, add or take away to get from one text to the other (Levenshtein)."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            diagonal, row[j] = row[j], min(diagonal + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def character_accuracy(pairs: Iterable[tuple[str, str]]) -> float | None:
    """1 less the edits over all characters. `pairs`: true text and read text."""
    length = wrong = 0
    for true, read in pairs:
        length += len(true)
        wrong += edits(true, read)
    return max(0.0, 1 - wrong / length) if length else None


def _at_most(k: int, n: int, p: float) -> float:
    """Probability of k or fewer of n."""
    return sum(_binomial(i, n, p) for i in range(k + 1))


def _at_least(k: int, n: int, p: float) -> float:
    return sum(_binomial(i, n, p) for i in range(k, n + 1))


def _binomial(k: int, n: int, p: float) -> float:
    ways = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(ways + k * math.log(p) + (n - k) * math.log1p(-p))


def _bisected(rising: Callable[[float], float]) -> float:
    """Where a rising function of a probability is 0."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2
