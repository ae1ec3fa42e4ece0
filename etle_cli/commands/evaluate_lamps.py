"""`etle evaluate lamps`: measures the lamp reader on labelled signal heads."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pipeline.evaluation.lamps import LampCounts


def add(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    lamps = actions.add_parser(
        "lamps",
        help="on labelled signal heads",
        description="Reads the lit lamp of signal heads as the pipeline does, with tight, larger, shifted and small boxes, and compares it "
        "with the labels. DIR contains lamps.csv and the pictures in lamps/; docs/evaluating.md describes the layout and every figure.",
    )
    lamps.add_argument("folder", type=Path, metavar="DIR")
    lamps.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    lamps.set_defaults(run=run_lamps)


def run_lamps(args: argparse.Namespace) -> int:
    from etle_cli.commands.evaluate import check_writable
    from etle_cli.tables.evaluation import progress
    from pipeline.assembly import open_lamp_reader
    from pipeline.evaluation.lamp_heads import load_heads
    from pipeline.evaluation.lamps import as_json, evaluate_lamps

    check_writable("--json", args.json)
    report = evaluate_lamps(load_heads(args.folder), open_lamp_reader(), progress)
    if args.json:
        args.json.write_text(json.dumps(as_json(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    _show("all heads", report.variants)
    if len(report.sources) > 1:
        for source, variants in sorted(report.sources.items()):
            _show(source, variants)
    return 0


def _show(title: str, variants: "Mapping[str, LampCounts]") -> None:
    from rich.markup import escape
    from rich.table import Table

    from etle_cli.tables.evaluation import percent
    from etle_cli.tables.violations import wide_console

    table = Table(title=escape(title), title_justify="left")
    for column in ("box", "n", "right", "unknown", "wrong", "red where not red"):
        table.add_column(column, justify="left" if column == "box" else "right")
    for name, counts in variants.items():
        rates = (percent(part / counts.n) for part in (counts.right, counts.unknown, counts.wrong))
        table.add_row(name, str(counts.n), *rates, str(counts.red_where_not_red))
    wide_console().print(table)
