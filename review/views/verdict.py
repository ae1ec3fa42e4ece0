"""The verdicts as the pages offer and show them.

Everything follows from `Verdict` and the texts `verdict.<verdict>.*`. The value of a verdict is also its CSS class and element id; a
verdict without own colours in the stylesheet gets neutral ones.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from etle.types import Verdict
from review.decisions import REASONS
from review.i18n import Translator


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasonView:
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictView:
    """`key` is the letter that presses its button; `reasons` are those to choose from, in the order of their number keys."""

    verdict: str
    label: str
    button: str
    key: str
    help: str
    reasons: tuple[ReasonView, ...]


def verdict_views(t: Translator, verdicts: Iterable[str] = Verdict) -> tuple[VerdictView, ...]:
    """In the order of the enum, those with reasons last. The first one is what the Enter key gives."""
    return tuple(_verdict_view(verdict, t) for verdict in sorted(verdicts, key=lambda verdict: verdict in REASONS))


def _verdict_view(verdict: str, t: Translator) -> VerdictView:
    return VerdictView(
        verdict=verdict,
        label=verdict_label(verdict, t),
        button=t(f"verdict.{verdict}.button"),
        key=t(f"verdict.{verdict}.key"),
        help=t(f"verdict.{verdict}.help"),
        reasons=tuple(ReasonView(code=code, text=t(f"reason.{code}")) for code in REASONS.get(verdict, ())),
    )


def verdict_label(verdict: str, t: Translator) -> str:
    """State of a case with this verdict."""
    return t(f"verdict.{verdict}.label")
