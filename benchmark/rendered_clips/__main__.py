"""`python -m benchmark.rendered_clips --seeds 41 42`: renders clips with the simulator and compares what is reported with their truth.

Rendering takes up to half an hour of one core for each seed; what is in `--clips` from an earlier call is used again. `--boxes` renders no
pictures and takes a minute or two: the visible boxes of the ground truth go through tracker and rules, without detector and plates.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmark import report
from benchmark.rendered_clips.boxes import judged_boxes
from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle.types import Frame
from ingest.sources.provider import SiteSources
from pipeline.assembly import Engines, open_site_engines
from pipeline.evaluation.clips import run
from pipeline.evaluation.violations import load_ground_truth, score


def main() -> None:
    args = _arguments()
    engines: Engines | None = None
    rows = []
    for seed in args.seeds:
        folder = _rendered(args.clips / str(seed), seed, pictures=not args.boxes)
        if args.boxes:
            rows.append({"seed": seed, **judged_boxes(folder)})
            continue
        site = load_site(folder / "site.yaml", dict(os.environ))
        engines = engines or open_site_engines(site)
        rows.append({"seed": seed, **_judged(folder, site, engines)})
    total = {key: sum(row[key] for row in rows) for key in rows[0] if key not in ("seed", "missed")}
    happened, reported = total["violations"], total["found"] + total["false"]
    figures = {**total, "recall": total["right"] / max(1, happened), "precision": total["right"] / max(1, reported)}
    report.show("Rendered clips", [{key: value for key, value in row.items() if key != "missed"} for row in rows])
    for row in rows:
        for missed in row["missed"]:
            print(f"seed {row['seed']}, missed: {missed}")
    report.show("Together", [figures])
    report.save(args.json, {**figures, "clips": rows})


def _judged(folder: Path, site: Site, engines: Engines) -> dict[str, Any]:
    """`right`: found with the right plate."""
    alone = [site.model_copy(update={"cameras": (camera,)}) for camera in site.cameras]
    found = [message.violation for each in alone for message in run(each, engines, _frames)]
    result = score(found, load_ground_truth(folder / "truth.json"))
    return {
        "violations": len(result.found) + len(result.missed),
        "found": len(result.found),
        "right": result.right,
        "false": len(result.false),
        "missed": [f"{true.rule} of {true.kind} {true.plate}, plate hidden for {true.hidden_s or 0:.1f} s" for true in result.missed],
    }


def _rendered(folder: Path, seed: int, *, pictures: bool) -> Path:
    needed = [folder / "truth.json", *([folder / "masuk.mp4", folder / "keluar.mp4"] if pictures else [])]
    if not all(file.exists() for file in needed):
        command = [sys.executable, "-m", "simulator", "--seed", str(seed), "--out", str(folder)]
        subprocess.run([*command, *(() if pictures else ("--truth-only",))], check=True)
    return folder


def _frames(site: Site) -> Iterable[Frame]:
    return SiteSources(site, SystemClock()).open(site.cameras[0]).frames()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.rendered_clips", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", required=True, metavar="N", help="seeds of the simulator")
    parser.add_argument("--clips", type=Path, default=Path("rendered"), metavar="DIR", help="a folder for each seed (default: %(default)s)")
    parser.add_argument("--boxes", action="store_true", help="only tracker and rules, on the boxes of the ground truth")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
