"""Deletes segments: those older than configured, the oldest of a camera that has too many, the oldest of all when the disk is full.

Only segments are deleted, and never one that a hold covers or that is being written.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from etle.config.deployment import ArchiveSettings
from etle.storage.archive.files import ArchiveFiles
from etle.storage.archive.holds import ArchiveHolds
from etle.storage.archive.segment import SegmentName
from etle.types import CameraId

_GB: Final = 1_000_000_000


class DeletionReason(StrEnum):
    AGE = "age"
    SIZE = "size"
    """The camera has more than its share."""
    DISK_FULL = "disk_full"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredSegment:
    """A segment as listed, with the bytes of both its files."""

    name: SegmentName
    size: int


OnDeleted = Callable[[StoredSegment, DeletionReason], None]


def stored_segments(files: ArchiveFiles, folder: str) -> Sequence[StoredSegment]:
    """The segments in the folder of a site, a camera or a day, oldest first."""
    sizes = files.sizes(folder)
    named = ((SegmentName.parse(path), path) for path in sizes)
    found = [StoredSegment(name=name, size=sizes[path] + sizes.get(name.index, 0)) for name, path in named if name]
    return sorted(found, key=lambda segment: (segment.name.begins_at, segment.name.camera))


class ArchiveRetention:
    """Of one site. Not thread-safe."""

    def __init__(self, files: ArchiveFiles, site: str, settings: ArchiveSettings, holds: ArchiveHolds, on_deleted: OnDeleted) -> None:
        self._files = files
        self._site = site
        self._settings = settings
        self._holds = holds
        self._on_deleted = on_deleted

    def apply(self, now: datetime, writing: Collection[SegmentName]) -> None:
        """Delete what is too old or too much. `writing`: segments that are open. Raises ArchiveUnavailable."""
        segments = stored_segments(self._files, self._site)
        deletable = {segment.name for segment in self._deletable(segments, writing)}
        by_camera: dict[CameraId, list[StoredSegment]] = {}
        for segment in segments:
            by_camera.setdefault(segment.name.camera, []).append(segment)
        for camera, own in by_camera.items():
            for segment, reason in self._surplus(camera, own, now):
                if segment.name in deletable:
                    self._delete(segment, reason)

    def free(self, wanted_bytes: int, writing: Collection[SegmentName]) -> int:
        """Delete the oldest segments of all cameras until at least so many bytes are free of them; returns the bytes deleted."""
        freed = 0
        for segment in self._deletable(stored_segments(self._files, self._site), writing):
            if freed >= wanted_bytes:
                break
            self._delete(segment, DeletionReason.DISK_FULL)
            freed += segment.size
        return freed

    def _surplus(
        self, camera: CameraId, segments: Sequence[StoredSegment], now: datetime
    ) -> Iterator[tuple[StoredSegment, DeletionReason]]:
        limits = self._settings.limits(camera)
        total = sum(segment.size for segment in segments)
        for segment in segments:
            if now - segment.name.ends_at > timedelta(days=limits.keep_days):
                yield segment, DeletionReason.AGE
            elif limits.max_gb is not None and total > limits.max_gb * _GB:
                yield segment, DeletionReason.SIZE
            else:
                return
            total -= segment.size

    def _deletable(self, segments: Sequence[StoredSegment], writing: Collection[SegmentName]) -> Iterator[StoredSegment]:
        """Oldest first. The newest segment of a camera may be open in another process."""
        newest: Mapping[CameraId, SegmentName] = {segment.name.camera: segment.name for segment in segments}
        holds = self._holds.all()
        for segment in segments:
            name = segment.name
            if name not in writing and name != newest[name.camera] and not any(hold.covers(name) for hold in holds):
                yield segment

    def _delete(self, segment: StoredSegment, reason: DeletionReason) -> None:
        """The index first: a segment without an index is read by a scan, an index without a segment is nothing."""
        self._files.delete(segment.name.index)
        self._files.delete(segment.name.video)
        self._on_deleted(segment, reason)
