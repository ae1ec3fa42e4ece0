"""Real clips from five cities: `python -m benchmark.real_clips --clips DIR` runs the site files in this folder on clips that are not part
of this project, and compares the violations with crossings labelled by hand (clips_truth.json, by frame).

A violation is right if it is within the tolerance of a labelled crossing on red. Two clips have no vehicle against the traffic, so every
wrong-way violation in them is false. `--sheets DIR` writes a picture of the evidence of each violation.
"""

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

from benchmark import report
from benchmark.real_clips.sheet import sheet
from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle.config.sources import FileSourceSettings
from etle.media.video import Video
from etle.storage.stores import StorageOptions, Stores, open_stores
from etle.types import Violation
from ingest.sources.provider import SiteSources
from pipeline.assembly import open_engines, shipped_law
from pipeline.evidence.writer import Writer
from pipeline.workers.site_run import NoProgress, RunOutcome, RunStores, run_site
from pipeline.workers.stages import SiteStageFactory

SITES = sorted(Path(__file__).parent.glob("*.yaml"))


@dataclass(frozen=True, slots=True)
class LabelledClip:
    site: Site
    expected: tuple[tuple[datetime, datetime], ...]
    """For each crossing on red, the earliest and latest time at which it may be reported."""


def main() -> None:
    args = _arguments()
    rows = measured(args.clips, args.truth, args.sheets)
    report.show("Violations in real clips", rows)
    happened, right, false = (sum(row[key] for row in rows) for key in ("happened", "right", "false"))
    figures = {"recall": right / happened, "precision": right / max(1, right + false), "happened": happened, "right": right, "false": false}
    report.save(args.json, {**figures, "ratio": figures["recall"], "clips": rows})


def measured(folder: Path, truth_file: Path | None = None, sheets: Path | None = None) -> list[dict[str, Any]]:
    """A row for each clip: number of labelled violations, of these found, and of false ones."""
    truth = json.loads((truth_file or folder.parent / "clips_truth.json").read_text())
    clips = [_clip(load_site(file, {**os.environ, "ETLE_CLIPS": str(folder.absolute())}), truth) for file in SITES]
    with tempfile.TemporaryDirectory() as data, open_stores(StorageOptions(data=Path(data))) as stores:
        return [_row(clip, stores, sheets) for clip in clips]


def _row(clip: LabelledClip, stores: Stores, sheets: Path | None) -> dict[str, Any]:
    outcome = _run(clip.site, stores)
    found = [violation for violation in outcome.new if violation.rule != "stop_line"]
    matched = {index for index, span in enumerate(clip.expected) for violation in found if span[0] <= violation.occurred_at <= span[1]}
    right = sum(_expected(violation, clip.expected) for violation in found)
    if sheets:
        for violation in outcome.new:
            sheet(violation, stores.evidence, sheets / f"{clip.site.site}-{violation.rule}-{violation.id}.png")
    return {
        "clip": clip.site.site,
        "frames": outcome.frames,
        "happened": len(clip.expected),
        "right": len(matched),
        "false": len(found) - right,
        "stop line": sum(violation.rule == "stop_line" for violation in outcome.new),
    }


def _run(site: Site, stores: Stores) -> RunOutcome:
    clock = SystemClock()
    return run_site(
        site,
        lambda: SiteStageFactory(site, open_engines(site.detect), shipped_law()),
        SiteSources(site, clock),
        RunStores(
            sink=Writer.with_signer(stores.cases, stores.evidence, stores.signer), checkpoints=stores.checkpoints, losses=stores.losses
        ),
        clock,
        NoProgress(),
        Event(),
    )


def _expected(violation: Violation, spans: Sequence[tuple[datetime, datetime]]) -> bool:
    return any(start <= violation.occurred_at <= end for start, end in spans)


def _clip(site: Site, truth: dict[str, Any]) -> LabelledClip:
    source = site.cameras[0].source
    if not isinstance(source, FileSourceSettings) or all(entry.rule != "red_light" for entry in site.cameras[0].rules):
        return LabelledClip(site, ())  # no vehicle violates the rule
    assert source.starts_at is not None
    with Video(str(source.file)) as video:
        fps = video.info.fps or 25.0
    labels = truth[source.file.name]
    tolerance = labels["tolerance_frames"] + 1

    def time_of(frame: float) -> datetime:
        assert source.starts_at is not None
        return source.starts_at + timedelta(seconds=frame / fps)

    crossings = [crossing for line in labels["lines"] for crossing in line["crossings"] if crossing.get("red_light_violation")]
    spans = ((c.get("first", c["contact"]) - tolerance, c.get("last", c["contact"]) + tolerance) for c in crossings)
    return LabelledClip(site, tuple((time_of(first), time_of(last)) for first, last in spans))


def _arguments() -> argparse.Namespace:
    parser = report.parser("real_clips", __doc__)
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR", help="folder with the clips")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="labelled crossings (default: clips_truth.json beside --clips)")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write a picture of each violation's evidence into this folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
