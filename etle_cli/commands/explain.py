"""`etle explain`: a video of what the stage saw, and why each vehicle was or was not reported."""

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etle.clock import SystemClock
from etle.config.site import CameraSettings, Site, load_site
from etle.errors import ConfigError
from etle.files import write_atomic
from etle_cli.options.footage import moment, with_footage

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from ingest.sources.provider import SiteSources
    from pipeline.explain.record import Explanation, Period


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "explain",
        help="show in a video and a table why each vehicle was or was not reported",
        description="Runs the stage over recorded footage, stores nothing, and writes a video with tracks, ids, lines, lanes, signals "
        "and plate reads (explain.mp4), and for every vehicle that met a line or lane of a rule why it was or was not reported "
        "(vehicles.json, and a table).",
    )
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file")
    parser.add_argument("--camera", action="append", metavar="ID", default=[], help="only this camera (may be given several times)")
    parser.add_argument("--footage", metavar="FILE", type=Path, help="a recording of the camera, instead of its source in the site file")
    parser.add_argument("--from", dest="start", metavar="TIME", type=moment, help="such as 16:00:05 (site's time zone) or ISO 8601")
    parser.add_argument("--to", dest="end", metavar="TIME", type=moment, help="the same")
    parser.add_argument("--track", metavar="ID", help="only this vehicle, by the id of its track in the table and the video")
    parser.add_argument("--out", metavar="FOLDER", type=Path, default=Path("explain"), help="where to write (default: explain)")
    parser.add_argument("--language", choices=("en", "id"), default="en", help="of the table (vehicles.json has both)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from etle_cli.tables.violations import wide_console

    console = wide_console()
    site = with_footage(load_site(args.site), args.camera, args.footage)
    problems = [_explain(site, camera, args, console) for camera in site.cameras]
    return 1 if any(problems) else 0


def _explain(site: Site, camera: CameraSettings, args: argparse.Namespace, console: "Console") -> bool:
    """Whether nothing could be explained."""
    from etle_cli.tables.explanations import table_of
    from ingest.sources.provider import SiteSources
    from pipeline.detect.visibility_report import limitations
    from pipeline.explain.document import document_of
    from pipeline.explain.record import only_track
    from pipeline.explain.sentences import TextLanguage
    from pipeline.explain.video import write_video

    zone, sources = ZoneInfo(site.timezone), SiteSources(site, SystemClock())
    period = _period(args.start, args.end, zone, sources, camera)
    explanation = look(site, camera, sources, period, console)
    if args.track is not None:
        explanation = only_track(explanation, args.track)
    if not explanation.frames:
        console.print(f"[red]{camera.id}: no frame in that time. {' '.join(explanation.rejected)}", highlight=False)
        return True
    folder = args.out if len(site.cameras) == 1 else args.out / camera.id
    folder.mkdir(parents=True, exist_ok=True)
    write_video(folder / "explain.mp4", explanation, sources.open(camera).frames(), zone)
    lost = sources.losses().get(camera.camera_id, {})
    said = limitations(camera.id, explanation.visibility, lost, timezone=site.timezone, site_file=args.site.name)
    document = {"site": site.site, "timezone": site.timezone, **document_of(explanation, said, zone)}
    write_atomic(folder / "vehicles.json", (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode())
    console.print(table_of(explanation.vehicles, zone, TextLanguage(args.language)))
    for sentence in said:
        console.print(f"[yellow]{sentence}", highlight=False, soft_wrap=True)
    console.print(
        f"{camera.id}: {len(explanation.frames)} frames; vehicles that met a line or lane: {len(explanation.vehicles)}."
        f" Written: {folder / 'explain.mp4'}, {folder / 'vehicles.json'}",
        highlight=False,
        soft_wrap=True,
    )
    return False


def look(site: Site, camera: CameraSettings, sources: "SiteSources", period: "Period", console: "Console") -> "Explanation":
    """What the stage sees and decides in the camera's footage; nothing is stored."""
    from pipeline.assembly import open_site_engines, shipped_law
    from pipeline.explain.record import explain_camera
    from pipeline.workers.stages import SiteStageFactory

    stages = SiteStageFactory(site, open_site_engines(site), shipped_law())
    with _progress(camera, console) as advance:
        return explain_camera(camera, site.evidence, stages, sources.open(camera), SystemClock(), period, advance)


def _period(
    start: "Callable[[ZoneInfo, datetime], datetime] | None",
    end: "Callable[[ZoneInfo, datetime], datetime] | None",
    zone: ZoneInfo,
    sources: "SiteSources",
    camera: CameraSettings,
) -> "Period":
    """Times of day are on the day of the footage's first frame."""
    from pipeline.explain.record import Period

    if start is None and end is None:
        return Period()
    first = next(islice(sources.open(camera).frames(), 1), None)
    if first is None:
        raise ConfigError(f"{camera.id}: the footage has no frames")
    begin = first.captured_at
    return Period(start=start(zone, begin) if start else None, end=end(zone, begin) if end else None)


@contextmanager
def _progress(camera: CameraSettings, console: "Console") -> "Iterator[Callable[[], None]]":
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(camera.id, total=camera.source.expected_frames())
        yield lambda: progress.advance(task)
