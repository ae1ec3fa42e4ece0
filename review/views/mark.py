"""The marks of a case: what else may explain what the camera saw. They are shown before anything else."""

from collections.abc import Iterable
from dataclasses import dataclass

from review.i18n import Translator


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkView:
    label: str
    help: str
    """What it may mean, and what to look for; empty for a mark of a later version."""


def mark_views(marks: Iterable[str], t: Translator) -> tuple[MarkView, ...]:
    return tuple(MarkView(label=t.get(f"mark.{name}", name), help=t.get(f"mark.{name}.help", "")) for name in marks)
