"""Writes the frames of a site's cameras into segments, and keeps the archive within its limits.

A frame is in the file when `append` returns, so that it survives a kill of the process; `sync` makes it survive a power failure. Only the
archive's own segments are deleted to make room: evidence is kept elsewhere, and more space is left free for it than it reserves itself.
"""

import errno
import logging
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from threading import Lock, RLock
from typing import Final, Protocol

from etle.config.deployment import ArchiveSettings
from etle.errors import ArchiveFull, ArchiveUnavailable
from etle.files import FileLock
from etle.protocols import Clock
from etle.storage.archive.files import FolderFiles
from etle.storage.archive.retention import ArchiveRetention, DeletionReason, OnDeleted, StoredSegment, stored_segments
from etle.storage.archive.segment import VIDEO_SUFFIX, ArchivedMessage, SegmentName, SegmentWriter, camera_folder, hour_of
from etle.types import CameraId, Frame

log = logging.getLogger(__name__)
_MB: Final = 1_000_000
_CHECK_EVERY_BYTES: Final = 16 * _MB
"""Bytes written between two looks at the free space of the disk."""
_FREED_AT_ONCE: Final = 64 * _MB
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT))


class SegmentUploader(Protocol):
    """Moves finished segments to where they are kept."""

    def __call__(self, name: SegmentName) -> None:
        """Raises ArchiveUnavailable; the segment stays where it is then, and is tried again."""
        ...


@dataclass(slots=True)
class ArchiveCounts:
    """Since the writer was opened. Written under the writer's lock."""

    frames: int = 0
    bytes: int = 0
    duplicates: int = 0
    deleted: dict[DeletionReason, int] = field(default_factory=dict)
    """Segments by reason."""
    on_deleted: OnDeleted | None = None

    def count_deleted(self, segment: StoredSegment, reason: DeletionReason) -> None:
        self.deleted[reason] = self.deleted.get(reason, 0) + 1
        if self.on_deleted:
            self.on_deleted(segment, reason)
        log.log(
            logging.WARNING if reason is DeletionReason.DISK_FULL else logging.INFO,
            "archive: deleted %s (%.1f MB): %s", segment.name.video, segment.size / _MB, reason,
        )  # fmt: skip


@dataclass(slots=True)
class _CameraArchive:
    """The open segment of one camera."""

    lock: FileLock
    """Between processes."""
    mutex: Lock = field(default_factory=Lock)
    segment: SegmentWriter | None = None


