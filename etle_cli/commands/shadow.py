"""`etle shadow`: the report of models that ran beside the current ones."""

import argparse
import json
import sys
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("shadow", help="compare models that ran in shadow mode with the current ones")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    report = actions.add_parser(
        "report",
        help="how often a shadow model said the same as the current one",
        description="Reads the file that `detect.shadow.report` of a site file names. It contains plate texts.",
    )
    report.add_argument("file", type=Path, metavar="FILE")
    report.add_argument("--json", action="store_true", help="print one JSON object per pair of models")
    report.set_defaults(run=run_report)


def run_report(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from pipeline.shadow.report import ShadowOutcome, summarize

    summaries = summarize(args.file)
    if args.json:
        for summary in summaries:
            document = {
                "kind": summary.kind,
                "current": summary.current,
                "shadow": summary.shadow,
                "shadow_digest": summary.shadow_digest,
                "compared": summary.compared,
                **{outcome.value: count for outcome, count in summary.outcomes.items()},
                "examples": [dict(example) for example in summary.examples],
            }
            sys.stdout.write(json.dumps(document, ensure_ascii=False) + "\n")
        return 0
    console, table = Console(), Table("compared", "current", "shadow", "calls", "same", "different", "failed")
    for summary in summaries:
        counts = [str(summary.outcomes[outcome]) for outcome in (ShadowOutcome.DIFFERENT, ShadowOutcome.FAILED)]
        table.add_row(summary.kind, summary.current, summary.shadow, str(summary.compared), f"{summary.agreement:.1%}", *counts)
    console.print(table if summaries else "No comparisons.")
    for summary in summaries:
        for example in summary.examples[:5]:
            text = ", ".join(f"{key} {value}" for key, value in example.items())
            console.print(f"{summary.kind}: {text}", markup=False, highlight=False, soft_wrap=True)
    return 0
