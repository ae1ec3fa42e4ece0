"""`etle evaluate clips`: measures the whole stage on labelled clips."""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etle.config.site import Site
    from etle.types import Frame


def add(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    clips = actions.add_parser(
        "clips",
        help="on labelled clips",
        description="Runs the stage on every clip of DIR/clips that DIR/clips_truth.json labels, with its stop line and signal heads, and "
        "compares the violations with the labels: once with the boxes of the signal heads as labelled, and once 15 % larger on each side. "
        "docs/evaluating.md describes the layout and every figure.",
    )
    clips.add_argument("folder", type=Path, metavar="DIR")
    clips.add_argument("--clip", action="append", metavar="NAME", help="only this clip; may be repeated")
    clips.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    clips.set_defaults(run=run_clips)


def run_clips(args: argparse.Namespace) -> int:
    from etle_cli.commands.evaluate import check_writable
    from etle_cli.tables.clips import show_clips
    from etle_cli.tables.evaluation import progress
    from pipeline.evaluation.clips import as_json, evaluate_clips

    check_writable("--json", args.json)
    report = evaluate_clips(args.folder, args.clip or (), _frames, progress)
    if args.json:
        args.json.write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
    show_clips(report)
    return 0


def _frames(site: "Site") -> "Iterable[Frame]":
    from etle.clock import SystemClock
    from ingest.sources.provider import SiteSources

    return SiteSources(site, SystemClock()).open(site.cameras[0]).frames()
