"""From a camera's `source` in the site file to the thing that gives its frames."""

from collections.abc import Callable
from datetime import UTC, tzinfo
from random import Random

from etle.config.site import SourceSettings
from etle.errors import ConfigError
from etle.protocols import Clock, FrameSource
from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter
from ingest.sources.folder import FolderSource
from ingest.sources.mjpeg import MjpegSource
from ingest.sources.reconnect import ReconnectBackoff
from ingest.sources.reencode import ReencodeSettings, ReencodingSource
from ingest.sources.snapshot import SnapshotSource


def open_source(
    camera: CameraId,
    source: SourceSettings,
    clock: Clock,
    losses: FrameLossCounter,
    *,
    timezone: tzinfo = UTC,
    attempts: int | None = None,
    chance: Callable[[], float] | None = None,
) -> FrameSource:
    """The source that `source` describes. Nothing is opened before its `frames` are read.

    `timezone`, the site's, is that of times in a folder's pictures without an offset. `attempts` bounds the failures in a row of a
    live camera; None: it is tried for ever. Raises MissingExtra if a video is to be read and PyAV is not installed.
    """
    making = ReencodeSettings(source.quality, source.max_width)
    if source.file is not None:
        from ingest.sources.video_file import VideoFileSource  # these two need PyAV, the others don't

        return VideoFileSource(camera, source.file, clock, losses, starts_at=source.starts_at, fps=source.fps, making=making)
    if source.folder is not None:
        folder = FolderSource(camera, source.folder, clock, losses, starts_at=source.starts_at, fps=source.fps, timezone=timezone)
        return _made(folder, making, losses)
    return _live(camera, source, clock, losses, ReconnectBackoff(chance or Random().random), attempts, making)


def _live(
    camera: CameraId,
    source: SourceSettings,
    clock: Clock,
    losses: FrameLossCounter,
    pauses: ReconnectBackoff,
    attempts: int | None,
    making: ReencodeSettings,
) -> FrameSource:
    fps, timeout_s, every_s = source.fps, source.timeout_s, source.interval_s
    if source.rtsp is not None:
        from ingest.sources.rtsp import RtspSource

        return RtspSource(camera, source.rtsp, clock, losses, pauses, fps=fps, timeout_s=timeout_s, attempts=attempts, making=making)
    if source.mjpeg is not None:
        pushed = MjpegSource(camera, source.mjpeg, clock, losses, pauses, fps=fps, timeout_s=timeout_s, attempts=attempts)
        return _made(pushed, making, losses)
    if source.snapshot is not None:
        asked = SnapshotSource(camera, source.snapshot, clock, losses, pauses, interval_s=every_s, timeout_s=timeout_s, attempts=attempts)
        return _made(asked, making, losses)
    if source.vendor is not None:
        raise ConfigError(f"camera {camera!r}: vendor {source.vendor!r} pushes its frames; `etle vendor serve` takes them")
    raise ConfigError(f"camera {camera!r}: its source is none of file, folder, rtsp, mjpeg, snapshot, vendor")


def _made(source: FrameSource, making: ReencodeSettings, losses: FrameLossCounter) -> FrameSource:
    return ReencodingSource(source, making, losses) if making.touches else source
