"""The archive: time to find a frame in a month of eight cameras, CPU time of writing against that of ingest, and size against the JPEGs.

The month has a segment for every camera and hour. Most have a frame a minute; --full of them have ten frames a second, and half of the
lookups are in those. Its pictures are tiny: a lookup reads index records and one frame. Each lookup opens the archive anew.
Ingest is what an edge device does for a frame of a video: decode, encode as JPEG, hash, sign. Writing is what `etle run` adds to it.
"""

import argparse
import random
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import quantiles
from typing import Any

from benchmark import report
from etle.clock import SystemClock
from etle.config.deployment import ArchiveSettings
from etle.config.packaged import configs_folder
from etle.signing import Signer
from etle.storage.archive.files import FolderFiles
from etle.storage.archive.holds import ArchiveHolds
from etle.storage.archive.reader import ArchiveReader
from etle.storage.archive.retention import ArchiveRetention
from etle.storage.archive.segment import ArchivedMessage, SegmentName, SegmentWriter
from etle.storage.archive.writer import ArchiveCounts, ArchiveWriter
from etle.types import CameraId, Frame
from etle.wire import frame_to_wire
from ingest.frame_loss import FrameLossCounter
from ingest.sources.frames import frame_of
from ingest.sources.video_file import VideoFileSource

SITE = "benchmark"
BEGIN = datetime(2026, 10, 1, tzinfo=UTC)
CAMERAS = tuple(CameraId(f"cam-{number}") for number in range(1, 9))
MAX_LOOKUP_MS, MAX_WRITE_SHARE, MAX_SIZE_RATIO = 20.0, 0.05, 1.02


def main() -> None:
    args = _arguments()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        frames = list(islice(source(args.video).frames(), args.frames))
        writing = measure_writing(Path(folder) / "writing", args.video, frames)
        lookups = measure_lookups(Path(folder) / "month", frames[0].jpeg, args)
    ratio = writing["archive_ms"] / writing["ingest_ms"]
    rows = [
        {"": "lookup, p95 in ms", "measured": lookups["p95_ms"], "limit": MAX_LOOKUP_MS},
        {"": "CPU of writing / CPU of ingest", "measured": ratio, "limit": MAX_WRITE_SHARE},
        {"": "bytes / bytes of the JPEGs", "measured": writing["size_ratio"], "limit": MAX_SIZE_RATIO},
    ]
    report.show(f"{lookups['segments']} segments with {lookups['frames']} frames, {lookups['lookups']} lookups", rows)
    print(
        f"CPU per frame: ingest {writing['ingest_ms']:.2f} ms, archive {writing['archive_ms']:.2f} ms; JPEGs of {writing['jpeg_kb']:.0f} KB"
    )
    report.save(args.json, {"ratio": ratio, "writing": writing, "lookups": lookups})


def source(video: Path) -> VideoFileSource:
    return VideoFileSource(CAMERAS[0], video, SystemClock(), FrameLossCounter(), starts_at=BEGIN)


def measure_writing(folder: Path, video: Path, frames: Sequence[Frame]) -> dict[str, Any]:
    """CPU time per frame of the same frames, in one thread. The pages are written to the disk by the kernel in both cases."""
    signer = Signer.from_file(folder / "key.pem")
    started = time.process_time()
    for frame in islice(source(video).frames(), len(frames)):
        frame_to_wire(frame, signer.sign)
    ingest_s = time.process_time() - started
    writer = open_writer(folder)
    started = time.process_time()
    for number, frame in enumerate(frames):
        headers, jpeg = frame_to_wire(frame)
        writer.append(ArchivedMessage(headers=tuple(headers), jpeg=jpeg), frame)
        if number % 20 == 0:
            writer.sync()
    writer.close()
    archive_s = time.process_time() - started
    jpegs = sum(len(frame.jpeg) for frame in frames)
    return {
        "frames": len(frames),
        "ingest_ms": ingest_s * 1000 / len(frames),
        "archive_ms": archive_s * 1000 / len(frames),
        "jpeg_kb": jpegs / len(frames) / 1000,
        "size_ratio": sum(segment.size for segment in ArchiveReader((FolderFiles(folder),), SITE).segments()) / jpegs,
    }


