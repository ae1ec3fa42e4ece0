"""`etle capacity`: what a number of cameras needs, from costs that are measured on this host."""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.clock import SystemClock, seconds_between
from etle.config.deployment import ArchiveSettings
from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, Site, load_site
from etle.errors import ConfigError

if TYPE_CHECKING:
    from etle.types import Frame
    from pipeline.capacity.footage import CameraFootage
    from pipeline.capacity.measure import MeasuringPlaces
    from pipeline.capacity.plan import Assumptions, CapacityPlan, MeasuredCosts, Workload

_SECONDS: Final = 25.0
_CAMERAS: Final = 2


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "capacity",
        help="measure this host, and calculate what N cameras need",
        description="Measures on this host, in about a minute, what each stage costs with the models of the site, and calculates "
        "the workers, partitions, brokers, network and disks that N cameras need. Without --site the bundled footage is measured, "
        "which has vehicles close up and much traffic. Every assumption is listed with its name and can be set:  --set peak_share=0.1.",
    )
    parser.add_argument("--cameras", metavar="N", type=_count, required=True, help="number of cameras")
    parser.add_argument("--fps", metavar="F", type=float, default=10.0, help="frames per second of each camera (default: %(default)g)")
    parser.add_argument("--site", metavar="SITE.yaml", type=Path, help="measure on this site's footage, with its models and settings")
    parser.add_argument("--width", metavar="PX", type=int, help="width of the cameras' frames (default: that of the footage)")
    parser.add_argument("--height", metavar="PX", type=int, help="height of the cameras' frames (default: that of the footage)")
    parser.add_argument(
        "--seconds", metavar="S", type=float, default=_SECONDS, help="footage of each measured camera (default: %(default)g s)"
    )
    parser.add_argument(
        "--set",
        dest="given",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        type=_setting,
        help="set an assumption, or replace a measured cost; the table lists the names (may be given several times)",
    )
    parser.add_argument("--costs", metavar="FILE", type=Path, help="measure nothing: take the costs from a file that --json wrote")
    parser.add_argument("--json", action="store_true", help="print costs, assumptions and result as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from pipeline.capacity.plan import Workload, plan_capacity, settable, with_values

    given: dict[str, float] = dict(args.given)
    if unknown := given.keys() - settable().keys():
        raise ConfigError(f"--set {sorted(unknown)[0]}: no such value; there are: {', '.join(settable())}")
    if not 0 < args.fps <= 100:
        raise ConfigError("--fps is a number of frames per second, up to 100")
    site = load_site(args.site or configs_folder() / "demo" / "site.yaml")
    assumed = with_values(assumptions(site if args.site else None), given)
    costs = stored_costs(args.costs) if args.costs else measured_costs(site, args.fps, args.seconds, args.width, args.height)
    load, costs = Workload(cameras=args.cameras, fps=args.fps), with_values(costs, given)
    plan = plan_capacity(load, costs, assumed)
    if args.json:
        document = {"workload": asdict(load), "measured": asdict(costs), "assumed": asdict(assumed), "plan": asdict(plan)}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    else:
        _show(load, costs, assumed, plan)
    return 0


def assumptions(site: Site | None) -> "Assumptions":
    """The site's own replication and retention, where there is a site."""
    from pipeline.capacity.plan import Assumptions

    if site is None:
        return Assumptions()
    return Assumptions(
        replication=site.broker.replication,
        retention_hours=site.broker.frames.retention_hours,
        archive_days=site.archive.keep_days if site.archive else 0.0,
    )


def stored_costs(file: Path) -> "MeasuredCosts":
    from pipeline.capacity.plan import MeasuredCosts

    try:
        return MeasuredCosts(**json.loads(file.read_text(encoding="utf-8"))["measured"])
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"{file} is no result of `etle capacity --json`: {error}") from error


def measured_costs(
    site: Site, fps: float, seconds: float = _SECONDS, width: int | None = None, height: int | None = None
) -> "MeasuredCosts":  # fmt: skip
    """On the footage of the first cameras of the site."""
    from pipeline.capacity.measure import measure_costs

    cameras = [camera for camera in site.cameras if camera.source.opener is not None][:_CAMERAS]
    if not cameras:
        raise ConfigError("the site has no camera whose frames etle reads itself")
    sys.stderr.write(f"Measuring on {', '.join(camera.id for camera in cameras)}, for about a minute.\n")
    footage = [_footage(site, camera, fps, seconds, width, height) for camera in cameras]
    measured = site.model_copy(update={"cameras": tuple(each.camera for each in footage)})
    with _places(measured) as places:
        return measure_costs(measured, footage, places)


def _footage(
    site: Site, camera: CameraSettings, fps: float, seconds: float, width: int | None, height: int | None
) -> "CameraFootage":  # fmt: skip
    from ingest.sources.provider import SiteSources
    from pipeline.capacity.footage import resized_footage, thinned_footage
    from pipeline.capacity.measure import read_footage

    frames = SiteSources(site, SystemClock()).open(camera).frames()
    read = thinned_footage(read_footage(camera, _within(frames, seconds)), fps)
    return read if width is None and height is None else resized_footage(read, width, height)


def _within(frames: "Iterator[Frame]", seconds: float) -> "Iterator[Frame]":
    """The first seconds of a recording, or of a live camera from now on."""
    first = list(islice(frames, 1))
    yield from first
    if first:
        yield from takewhile(lambda frame: seconds_between(first[0].captured_at, frame.captured_at) < seconds, frames)


@contextmanager
def _places(site: Site) -> "Iterator[MeasuringPlaces]":
    """A database, evidence and an archive in a temporary folder."""
    from etle.storage.archive.opening import ArchivePlace, open_archive_writer
    from etle.storage.stores import StorageOptions, open_stores
    from pipeline.capacity.measure import MeasuringPlaces
    from pipeline.evidence.writer import Writer

    settings = ArchiveSettings(keep_days=36_500, keep_free_mb=0)
    with tempfile.TemporaryDirectory(prefix="etle-capacity-") as name, open_stores(StorageOptions(data=Path(name))) as stores:
        place = ArchivePlace.of(settings, Path(name))
        archived = site.model_copy(update={"archive": settings})
        yield MeasuringPlaces(
            folder=Path(name),
            sink=Writer.with_signer(stores.cases, stores.evidence, stores.signer),
            open_archive=lambda: open_archive_writer(archived, place, SystemClock(), evidence=stores.evidence_address),
        )


def _show(load: "Workload", costs: "MeasuredCosts", assumed: "Assumptions", plan: "CapacityPlan") -> None:
    from rich.console import Console

    from etle_cli.tables.capacity import plan_table, values_table
    from pipeline.capacity.plan import MAX_PARTITIONS

    console = Console()
    console.print(plan_table(load, plan))
    console.print(values_table("Measured on this host", costs))
    console.print(values_table("Assumed", assumed))
    if plan.core_share_of_camera > assumed.utilisation:
        console.print(
            f"[yellow]One camera with peak traffic needs {plan.core_share_of_camera:.2f} of a core, and one worker processes a camera:"
            " its frames would be late. Lower --fps, or use faster cores.",
            soft_wrap=True,
        )
    if plan.deployments > 1:
        console.print(
            f"[yellow]A topic has at most {MAX_PARTITIONS} partitions: divide the cameras among {plan.deployments} deployments, each"
            " with its own `broker.prefix`.",
            soft_wrap=True,
        )


def _count(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of cameras")
    return int(text)


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=NUMBER") from error
