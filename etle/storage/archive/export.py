"""Copies a range of footage out of the archive, byte for byte: as one Matroska file, or as JPEGs that `etle run` reads as a folder."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Final

from etle.files import atomic_path
from etle.media.matroska import CuePoint, MatroskaHead, pack_cues, pack_frame
from etle.storage.archive.reader import ArchivedFrame, ArchiveReader
from etle.storage.archive.segment import ArchivedMessage, hour_of
from etle.types import CameraId, Frame, digest_of

LIST_NAME: Final = "frames.csv"
_MS_PER_S: Final = 1000


def frames_between(reader: ArchiveReader, camera: CameraId, since: datetime, until: datetime) -> Iterator[ArchivedFrame]:
    """Frames of one camera in the order of arrival, each once; also damaged ones."""
    seen: set[tuple[int, str]] = set()
    for segment in reader.segments(camera, since, until):
        for frame in reader.frames(segment.name, since, until):
            if frame.entry.frame_key not in seen:
                seen.add(frame.entry.frame_key)
                yield frame


def export_matroska(frames: Iterable[tuple[Frame, ArchivedMessage]], file: Path) -> int:
    """Returns the number of frames; writes no file if there is none."""
    exported, points, end = 0, list[CuePoint](), 0
    head: MatroskaHead | None = None
    with atomic_path(file) as temp, temp.open("wb") as out:
        for frame, message in frames:
            if head is None:
                begin = hour_of(frame.captured_at)
                head = MatroskaHead(title=frame.camera, begins_at=begin, width=frame.width, height=frame.height)
                end = out.write(head.pack())
            at = max(0, round((frame.captured_at - head.begins_at).total_seconds() * _MS_PER_S))
            if not points or at - points[-1].timestamp_ms >= _MS_PER_S:
                points.append(CuePoint(timestamp_ms=at, offset=end))
            end += sum(out.write(part) for part in pack_frame(at, message.jpeg, message.addition))
            exported += 1
        if head is not None:
            out.write(pack_cues(points))
            out.seek(0)
            out.write(head.pack(end, points[-1].timestamp_ms))
    return exported


def export_folder(frames: Iterable[tuple[Frame, ArchivedMessage]], folder: Path, zone: tzinfo) -> int:
    """One JPEG per frame, named by its local time, and `frames.csv` with times and digests. Returns the number of frames."""
    folder.mkdir(parents=True, exist_ok=True)
    exported = 0
    with (folder / LIST_NAME).open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(("file", "camera", "sequence", "captured_at", "received_at", "sha256"))
        for frame, message in frames:
            name = f"{frame.captured_at.astimezone(zone):%Y%m%d_%H%M%S_%f}_{frame.sequence}.jpg"
            (folder / name).write_bytes(message.jpeg)
            rows.writerow(
                (name, frame.camera, frame.sequence, frame.captured_at.isoformat(), frame.received_at.isoformat(), digest_of(message.jpeg))
            )
            exported += 1
    return exported
