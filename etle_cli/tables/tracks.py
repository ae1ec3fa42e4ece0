"""Results of `etle evaluate tracks` on the terminal."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.evaluation.traffic.evaluate import SumoReport

_SHOWN = 20


def show_tracks(report: "SumoReport") -> None:
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    from etle_cli.tables.violations import wide_console

    console = wide_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("rule", no_wrap=True)
    for heading in ("violations", "found", "missed", "hidden", "uncertain", "cases", "false", "doubled", "precision", "recall"):
        table.add_column(heading, justify="right")
    for rule, row in report.rules.items():
        counts = (row.violations, row.found, row.missed, row.hidden, row.uncertain, row.cases, row.false, row.doubled)
        table.add_row(escape(rule), *map(str, counts), _share(row.precision), _share(row.recall))
    console.print(f"{report.vehicles} vehicles in {report.simulations} simulations")
    console.print(table)
    for each in report.mistakes[:_SHOWN]:
        vehicles, reason = ", ".join(each.vehicles), f" ({each.reason})" if each.reason else ""
        console.print(escape(f"{each.place}, {each.at_s:.1f} s: {each.rule} {each.kind}: {vehicles}{reason}"), highlight=False)
    if len(report.mistakes) > _SHOWN:
        console.print(f"and {len(report.mistakes) - _SHOWN} more: --json has all of them")


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
