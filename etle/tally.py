"""Numbers about cases, as the first page of the reviewers shows them."""

from collections.abc import Mapping
from dataclasses import dataclass

from etle.types import RuleName, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCounts:
    """How many cases there are, by state."""

    open: int
    """Without a decision, those in review among them."""
    in_review: int
    """Open, and on a reviewer's screen."""
    verdicts: Mapping[Verdict, int]
    """By last decision; a verdict that none has is 0."""
    open_by_rule: Mapping[RuleName, int]

    @property
    def decided(self) -> int:
        return sum(self.verdicts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewerTally:
    """What one reviewer did: each case counts once, by their last verdict on it."""

    verdicts: Mapping[Verdict, int]
    median_s: float | None
    """Of the seconds that their verdicts took; None if there are none, or none was timed."""

    @property
    def decided(self) -> int:
        return sum(self.verdicts.values())
