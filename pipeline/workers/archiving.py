"""Archives what the stages of one process read: the embedded profile, with `archive` in the site file.

The archive gets exactly the frames that the rules see, behind the buffer of a live camera and with the messages of signal controllers, so
that processing them again gives the same violations. A failure of the archive never stops the cameras: frames that are not archived are
counted, and the run says so at its end.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Final

from etle.config.site import CameraSettings
from etle.errors import ArchiveUnavailable, EtleError
from etle.protocols import FrameSource
from etle.storage.archive.segment import ArchivedMessage
from etle.storage.archive.writer import ArchiveWriter
from etle.types import CameraId, Frame
from etle.wire import frame_to_wire
from pipeline.workers.site_run import ClosableSource, SourceProvider

log = logging.getLogger(__name__)
_RETRY_S: Final = 10.0
_SYNC_EVERY_S: Final = 2.0


@dataclass(slots=True)
class UnarchivedFrames:
    """Frames of one camera that are not in the archive, and the last reason."""

    times: int = 0
    reason: str = ""


@dataclass(slots=True)
class FrameArchiver:
    """Archives the frames of one camera; used by one thread. After a failure it waits before the next attempt."""

    writer: ArchiveWriter
    seconds: Callable[[], float] = time.monotonic
    unarchived: UnarchivedFrames = field(default_factory=UnarchivedFrames)
    _retry_at: float = 0.0

    def record(self, frame: Frame) -> None:
        now = self.seconds()
        if now < self._retry_at:
            self.unarchived.times += 1
            return
        try:
            headers, jpeg = frame_to_wire(frame)
            self.writer.append(ArchivedMessage(headers=tuple(headers), jpeg=jpeg), frame)
        except EtleError as error:
            self._miss(frame, str(error), now)
        except Exception as error:  # the broad catch of the archive: whatever fails in it, the camera goes on
            log.exception("%s: the archive failed", frame.camera)
            self._miss(frame, f"{type(error).__name__}: {error}", now)

    def _miss(self, frame: Frame, reason: str, now: float) -> None:
        if not self.unarchived.times:
            log.warning("%s: frames are not archived: %s", frame.camera, reason)
        self.unarchived.times += 1
        self.unarchived.reason = reason
        self._retry_at = now + _RETRY_S


@contextmanager
def regular_sync(writer: ArchiveWriter) -> Iterator[None]:
    """Makes the archived frames durable every two seconds, in a thread of its own: no camera waits for the disk."""
    stop = Event()

    def sync() -> None:
        while not stop.wait(_SYNC_EVERY_S):
            try:
                writer.sync()
            except ArchiveUnavailable as error:
                log.warning("archived frames are not durable yet: %s", error)

    thread = Thread(target=sync, name="etle-archive-sync", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


class ArchivedSource:
    """A FrameSource whose frames are archived as they are read."""

    def __init__(self, source: FrameSource, archiver: FrameArchiver) -> None:
        self.live = source.live
        self._source = source
        self._archiver = archiver

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        with closing(self._source.frames(after)) as frames:  # type: ignore[type-var]  # every implementation is a generator
            for frame in frames:
                self._archiver.record(frame)
                yield frame

    def close(self) -> None:
        """Ends `frames`. Safe from another thread."""
        if isinstance(self._source, ClosableSource):
            self._source.close()


class ArchivedSources:
    """A SourceProvider that archives the frames of another one."""

    def __init__(self, sources: SourceProvider, writer: ArchiveWriter) -> None:
        self._sources = sources
        self._writer = writer
        self._archivers: dict[CameraId, FrameArchiver] = {}

    def open(self, camera: CameraSettings) -> FrameSource:
        archiver = self._archivers.setdefault(camera.camera_id, FrameArchiver(self._writer))
        return ArchivedSource(self._sources.open(camera), archiver)

    def count_undecodable(self, camera: CameraId, reason: str) -> None:
        self._sources.count_undecodable(camera, reason)

    def losses(self) -> Mapping[CameraId, Mapping[str, int]]:
        return self._sources.losses()

    def problems(self) -> list[str]:
        """A sentence for each camera of which frames are not archived."""
        lost = {camera: archiver.unarchived for camera, archiver in self._archivers.items() if archiver.unarchived.times}
        return [f"{camera}: {each.times} frames were not archived. {each.reason}" for camera, each in lost.items()]
