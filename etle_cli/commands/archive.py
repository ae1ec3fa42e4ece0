"""`etle archive`: record, list, verify and export the frames of a site, and keep them from being deleted."""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from etle.clock import SystemClock
from etle.config.deployment import evidence_place
from etle.config.site import Site, load_site
from etle.errors import ConfigError
from etle_cli.options.broker import broker_connection
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.options.operator import operator
from etle_cli.options.period import add_period_options, period
from etle_cli.options.storage import DATA_FOLDER, data_folder
from etle_cli.shutdown import stop_on_signals

if TYPE_CHECKING:
    from etle.storage.archive.holds import ArchiveHolds, Hold
    from etle.storage.archive.opening import ArchivePlace
    from etle.storage.archive.reader import ArchivedFrame, ArchiveReader
    from etle.storage.archive.retention import StoredSegment
    from etle.storage.archive.segment import ArchivedMessage
    from etle.storage.archive.verify import ArchiveFinding
    from etle.types import CameraId, Frame

_GB = 1_000_000_000


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("archive", help="record, list, verify and export the frames of a site")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_record(actions)

    listed = actions.add_parser("list", help="show what is archived, by camera and day")
    listed.add_argument("--json", action="store_true", help="print one JSON object per segment")
    listed.set_defaults(run=run_list)

    verified = actions.add_parser(
        "verify",
        help="rehash every frame",
        description="Compares every picture with its digest, every header with its checksum, both with the index, and, if the site file "
        "has `ingest.devices`, every signature. Names the segment and the frame. The exit code is 1 if there is a finding.",
    )
    verified.add_argument("--json", action="store_true", help="print one JSON object per finding")
    verified.set_defaults(run=run_verify)

    exported = actions.add_parser("export", help="copy a range of footage, byte for byte")
    exported.add_argument(
        "--out",
        metavar="PATH",
        type=Path,
        required=True,
        help="a file that ends with .mkv, or a folder for JPEGs and a list of their digests",
    )
    exported.set_defaults(run=run_export)

    for action in (listed, verified):
        action.add_argument("--camera", metavar="ID", help="only this camera")
        add_period_options(action)
    exported.add_argument("--camera", metavar="ID", required=True)
    add_period_options(exported, required=True)
    for action in (listed, verified, exported):
        _add_place_options(action)
    _add_hold(actions)


