"""Violations as a table on the terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etle.types import Case, Measurement, Violation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def wide_console() -> "Console":
    """A console of the terminal's width; without a terminal, such as in a log, at least 120 columns."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 120))


def table_of(cases: Iterable[Case]) -> "Table":
    """One row per case: time, camera, rule, article, plate, probability, measurement, number of evidence files."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("time", "camera", "rule", "article", "plate", "sure", "measured", "files"):
        table.add_column(heading, no_wrap=heading in ("time", "rule", "plate"), overflow="fold")
    for case in cases:
        table.add_row(*_row(case))
    return table


def evidence_of(violation: Violation) -> list[str]:
    """The digests of the files that the review page shows, without duplicates."""
    clip = [violation.clip.sha256] if violation.clip else []
    return [*dict.fromkeys([picture.sha256 for picture in violation.pictures] + clip)]


def _row(case: Case) -> tuple[str, ...]:
    violation = case.violation
    local = violation.occurred_at.astimezone(ZoneInfo(violation.timezone))
    return (
        f"{local:%d %b %H:%M:%S}.{local.microsecond // 100_000}",
        violation.camera,
        violation.rule,
        short_article(violation.article.article),
        case.plate_text or "-",
        f"{violation.plate.probability:.0%}" if case.plate_text and case.plate_text == violation.plate.text else "",
        _measured(violation.measured[0]) if violation.measured else "",
        str(len(evidence_of(violation))),
    )


def short_article(article: str) -> str:
    """`Pasal 287 ayat (2) jo. Pasal 106 ...` as `287(2)`, the offence; the case page shows the full text."""
    first = article.split(" jo.")[0]
    return first.replace("Pasal ", "").replace(" ayat ", "").strip()


def _measured(measurement: Measurement) -> str:
    return f"{measurement.name.replace('_', ' ')} {measurement.value:.1f} {measurement.unit}"
