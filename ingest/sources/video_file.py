"""A video file as a source. Every reading of the same file gives identical frames, byte for byte."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etle.config.sources import FileSourceSettings
from etle.errors import ConfigError, SourceBroken, SourceUnavailable
from etle.media.stream_times import TimesKind
from etle.media.video import Video, VideoInfo, VideoPicture
from etle.protocols import Clock
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.frames import FrameSampler, frame_of
from ingest.sources.open import SourceContext
from ingest.sources.reencode import ReencodeSettings

_DEFAULT_FPS = 25.0
"""Used after a jump of the timestamps in a file that does not state its frame rate."""
_MAX_STEP_S = 3600.0


class VideoFileSource:
    """Frames of any file that FFmpeg opens.

    Frames are numbered from 0, after sampling. The capture time is `starts_at` plus the timestamp in the file. Without `starts_at` the
    file's own creation time is used, and without that the time of its last modification, which is only a guess: a copy may have another
    one. `fps` limits the frames per second, by time; of a file whose pictures have no times it is the rate at which they were taken.
    """

    live = False

    def __init__(
        self,
        camera: CameraId,
        path: Path,
        clock: Clock,
        losses: FrameLossCounter,
        *,
        starts_at: datetime | None = None,
        fps: float | None = None,
        reencode: ReencodeSettings | None = None,
    ) -> None:
        self._camera = camera
        self._path = path
        self._clock = clock
        self._losses = losses
        self._starts_at = starts_at.astimezone(UTC) if starts_at else None
        self._fps = fps
        self._reencode = reencode or ReencodeSettings()

    def starts_at(self) -> datetime:
        """Capture time of the first picture. Raises SourceUnavailable, SourceBroken."""
        with self._open() as video:
            return self._begin(video.info)

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Frames with a number higher than `after`. Earlier ones are decoded, because later ones depend on them, but not encoded.

        Raises SourceBroken at the end if pictures are missing that the file announces, ConfigError if the pictures have no times and `fps`
        is not given: speeds must not depend on a guess.
        """
        with self._open() as video:
            timed = video.times is not TimesKind.NONE
            if not timed and self._fps is None:
                raise ConfigError(
                    f"{self._path}: its pictures have no usable times; set `fps` of the source, the rate at which they were taken"
                )
            begin, sampler, number = self._begin(video.info), FrameSampler(self._fps if timed else None), 0
            for seconds, picture in self._timed(video):
                if not sampler.accepts(seconds):
                    continue
                if after is None or number > after:
                    captured_at = begin + timedelta(microseconds=round(seconds * 1e6))
                    yield frame_of(self._camera, number, picture.jpeg(), captured_at=captured_at, received_at=self._clock.now())
                number += 1
            lost = f"{self._path}: {video.undecodable} pictures could not be decoded"
            self._losses.count(self._camera, LossReason.UNDECODABLE, lost, video.undecodable)
            if not number:
                raise SourceBroken(f"{self._path}: none of its {video.undecodable} pictures could be decoded")
            if not video.complete:
                raise SourceBroken(self._broken(number, video.info))

    def _open(self) -> Video:
        try:
            self._path.stat()
        except FileNotFoundError as error:
            raise SourceUnavailable(f"{self._path}: no such video file") from error
        except OSError as error:
            raise SourceUnavailable(f"{self._path}: {error.strerror}") from error
        return Video(str(self._path))

    def _begin(self, info: VideoInfo) -> datetime:
        return self._starts_at or info.created_at or datetime.fromtimestamp(self._path.stat().st_mtime, UTC)

    def _timed(self, video: Video) -> Iterator[tuple[float, VideoPicture]]:
        """Each picture with its seconds since the first one, which always rise: jumps of the recorder's clock are removed."""
        step = 1 / (video.info.fps or _DEFAULT_FPS)
        if video.times is TimesKind.NONE and self._fps:
            step = 1 / self._fps
        zero: float | None = None
        last: float | None = None
        for picture in video.pictures(self._reencode.encoder()):
            timestamp = picture.seconds
            if last is None or zero is None:
                zero, last = timestamp or 0.0, 0.0
            elif timestamp is not None and 0 < timestamp - zero - last < _MAX_STEP_S:
                last = timestamp - zero
            else:
                if timestamp is not None:
                    zero = timestamp - last - step
                    self._losses.count(self._camera, LossReason.CLOCK_JUMP, f"{self._path}: the timestamps jump at {last:.3f} s")
                last += step
            yield last, picture

    def _broken(self, number: int, info: VideoInfo) -> str:
        announced = f" of {info.pictures}" if info.pictures and not self._fps else ""
        return (
            f"{self._path}: is truncated; {number}{announced} frames were read, and they are valid. "
            "Copy the file again from the recorder, or continue without the rest"
        )


def open_source(camera: CameraId, settings: FileSourceSettings, context: SourceContext) -> VideoFileSource:
    return VideoFileSource(
        camera,
        settings.file,
        context.clock,
        context.losses,
        starts_at=settings.starts_at,
        fps=settings.fps,
        reencode=ReencodeSettings(settings.quality, settings.max_width),
    )
