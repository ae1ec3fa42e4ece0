"""Archives in a temporary folder, with small drawn frames."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etle.config.deployment import ArchiveSettings
from etle.storage.archive.files import FolderFiles
from etle.storage.archive.holds import ArchiveHolds
from etle.storage.archive.reader import ArchiveReader
from etle.storage.archive.retention import ArchiveRetention
from etle.storage.archive.segment import ArchivedMessage
from etle.storage.archive.writer import ArchiveCounts, ArchiveWriter
from etle.testing import ManualClock
from etle.types import CameraId, Frame, digest_of
from etle.wire import Sign, frame_to_wire

SITE = "tes"
CAMERA = CameraId("cam-1")
BEGIN = datetime(2026, 11, 23, 3, 0, 15, 500000, tzinfo=UTC)
JPEG = bytes.fromhex(  # 8 x 8 pixels, grey
    "ffd8ffe000104a46494600010100000100010000ffdb004300080606070605080707070909080a0c140d0c0b0b0c1912130f141d1a1f1e1d1a1c1c20242e2720222c231c"
    "1c2837292c30313434341f27393d38323c2e333432ffc0000b080008000801011100ffc4001f0000010501010101010100000000000000000102030405060708090a0b"
    "ffc400b5100002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a2526"
    "2728292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8"
    "a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9faffda0008010100003f00fbfc28a28a2803ff"
    "d9"
)


def frame(number: int, seconds: float | None = None, *, camera: CameraId = CAMERA, begin: datetime = BEGIN) -> Frame:
    """Frame `number`, by default at 10 frames a second. Its bytes differ from those of the others."""
    jpeg = JPEG[:-2] + b"\xff\xfe\x00\x06" + number.to_bytes(4, "big") + JPEG[-2:]
    at = begin + timedelta(seconds=number / 10 if seconds is None else seconds)
    return Frame(
        camera=camera, sequence=number, captured_at=at, received_at=at + timedelta(milliseconds=40), clock_error_s=0.25, width=8, height=8,
        sha256=digest_of(jpeg), jpeg=jpeg,
    )  # fmt: skip


def message(given: Frame, sign: Sign | None = None) -> ArchivedMessage:
    headers, jpeg = frame_to_wire(given, sign)
    return ArchivedMessage(headers=tuple(headers), jpeg=jpeg)


def holds_in(folder: Path, clock: ManualClock | None = None) -> ArchiveHolds:
    ids = iter(range(1000))
    return ArchiveHolds(FolderFiles(folder), SITE, clock or ManualClock(), lambda: f"h{next(ids)}")


def writer_in(
    folder: Path,
    settings: ArchiveSettings | None = None,
    clock: ManualClock | None = None,
    free_bytes: Callable[[Path], int] = lambda _: 10**12,
) -> ArchiveWriter:
    folder.mkdir(parents=True, exist_ok=True)
    settings, clock, counts = settings or ArchiveSettings(), clock or ManualClock(BEGIN), ArchiveCounts()
    retention = ArchiveRetention(FolderFiles(folder), SITE, settings, holds_in(folder, clock), counts.count_deleted)
    return ArchiveWriter(folder, SITE, settings, clock, retention, counts, free_bytes=free_bytes)


def reader_in(folder: Path) -> ArchiveReader:
    return ArchiveReader((FolderFiles(folder),), SITE)


def archive_all(folder: Path, frames: Sequence[Frame], sign: Sign | None = None, *, finish: bool = True) -> None:
    writer = writer_in(folder)
    for each in frames:
        writer.append(message(each, sign), each)
    if finish:
        writer.close()


def archived(folder: Path, camera: CameraId = CAMERA) -> list[Frame]:
    """All whole frames of a camera, in order."""
    reader = reader_in(folder)
    messages = [each.message for segment in reader.segments(camera) for each in reader.frames(segment.name)]
    return [each.frame() for each in messages if each]