class ArchiveWriter:
    """Of one site. Safe to use from several threads; a camera is written by one process at a time."""

    def __init__(
        self, folder: Path, site: str, settings: ArchiveSettings, clock: Clock, retention: ArchiveRetention, counts: ArchiveCounts,
        *, space: ArchiveRetention | None = None, upload: SegmentUploader | None = None,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
    ) -> None:  # fmt: skip
        """`space` makes room in the folder; None: `retention` does. `upload` gets finished segments."""
        self.counts: Final = counts
        self._folder = folder
        self._site = site
        self._settings = settings
        self._clock = clock
        self._retention = retention
        self._space = space or retention
        self._upload = upload
        self._free_bytes = free_bytes
        self._cameras: dict[CameraId, _CameraArchive] = {}
        self._lock = RLock()
        """Of everything but the segments."""
        self._unchecked_bytes = _CHECK_EVERY_BYTES
        self._uploading: set[SegmentName] = set()
        self._uploads = ThreadPoolExecutor(1, thread_name_prefix="etle-archive") if upload else None

    def append(self, message: ArchivedMessage, frame: Frame) -> bool:
        """False if it is archived already. Raises ArchiveFull, ArchiveUnavailable; the frame is not archived then."""
        camera = self._camera(frame.camera)
        self._check_space()
        with camera.mutex:
            try:
                segment = self._segment_for(camera, frame)
                written = segment.append(message, frame)
            except OSError as error:
                if error.errno in _FULL:
                    self._unchecked_bytes = _CHECK_EVERY_BYTES
                    raise ArchiveFull(f"the disk of the archive {self._folder} is full: {error.strerror}") from error
                raise self._unavailable(error) from error
        with self._lock:
            self.counts.frames += written > 0
            self.counts.duplicates += not written
            self.counts.bytes += written
            self._unchecked_bytes += written
        return written > 0

    def sync(self) -> None:
        """Make what was appended durable; frames may be appended meanwhile. Raises ArchiveUnavailable."""
        with self._lock:
            cameras = list(self._cameras.values())
        for camera in cameras:
            with camera.mutex:
                segment = camera.segment
                files = segment.unsynced_files() if segment else ()
            try:
                for file in files:
                    os.fdatasync(file)
            except OSError as error:
                assert segment is not None
                segment.sync_failed()
                raise self._unavailable(error) from error
            finally:
                for file in files:
                    os.close(file)

    def release(self, cameras: frozenset[CameraId]) -> None:
        """Finish the segments of these cameras, which another process may write from now on."""
        with self._lock:
            released = {name: camera for name, camera in self._cameras.items() if name in cameras}
        for name, camera in released.items():
            with camera.mutex:
                self._finish(camera)
            with self._lock:
                del self._cameras[name]
            camera.lock.close()

    def close(self) -> None:
        """Finish all segments, and wait until they are uploaded."""
        self.release(frozenset(self._cameras))
        if self._uploads is not None:
            self._uploads.shutdown()

    def _camera(self, camera: CameraId) -> _CameraArchive:
        with self._lock:
            if camera not in self._cameras:
                self._cameras[camera] = _CameraArchive(lock=self._locked(camera))
            return self._cameras[camera]

    def _locked(self, camera: CameraId) -> FileLock:
        folder = self._folder / camera_folder(self._site, camera)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / ".lock")
        except OSError as error:
            raise self._unavailable(error) from error
        if not lock.acquire(blocking=False):
            lock.close()
            raise ArchiveUnavailable(f"another process writes the archive of {camera} in {self._folder}.")
        return lock

    def _segment_for(self, camera: _CameraArchive, frame: Frame) -> SegmentWriter:
        hour = hour_of(frame.captured_at)
        if camera.segment is None or camera.segment.name.hour != hour:
            self._finish(camera)
            camera.segment = SegmentWriter(self._folder, self._name_for(frame), frame)
            self._apply_limits()
        return camera.segment

    def _name_for(self, frame: Frame) -> SegmentName:
        """The segment of this hour if there is one in the folder, else a new one."""
        new = SegmentName(site=self._site, camera=frame.camera, begins_at=frame.captured_at)
        day = (self._folder / new.video).parent
        files = sorted(path.relative_to(self._folder) for path in day.glob(f"{new.hour:%H}-*{VIDEO_SUFFIX}"))
        with self._lock:
            known = [name for name in (SegmentName.parse(str(path)) for path in files) if name and name not in self._uploading]
            while new in self._uploading:
                new = replace(new, begins_at=new.begins_at + timedelta(microseconds=1))
        return known[-1] if known else new

    def _finish(self, camera: _CameraArchive) -> None:
        if camera.segment is None:
            return
        name = camera.segment.name
        try:
            camera.segment.finish()
        except OSError as error:
            log.warning("archive: %s is readable, but without cues for players: %s", name.video, error)
        camera.segment = None
        if self._uploads is not None:
            self._uploads.submit(self._upload_finished, name.camera)

    def _upload_finished(self, camera: CameraId) -> None:
        """In a thread of its own: the frames of the cameras do not wait for it. What fails is tried again with the next segment."""
        assert self._upload is not None
        try:
            for stored in stored_segments(FolderFiles(self._folder), camera_folder(self._site, camera)):
                with self._lock:
                    if stored.name in self._writing():
                        continue
                    self._uploading.add(stored.name)
                self._upload(stored.name)
        except (ArchiveUnavailable, OSError) as error:
            log.warning("archive: finished segments of %s are kept here until they can be uploaded: %s", camera, error)
        finally:
            with self._lock:
                self._uploading = {name for name in self._uploading if name.camera != camera}

    def _apply_limits(self) -> None:
        with self._lock:
            try:
                self._retention.apply(self._clock.now(), self._writing())
            except ArchiveUnavailable as error:
                log.warning("archive: retention is postponed: %s", error)

    def _check_space(self) -> None:
        """Raises ArchiveFull."""
        with self._lock:
            if self._unchecked_bytes < _CHECK_EVERY_BYTES:
                return
            missing = self._settings.keep_free_mb * _MB - self._free_bytes(self._folder)
            if missing > 0 and self._settings.when_full == "delete_oldest":
                self._space.free(missing + _FREED_AT_ONCE, self._writing())
                missing = self._settings.keep_free_mb * _MB - self._free_bytes(self._folder)
            if missing > 0:
                raise ArchiveFull(
                    f"the disk of the archive {self._folder} has less than {self._settings.keep_free_mb} MB free (`archive.keep_free_mb`)"
                    + ("" if self._settings.when_full == "stop" else ", and no segment may be deleted")
                )
            self._unchecked_bytes = 0

    def _writing(self) -> set[SegmentName]:
        return {camera.segment.name for camera in self._cameras.values() if camera.segment}

    def _unavailable(self, error: OSError) -> ArchiveUnavailable:
        return ArchiveUnavailable(f"the archive {self._folder} cannot be written: {error.strerror} ({error.filename}).")