def open_writer(folder: Path, site: str = SITE) -> ArchiveWriter:
    folder.mkdir(parents=True, exist_ok=True)
    settings, counts, files = ArchiveSettings(keep_days=10_000, keep_free_mb=0), ArchiveCounts(), FolderFiles(folder)
    holds = ArchiveHolds(files, site, SystemClock(), lambda: "hold")
    return ArchiveWriter(
        folder, site, settings, SystemClock(), ArchiveRetention(files, site, settings, holds, counts.count_deleted), counts
    )


def measure_lookups(folder: Path, jpeg: bytes, args: argparse.Namespace) -> dict[str, Any]:
    chance = random.Random(args.seed)
    hours = [(camera, BEGIN + timedelta(hours=hour)) for camera in CAMERAS for hour in range(args.days * 24)]
    full = chance.sample(hours, args.full)
    tiny = tiny_jpeg(jpeg)
    per_hour = {hour: 36_000 if hour in full else 60 for hour in hours}
    for (camera, begin), count in per_hour.items():
        write_hour(folder, camera, begin, count, tiny)
    taken_ms = [look_up(folder, per_hour, chance.choice(full if full and number % 2 else hours), chance) for number in range(args.lookups)]
    shutil.rmtree(folder)
    return {
        "segments": len(hours),
        "frames": sum(per_hour.values()),
        "lookups": len(taken_ms),
        "median_ms": quantiles(taken_ms, n=20)[9],
        "p95_ms": quantiles(taken_ms, n=20)[18],
    }


def look_up(folder: Path, per_hour: dict[tuple[CameraId, datetime], int], hour: tuple[CameraId, datetime], chance: random.Random) -> float:
    """Milliseconds to find and read one frame; checks that it is the right one."""
    number = chance.randrange(per_hour[hour])
    at = hour[1] + timedelta(hours=number / per_hour[hour])
    started = time.perf_counter()
    found = ArchiveReader((FolderFiles(folder),), SITE).frame_at(hour[0], at)
    taken_ms = (time.perf_counter() - started) * 1000
    assert found is not None and found.message is not None and found.message.frame().sequence == number, (hour, number, found)
    return taken_ms


def write_hour(folder: Path, camera: CameraId, begin: datetime, count: int, jpeg: bytes) -> None:
    first = frame_of(camera, 0, jpeg, captured_at=begin, received_at=begin)
    segment = SegmentWriter(folder, SegmentName(site=SITE, camera=camera, begins_at=begin), first)
    for number in range(count):
        at = begin + timedelta(hours=number / count)
        frame = replace(first, sequence=number, captured_at=at, received_at=at)
        segment.append(ArchivedMessage(headers=tuple(frame_to_wire(frame)[0]), jpeg=jpeg), frame)
    segment.finish()


def tiny_jpeg(jpeg: bytes) -> bytes:
    """The picture, reduced to 16 x 16 pixels."""
    import cv2
    import numpy as np

    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    return bytes(cv2.imencode(".jpg", cv2.resize(image, (16, 16)))[1])


def _arguments() -> argparse.Namespace:
    parser = report.parser("archive", __doc__)
    parser.add_argument("--video", type=Path, default=configs_folder() / "demo" / "masuk.mp4", help="default: the bundled footage")
    parser.add_argument("--frames", type=int, default=150, help="frames that are written (default: %(default)s)")
    parser.add_argument("--days", type=int, default=30, help="length of the month (default: %(default)s)")
    parser.add_argument("--full", type=int, default=16, help="hours with ten frames a second (default: %(default)s)")
    parser.add_argument("--lookups", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--folder", type=Path, help="where 2 GB are free (default: the temporary folder)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
