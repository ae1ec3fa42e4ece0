"""Results of `etle evaluate clips` on the terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.evaluation.clips import ClipReport


def show_clips(report: "ClipReport") -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from etle_cli.tables.violations import wide_console
    from pipeline.evaluation.clips import total

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("clip", no_wrap=True)
    for heading in ("signal boxes", "must", "hit", "false", "excused", "unlabelled"):
        table.add_column(heading, justify="right")
    for variant, scores in report.variants.items():
        for row in scores:
            table.add_row(escape(row.clip), variant, *(str(value) for value in total([row]).values()))
        table.add_row("total", variant, *(str(value) for value in total(scores).values()), end_section=True)
    wide_console().print(table)
