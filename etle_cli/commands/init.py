"""`etle init`: writes a first site file for a video or a camera, or draws the positions of a site file on pictures of its cameras.

The positions in a new site file are guesses in proportion to the picture, to show how each is written.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etle.config.site import load_site
from etle.errors import SourceBroken
from etle.types import View

if TYPE_CHECKING:
    from rich.console import Console

    from etle.config.sources import SourceSettings
    from pipeline.site_setup.site_files import NewSite
    from pipeline.site_setup.survey import FootageSurvey


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "init",
        help="write a site file for a video, a folder of pictures or a camera; draw the positions of a site file",
        description="Reads a video file, a folder or a camera (rtsp://, http://) for some seconds and writes: site.yaml, commented, with "
        "guessed positions to correct; site.schema.json, with which an editor completes and checks it; frame.jpg, a picture; "
        "frame-grid.jpg, the picture with labelled pixels and the guessed positions. "
        "For a site file, it checks the file and draws its positions on a picture of each camera: CAMERA-grid.jpg.",
    )
    parser.add_argument("source", metavar="VIDEO_OR_URL", help="a video file, a folder of pictures, an address, or a site file (.yaml)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="output folder (default: current folder; for a site file, its folder)")
    parser.add_argument("--force", action="store_true", help="overwrite existing files")
    parser.add_argument("--fps", type=float, help="frame rate of a folder whose pictures contain no time")
    parser.add_argument(
        "--view", choices=[*View], type=View, help="the side of the vehicles that the camera sees (default: from the direction of travel)"
    )
    parser.add_argument(
        "--duration", metavar="S", type=float, default=10.0, help="seconds to read for the direction of travel (default: %(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, markup=False)
    if args.source.endswith((".yaml", ".yml")):
        path = Path(args.source)
        _draw_site(path, args.out or path.parent, args.duration, console)
    else:
        _write_site(args, args.out or Path(), console)
    return 0


def _write_site(args: argparse.Namespace, out: Path, console: "Console") -> None:
    from ingest.sources.probe import probe_source
    from pipeline.site_setup.site_files import FRAME_FILE, GRID_FILE, SITE_FILE, NewSite, check_overwrite, write_new_site
    from pipeline.site_setup.template import SCHEMA

    if not args.force:
        check_overwrite(out)
    with console.status("Reading the source ..."):
        source = probe_source(args.source, args.fps)
        survey = _survey(source, args.duration)
    new = NewSite(origin=args.source, source=source, survey=survey, view=args.view or survey.view)
    has_grid = write_new_site(out, new)
    size = f"{survey.frame.width}x{survey.frame.height}"
    console.print(f"Wrote {out / SITE_FILE}, {SCHEMA}, {FRAME_FILE} ({size}){f' and {GRID_FILE}' if has_grid else ''}.")
    if not has_grid:
        console.print(f"No {GRID_FILE}: drawing it requires OpenCV: pip install 'etle[detect]'")
    console.print("\nNext:")
    for number, step in enumerate(_next_steps(new, out / SITE_FILE, GRID_FILE), 1):
        console.print(f" {number}. {step}")


def _draw_site(path: Path, out: Path, duration_s: float, console: "Console") -> None:
    """Raises ConfigError if the drawings, the rules or the frame size are wrong."""
    from pipeline.assembly import open_lamp_reader
    from pipeline.site_setup.site_files import check_rules, write_camera_grid
    from pipeline.site_setup.survey import SETTLING_S

    site = load_site(path)
    check_rules(site)
    lamps = open_lamp_reader()
    for camera in site.cameras:
        with console.status(f"Reading {camera.id} ..."):
            frame = _survey(camera.source, min(duration_s, SETTLING_S)).frame
        grid = write_camera_grid(out, camera, frame, lamps)
        console.print(f"Wrote {grid}: {len(camera.lines)} lines, {len(camera.lanes)} lanes, {len(camera.signals)} signals.")


def _survey(source: "SourceSettings", duration_s: float) -> "FootageSurvey":
    """Raises SourceError."""
    from etle.clock import SystemClock
    from etle.types import CameraId
    from ingest.frame_loss import FrameLossCounter
    from ingest.sources.open import open_source
    from pipeline.site_setup.survey import survey_footage

    opened = open_source(CameraId("init"), source, SystemClock(), FrameLossCounter(), attempts=2)
    survey = survey_footage(opened.frames(), duration_s)
    if survey is None:
        raise SourceBroken(f"{source.description}: no picture could be read from it")
    return survey


def _next_steps(new: "NewSite", site: Path, grid: str) -> list[str]:
    from pipeline.site_setup.template import PASSWORD

    side = f"is {new.view}" if new.view else f"is set to {View.REAR}, because the direction of travel is not clear"
    check = [f"`view` {side}", "`timezone`", "`site` and `name`"]
    if not new.source.live:
        check.insert(0, f"`starts_at` is {new.survey.starts_at:%Y-%m-%d %H:%M} UTC, from the file")
    steps = [
        f"The drawn positions are guesses. Draw lines, lanes and signals in the browser: etle calibrate serve {site}",
        f"Or read them off {grid} and write them into {site}: `head` of signals, `points` and `beyond` of lines, `polygon` and `along` of"
        f" lanes; then check the drawn result: etle init {site}",
        f"Check what the evidence will state: {'; '.join(check)}.",
        f"Remove the comment signs of the rules to enforce, and: etle run {site}",
    ]
    if "://" in new.origin and urlsplit(new.origin).password is not None:
        steps.insert(0, f"export {PASSWORD}=...  (the camera's password, URL-encoded; the site file contains only the variable's name)")
    return steps
