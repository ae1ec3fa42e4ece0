"""From a camera's `source` in the site file to the thing that gives its frames."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from random import Random

from etle.config import Source
from etle.errors import ConfigError
from etle.protocols import Clock, FrameSource
from etle.types import CameraId
from ingest.folder import FolderSource
from ingest.losses import Losses
from ingest.mjpeg import MjpegSource
from ingest.reconnect import Pauses
from ingest.snapshot import SnapshotSource


def open_source(
    camera: CameraId,
    source: Source,
    clock: Clock,
    losses: Losses,
    *,
    timezone: tzinfo = UTC,
    attempts: int | None = None,
    chance: Callable[[], float] | None = None,
) -> FrameSource:
    """The source that `source` describes. Nothing is opened before its `frames` are read.

    `timezone`, the site's, is that of times in a folder's pictures without an offset. `attempts` bounds the failures in a row of a
    live camera; None: it is tried for ever. Raises MissingExtra if a video is to be read and PyAV is not installed.
    """
    pauses = Pauses(chance or Random().random)
    if source.file is not None:
        from ingest.video import VideoFileSource  # these two need PyAV, the others don't

        return VideoFileSource(camera, source.file, clock, losses, starts_at=source.starts_at, fps=source.fps)
    if source.folder is not None:
        return FolderSource(camera, source.folder, clock, losses, starts_at=source.starts_at, fps=source.fps, timezone=timezone)
    if source.rtsp is not None:
        from ingest.rtsp import RtspSource

        return RtspSource(camera, source.rtsp, clock, losses, pauses, fps=source.fps, timeout_s=source.timeout_s, attempts=attempts)
    if source.mjpeg is not None:
        return MjpegSource(camera, source.mjpeg, clock, losses, pauses, fps=source.fps, timeout_s=source.timeout_s, attempts=attempts)
    if source.snapshot is not None:
        return SnapshotSource(
            camera,
            source.snapshot,
            clock,
            losses,
            pauses,
            interval_s=source.interval_s,
            timeout_s=source.timeout_s,
            attempts=attempts,
        )
    if source.vendor is not None:
        raise ConfigError(f"camera {camera!r}: vendor {source.vendor!r} pushes its frames; `etle vendor serve` takes them")
    raise ConfigError(f"camera {camera!r}: its source is none of file, folder, rtsp, mjpeg, snapshot")
