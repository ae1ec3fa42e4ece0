"""Lawful traffic in real clips: `python -m benchmark.real_clips --clips DIR` runs the site files in this folder on clips that are not part
of this project. No vehicle in them drives against the traffic, so every violation is false.

`etle evaluate clips` measures clips with violations. `--sheets DIR` writes a picture of the evidence of each violation.
"""

import argparse
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmark import report
from benchmark.real_clips.sheet import sheet
from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle.types import Frame
from ingest.sources.provider import SiteSources
from pipeline.assembly import open_site_engines
from pipeline.evaluation.clips import run

SITES = sorted(Path(__file__).parent.glob("*.yaml"))


def main() -> None:
    args = _arguments()
    rows = measured(args.clips, args.sheets)
    report.show("Lawful traffic in real clips", rows)
    report.save(args.json, {"false": sum(row["false"] for row in rows), "clips": rows})


def measured(folder: Path, sheets: Path | None = None) -> list[dict[str, Any]]:
    """A row for each clip with its number of false violations."""
    return [_row(load_site(file, {**os.environ, "ETLE_CLIPS": str(folder.absolute())}), sheets) for file in SITES]


def _row(site: Site, sheets: Path | None) -> dict[str, Any]:
    messages = run(site, open_site_engines(site), _frames)
    if sheets:
        for message in messages:
            sheet(message, sheets / f"{site.site}-{message.violation.rule}-{message.violation.id}.png")
    return {"clip": site.site, "false": len(messages)}


def _frames(site: Site) -> Iterable[Frame]:
    return SiteSources(site, SystemClock()).open(site.cameras[0]).frames()


def _arguments() -> argparse.Namespace:
    parser = report.parser("real_clips", __doc__)
    parser.add_argument("--clips", type=Path, required=True, metavar="DIR", help="folder with the clips")
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write a picture of each violation's evidence into this folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()
