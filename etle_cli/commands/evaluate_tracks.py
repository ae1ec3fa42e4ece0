"""`etle evaluate tracks`: measures the rules on traffic that Eclipse SUMO simulates."""

import argparse
import json
import os
from pathlib import Path


def add(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from etle_cli.commands.evaluate import positive

    tracks = actions.add_parser(
        "tracks",
        help="on simulated traffic",
        description="Simulates traffic with Eclipse SUMO (extra `sim`), projects it to virtual cameras, runs tracker and rules on what "
        "they see, and compares the cases with what the vehicles did. docs/evaluating.md describes traffic, truth and figures.",
    )
    tracks.add_argument(
        "--sumo", type=int, required=True, nargs="+", metavar="SEED", help="seeds of the simulations; several are simulated in turn"
    )
    tracks.add_argument("--vehicles", type=positive, default=500, metavar="N", help="watch at least N vehicles (default: %(default)s)")
    tracks.add_argument(
        "--noise", action="store_true", help="with errors of a detector, lost frames, exchanged tracks, and lines drawn by hand"
    )
    tracks.add_argument("--seconds", type=positive, default=600, metavar="S", help="length of one simulation (default: %(default)s)")
    tracks.add_argument("--workers", type=positive, default=os.cpu_count() or 1, metavar="N", help="processes (default: one for each core)")
    tracks.add_argument(
        "--keep",
        type=Path,
        metavar="FOLDER",
        help="keep the outcome of each simulation, and do not run again those that are there: a run that was stopped goes on. Outcomes "
        "belong to the version that made them",
    )
    tracks.add_argument("--json", type=Path, metavar="FILE", help="write all figures, and every miss and false case")
    tracks.set_defaults(run=run_tracks)


def run_tracks(args: argparse.Namespace) -> int:
    from etle_cli.commands.evaluate import check_writable
    from etle_cli.tables.tracks import show_tracks
    from pipeline.evaluation.traffic.evaluate import SumoOptions, as_json, evaluate_sumo

    check_writable("--json", args.json)
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
    options = SumoOptions(
        seeds=tuple(args.sumo), vehicles=args.vehicles, noise=args.noise, workers=args.workers, run_s=args.seconds, folder=args.keep
    )
    report = evaluate_sumo(options, _tell)
    if args.json:
        args.json.write_text(json.dumps(as_json(report), indent=2) + "\n", encoding="utf-8")
    show_tracks(report)
    return 0


def _tell(watched: int) -> None:
    import sys

    sys.stderr.write(f"{watched} vehicles watched\n")