def _add_record(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    recorded = actions.add_parser(
        "record",
        help="run a worker that archives Kafka's frames",
        description="Reads frames of the site's cameras from Kafka in a consumer group of its own, and writes them to the archive of the "
        "site file (`archive`). Several may run, on one or several hosts. `etle run` archives by itself. Ctrl-C and SIGTERM stop it.",
    )
    _add_place_options(recorded)
    add_observability_options(recorded)
    recorded.set_defaults(run=run_record)


def _add_hold(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    hold = actions.add_parser("hold", help="keep footage from being deleted")
    ways = hold.add_subparsers(dest="way", required=True, metavar="ACTION")
    placed = ways.add_parser("add", help="keep the footage of a range of time, whatever its age and size, until the hold is released")
    placed.add_argument("--camera", metavar="ID", help="only this camera (default: all)")
    placed.add_argument("--reason", required=True, help="why, such as the number of a case")
    add_period_options(placed, required=True)
    placed.set_defaults(run=run_hold_add)
    listed = ways.add_parser("list", help="show all holds, also released ones")
    listed.set_defaults(run=run_hold_list)
    released = ways.add_parser("release", help="end a hold; it stays on record")
    released.add_argument("--id", required=True, help="as shown by `etle archive hold list`")
    released.set_defaults(run=run_hold_release)
    for way in (placed, listed, released):
        _add_place_options(way)


def _add_place_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("site", metavar="SITE.yaml", type=Path, help="the site file, for its `archive`")
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help=f"data folder, if `archive.location` names none (default: ETLE_DATA, otherwise ./{DATA_FOLDER})",
    )


def run_record(args: argparse.Namespace) -> int:
    from etle.signing import frame_verifier
    from etle.storage.archive.opening import open_archive_writer
    from pipeline.workers.archive import STAGE, open_archive_worker
    from pipeline.workers.supervise import run_worker

    site, clock, place = _opened(args)
    connection = broker_connection(site.broker)
    evidence = evidence_place(site.store, os.environ) or data_folder(args.data) / "evidence"
    cameras = frozenset(camera.camera_id for camera in site.cameras)
    with open_observability(args.metrics) as seen, stop_on_signals() as stop:
        metrics = seen.metrics
        with open_archive_writer(
            site, place, clock, evidence=evidence, on_deleted=lambda segment, reason: metrics.archive_deleted(reason.value)
        ) as writer:
            verify = frame_verifier(site.ingest)
            run_worker(lambda: open_archive_worker(connection, writer, cameras, verify, clock, metrics), STAGE, stop, seen.health, metrics)
    return 0


def run_list(args: argparse.Namespace) -> int:
    site, clock, place = _opened(args)
    reader, holds = _reader(site, place), _holds(site, place, clock).all()
    segments = reader.segments(_camera(args, site), *period(args, site))
    if args.json:
        for segment in segments:
            sys.stdout.write(json.dumps(_segment_json(reader, segment, holds)) + "\n")
    else:
        _show(site, reader, segments, holds)
    return 0


def run_verify(args: argparse.Namespace) -> int:
    from rich.console import Console

    from etle.signing import frame_verifier
    from etle.storage.archive.verify import SegmentVerifier

    site, _, place = _opened(args)
    reader, signatures, console = _reader(site, place), frame_verifier(site.ingest), Console(stderr=args.json)
    segments = reader.segments(_camera(args, site), *period(args, site))
    findings = frames = 0
    for segment in segments:
        verifier = SegmentVerifier(reader, segment.name, signatures)
        for finding in verifier.findings():
            findings += 1
            if args.json:
                sys.stdout.write(json.dumps(_finding_json(finding)) + "\n")
            else:
                frame = "" if finding.number is None else f", frame {finding.number}"
                console.print(f"{finding.fault}: {finding.segment.video}{frame}: {finding.detail}", markup=False, highlight=False)
        frames += verifier.frames
    signed = "" if signatures is None else " and signed"
    summary = f"{findings} findings." if findings else f"All are present, unchanged{signed}." if frames else ""
    console.print(f"{len(segments)} segments with {frames} frames were checked. {summary}", highlight=False)
    return 1 if findings else 0


def run_export(args: argparse.Namespace) -> int:
    from etle.storage.archive.export import export_folder, export_matroska, frames_between

    site, _, place = _opened(args)
    since, until = period(args, site)
    camera = _camera(args, site)
    assert since and until and camera, "these options are required"
    damaged: list[ArchivedFrame] = []
    frames = _whole(frames_between(_reader(site, place), camera, since, until), damaged)
    as_video = args.out.suffix == ".mkv"
    exported = export_matroska(frames, args.out) if as_video else export_folder(frames, args.out, ZoneInfo(site.timezone))
    sys.stdout.write(f"{exported} frames were copied to {args.out}.\n")
    for frame in damaged:
        sys.stderr.write(f"{frame.segment.video}, frame {frame.number} is damaged and was left out: {frame.problem}\n")
    return 1 if damaged else 0


def run_hold_add(args: argparse.Namespace) -> int:
    site, clock, place = _opened(args)
    since, until = period(args, site)
    assert since and until, "these options are required"
    hold = _holds(site, place, clock).place(_camera(args, site), since, until, args.reason, operator())
    sys.stdout.write(f"{hold.id}: {hold.camera or 'all cameras'} from {since.isoformat()} to {until.isoformat()} are kept.\n")
    return 0


def run_hold_list(args: argparse.Namespace) -> int:
    from rich.table import Table

    from etle_cli.tables.violations import wide_console

    site, clock, place = _opened(args)
    table = Table("id", "camera", "from (UTC)", "to (UTC)", "reason", "placed by", "released by")
    holds = _holds(site, place, clock).all()
    for hold in holds:
        times = (f"{at:%Y-%m-%d %H:%M}" for at in (hold.since, hold.until))
        table.add_row(hold.id, hold.camera or "all", *times, hold.reason, hold.placed_by, hold.released_by or "")
    table.columns[0].no_wrap = True
    wide_console().print(table if holds else "No holds.")
    return 0


def run_hold_release(args: argparse.Namespace) -> int:
    site, clock, place = _opened(args)
    hold = _holds(site, place, clock).release(args.id, operator())
    sys.stdout.write(f"{hold.id} is released.\n")
    return 0


def _opened(args: argparse.Namespace) -> "tuple[Site, SystemClock, ArchivePlace]":
    """Raises ConfigError if the site has no archive."""
    from etle.storage.archive.opening import ArchivePlace, archive_settings

    site = load_site(args.site)
    return site, SystemClock(), ArchivePlace.of(archive_settings(site), data_folder(args.data))


def _reader(site: Site, place: "ArchivePlace") -> "ArchiveReader":
    """Raises ConfigError if there is no archive of the site."""
    from etle.storage.archive.opening import open_archive_reader

    reader = open_archive_reader(site, place)
    if not reader.segments():
        raise ConfigError(f"nothing of the site {site.site!r} is archived in {place.bucket or place.folder}")
    return reader


def _holds(site: Site, place: "ArchivePlace", clock: SystemClock) -> "ArchiveHolds":
    from etle.storage.archive.opening import open_archive_holds

    return open_archive_holds(site, place, clock)


def _camera(args: argparse.Namespace, site: Site) -> "CameraId | None":
    """Raises ConfigError for a camera that the site does not have."""
    return site.with_cameras([args.camera]).cameras[0].camera_id if args.camera else None


def _whole(frames: "Iterator[ArchivedFrame]", damaged: "list[ArchivedFrame]") -> "Iterator[tuple[Frame, ArchivedMessage]]":
    for each in frames:
        if each.message is None:
            damaged.append(each)
        else:
            yield each.message.frame(), each.message


def _show(site: Site, reader: "ArchiveReader", segments: "Sequence[StoredSegment]", holds: "Sequence[Hold]") -> None:
    from rich.table import Table

    from etle_cli.tables.violations import wide_console

    table = Table("camera", "day (UTC)", "segments", "frames", "first", "last hour", "GB", "held")
    days: dict[tuple[str, str], list[StoredSegment]] = {}
    for segment in segments:
        days.setdefault((segment.name.camera, f"{segment.name.begins_at:%Y-%m-%d}"), []).append(segment)
    for (camera, day), own in sorted(days.items()):
        frames = sum(reader.count(segment.name) for segment in own)
        held = sum(any(hold.covers(segment.name) for hold in holds) for segment in own)
        first, last = own[0].name.begins_at, own[-1].name.hour
        size = sum(segment.size for segment in own) / _GB
        table.add_row(camera, day, str(len(own)), str(frames), f"{first:%H:%M:%S}", f"{last:%H:%M}", f"{size:.2f}", str(held or ""))
    wide_console().print(table if segments else "Nothing is archived.")


def _segment_json(reader: "ArchiveReader", segment: "StoredSegment", holds: "Sequence[Hold]") -> dict[str, object]:
    name = segment.name
    return {
        "segment": name.video,
        "camera": name.camera,
        "begins_at": name.begins_at.isoformat(),
        "frames": reader.count(name),
        "bytes": segment.size,
        "holds": [hold.id for hold in holds if hold.covers(name)],
    }


def _finding_json(finding: "ArchiveFinding") -> dict[str, object]:
    return {"fault": finding.fault.value, "segment": finding.segment.video, "frame": finding.number, "detail": finding.detail}
