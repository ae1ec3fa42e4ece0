"""Statistics of an evaluation: proportions with confidence intervals, coverage at a target error, calibration, edit distance."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from etle.geometry import iou
from etle.types import Box

BINS = 10
_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Proportion:
    """`count` of `total`; the value of 0 of 0 is None."""

    count: int
    total: int

    @property
    def value(self) -> float | None:
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % confidence interval, exact (Clopper and Pearson): approximations are too narrow near 0 and 1."""
        if not self.total:
            return None
        low = 0.0 if self.count == 0 else _root(lambda p: _at_least(self.count, self.total, p) - _ALPHA / 2)
        high = 1.0 if self.count == self.total else _root(lambda p: _ALPHA / 2 - _at_most(self.count, self.total, p))
        return low, high


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBin:
    """Plates with a probability in [`low`, `high`); the last bin includes 1. The field names are keys of the JSON report."""

    low: float
    high: float
    n: int
    probability: float | None
    """Mean probability of the plates in the bin; None if it is empty."""
    right: float | None
    """Share of right plates in the bin; None if it is empty."""


def match_boxes(true: Sequence[Box], found: Sequence[Box], min_iou: float) -> dict[int, int]:
    """Index of the found box by index of the true box: pairs with the largest IoU first, each box at most once."""
    pairs = sorted(((-iou(t, f), i, j) for i, t in enumerate(true) for j, f in enumerate(found) if iou(t, f) >= min_iou))
    matches: dict[int, int] = {}
    for _, i, j in pairs:
        if i not in matches and j not in matches.values():
            matches[i] = j
    return matches


def error_curve(reads: Iterable[tuple[float, bool]]) -> tuple[tuple[int, int], ...]:
    """For every probability threshold, highest first: number of accepted reads, and how many of these are wrong.

    `reads`: probability and whether the text is right. Reads with equal probability form one point of the curve.
    """
    ranked = sorted(reads, key=lambda read: -read[0])
    wrong = list(accumulate(not right for _, right in ranked))
    last = [n for n in range(1, len(ranked) + 1) if n == len(ranked) or ranked[n][0] < ranked[n - 1][0]]
    return tuple((n, wrong[n - 1]) for n in last)


def coverage_at(error: float, curve: Sequence[tuple[int, int]]) -> float | None:
    """Largest share of the reads, most probable first, with at most the share `error` of errors. `curve`: from `error_curve`."""
    accepted = [n for n, wrong in curve if wrong <= error * n + 1e-9]
    return max(accepted, default=0) / curve[-1][0] if curve else None


def reliability(reads: Sequence[tuple[float, bool]]) -> tuple[CalibrationBin, ...]:
    members: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for probability, right in reads:
        members[min(BINS - 1, int(probability * BINS))].append((probability, right))
    return tuple(
        CalibrationBin(
            low=i / BINS,
            high=(i + 1) / BINS,
            n=len(reads_in_bin),
            probability=sum(p for p, _ in reads_in_bin) / len(reads_in_bin) if reads_in_bin else None,
            right=sum(right for _, right in reads_in_bin) / len(reads_in_bin) if reads_in_bin else None,
        )
        for i, reads_in_bin in enumerate(members)
    )


def calibration_error(bins: Sequence[CalibrationBin]) -> float | None:
    """Expected calibration error (ECE): mean |probability - share of right plates| over the bins, weighted by their counts."""
    total = sum(bin.n for bin in bins)
    gaps = (bin.n * abs(bin.probability - bin.right) for bin in bins if bin.probability is not None and bin.right is not None)
    return sum(gaps) / total if total else None


def edit_distance(first: str, second: str) -> int:
    """Levenshtein distance."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            diagonal, row[j] = row[j], min(diagonal + (a != b), row[j] + 1, row[j - 1] + 1)
    return row[-1]


def character_accuracy(pairs: Iterable[tuple[str, str]]) -> float | None:
    """1 - edit distance / number of characters, at least 0. `pairs`: true text and read text."""
    length = wrong = 0
    for true, read in pairs:
        length += len(true)
        wrong += edit_distance(true, read)
    return max(0.0, 1 - wrong / length) if length else None


def _at_most(k: int, n: int, p: float) -> float:
    """Probability of at most k successes in n trials."""
    return sum(_binomial(i, n, p) for i in range(k + 1))


def _at_least(k: int, n: int, p: float) -> float:
    return sum(_binomial(i, n, p) for i in range(k, n + 1))


def _binomial(k: int, n: int, p: float) -> float:
    log_combinations = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    return math.exp(log_combinations + k * math.log(p) + (n - k) * math.log1p(-p))


def _root(increasing: Callable[[float], float]) -> float:
    """The root in [0, 1] of an increasing function, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if increasing(middle) > 0 else (middle, high)
    return (low + high) / 2
