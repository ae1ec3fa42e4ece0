"""`etle init`: from a video or a camera's address to a site file that can be drawn on; and what a site file draws, shown.

What it draws at first are guesses at the size of the picture, so that the file shows how each thing is written.
"""

import argparse
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, Site, load_site
from etle.config.sources import (
    FileSourceSettings,
    FolderSourceSettings,
    MjpegSourceSettings,
    RtspSourceSettings,
    SnapshotSourceSettings,
    SourceSettings,
)
from etle.errors import ConfigError, MissingExtra, SourceUnavailable
from etle.types import View
from pipeline.site_setup.frame_grid import draw_grid
from pipeline.site_setup.template import PASSWORD, SCHEMA, site_text

if TYPE_CHECKING:
    from rich.console import Console

    from pipeline.site_setup.optical_flow import FootageSurvey

_SITE, _FRAME, _GRID = "site.yaml", "frame.jpg", "frame-grid.jpg"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "init",
        help="write a site file for a video, a folder of pictures or a camera; show what a site file draws",
        description="Watches a video file, a folder or a camera (rtsp://, http://) for some seconds and writes: site.yaml, commented, with "
        "guesses to correct; site.schema.json, with which an editor completes and checks it; frame.jpg, a picture; frame-grid.jpg, the "
        "picture with its pixels labelled and the guesses drawn, to read positions off. "
        "Given a site file, it checks it and draws what it says on a picture of each camera: CAMERA-grid.jpg.",
    )
    parser.add_argument("source", metavar="VIDEO_OR_URL", help="a video file, a folder of pictures, an address, or a site file (.yaml)")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where to write (default: here; of a site file, beside it)")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.add_argument("--fps", type=float, help="of a folder whose pictures tell no time: the rate they were taken at")
    parser.add_argument("--view", choices=[*View], type=View, help="the side of the vehicles that the camera sees (default: by what moves)")
    parser.add_argument("--watch", metavar="S", type=float, default=10.0, help="seconds to watch what moves (default: %(default)s)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True, markup=False)
    if args.source.endswith((".yaml", ".yml")):
        path = Path(args.source)
        _draw_site(load_site(path), args.out or path.parent, args.watch, console)
    else:
        _begin(args.source, args.out or Path(), args, console)
    return 0


def _begin(origin: str, out: Path, args: argparse.Namespace, console: "Console") -> None:
    from pipeline.site_setup.optical_flow import look

    _refuse_to_overwrite(out, args.force)
    with console.status("Watching the source ..."):
        source = _source_of(origin, args.fps)
        seen = look(source, args.watch)
    frame, view = seen.frame, args.view or seen.view
    out.mkdir(parents=True, exist_ok=True)
    (out / _SITE).write_text(site_text(origin, source, (frame.width, frame.height), seen.starts_at, view, out), encoding="utf-8")
    shutil.copyfile(configs_folder() / SCHEMA, out / SCHEMA)
    (out / _FRAME).write_bytes(frame.jpeg)
    (camera,) = load_site(out / _SITE, {PASSWORD: "-"}).cameras
    drawn = _write_grid(out / _GRID, frame.jpeg, camera, " (guess)")
    console.print(f"Wrote {out / _SITE}, {SCHEMA}, {_FRAME} ({frame.width}x{frame.height}){f' and {_GRID}' if drawn else ''}.")
    if not drawn:
        console.print(f"No {_GRID}: drawing it takes OpenCV: pip install 'etle[detect]'")
    console.print("\nNext:")
    for number, step in enumerate(_next_steps(origin, source, seen, view, out / _SITE), 1):
        console.print(f" {number}. {step}")


def _draw_site(site: Site, out: Path, watch_s: float, console: "Console") -> None:
    """Raises ConfigError where the drawings, the rules or the size of the frame are wrong."""
    from pipeline.site_setup.optical_flow import SETTLED_S, look

    _check_rules(site)
    for camera in site.cameras:
        with console.status(f"Watching {camera.id} ..."):
            frame = look(camera.source, min(watch_s, SETTLED_S)).frame
        if (frame.width, frame.height) != camera.frame_size:
            said = "x".join(map(str, camera.frame_size))
            raise ConfigError(f"camera {camera.id!r}: frame_size is {said}, but its pictures are {frame.width}x{frame.height}")
        path = out / f"{camera.id}-grid.jpg"
        path.write_bytes(draw_grid(frame.jpeg, camera))
        console.print(f"Wrote {path}: {len(camera.lines)} lines, {len(camera.lanes)} lanes, {len(camera.signals)} signals.")


def _check_rules(site: Site) -> None:
    try:
        from pipeline.rules import build_rules
        from pipeline.scene.calibration import calibrate
    except ImportError as error:
        raise MissingExtra("numpy", "detect") from error
    for camera in site.cameras:
        build_rules(camera, calibrate(camera))


def _refuse_to_overwrite(out: Path, force: bool) -> None:
    there = [name for name in (_SITE, _FRAME, _GRID) if (out / name).exists()]
    if there and not force:
        raise ConfigError(f"{out / there[0]} is there already; give another --out, or --force to overwrite it")


def _source_of(origin: str, fps: float | None) -> SourceSettings:
    """What kind of source a path or an address is. Raises SourceUnavailable, SourceBroken."""
    if "://" in origin:
        return _address_source(origin)
    path = Path(origin)
    if not path.exists():
        raise SourceUnavailable(f"{origin}: no such file or folder")
    return FolderSourceSettings(folder=path, fps=fps) if path.is_dir() else FileSourceSettings(file=path)


def _address_source(url: str) -> SourceSettings:
    scheme = urlsplit(url).scheme
    if scheme in ("rtsp", "rtsps"):
        return RtspSourceSettings(rtsp=url)
    if scheme not in ("http", "https"):
        raise SourceUnavailable(f"an address begins with rtsp://, rtsps://, http:// or https://, not with {scheme}://")
    from etle.address import Address
    from ingest.sources.http import HttpClient

    with HttpClient(Address.of(url), timeout_s=10.0).open() as answer:
        kind = answer.headers.get_content_type()
    if kind.startswith("multipart/"):
        return MjpegSourceSettings(mjpeg=url)
    return SnapshotSourceSettings(snapshot=url) if kind == "image/jpeg" else RtspSourceSettings(rtsp=url)


def _next_steps(origin: str, source: SourceSettings, seen: "FootageSurvey", view: View | None, site: Path) -> list[str]:
    side = f"is {view}" if view else f"could not be told and says {View.REAR}"
    check = [f"`view` {side}", "`timezone`", "`site` and `name`"]
    if not source.live:
        check.insert(0, f"`starts_at` is {seen.starts_at:%Y-%m-%d %H:%M} UTC, as the file tells it")
    steps = [
        f"Open {_GRID}: what is drawn on it are guesses. Read off where the stop line, the junction, the signal's head and the lanes are.",
        f"Write the positions into {site}: `head` of signals, `points` and `beyond` of lines, `polygon` and `along` of lanes.",
        f"Look at what you wrote: etle init {site}",
        f"Check what evidence will carry: {'; '.join(check)}.",
        "Take the comment signs off the rules that shall watch, and: " + f"etle run {site}",
    ]
    if "://" in origin and urlsplit(origin).password is not None:
        steps.insert(0, f"export {PASSWORD}=...  (the camera's password as it stands in the address; the site file only names it)")
    return steps


def _write_grid(path: Path, jpeg: bytes, camera: CameraSettings, note: str) -> bool:
    """False if OpenCV is not installed."""
    try:
        data = draw_grid(jpeg, camera, note)
    except MissingExtra:
        return False
    path.write_bytes(data)
    return True
