"""A video file as a camera: the same file gives the same frames, byte for byte, whenever it is read."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from etle.config.sources import FileSourceSettings
from etle.errors import SourceBroken, SourceUnavailable
from etle.media.video import Video, VideoInfo, VideoPicture
from etle.protocols import Clock
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.frames import FrameSampler, frame_of
from ingest.sources.open import SourceContext
from ingest.sources.reencode import ReencodeSettings

_DEFAULT_FPS = 25.0
"""For the step over a time that the file lost, if it does not tell its rate either."""
_LEAP_S = 3600.0


class VideoFileSource:
    """Frames of any file that FFmpeg opens.

    A frame's number is its place among those that are given: 0 for the first one. Its moment is `starts_at` plus its time in the
    file. Without `starts_at` the file's own creation time counts, and without that the time of its last change, which is only a
    guess: a copy may have another. `fps` thins the file out, by time.
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
        making: ReencodeSettings | None = None,
    ) -> None:
        self._camera = camera
        self._path = path
        self._clock = clock
        self._losses = losses
        self._starts_at = starts_at.astimezone(UTC) if starts_at else None
        self._fps = fps
        self._making = making or ReencodeSettings()

    def starts_at(self) -> datetime:
        """The moment of the first picture. Raises SourceUnavailable, SourceBroken."""
        with self._open() as video:
            return self._begin(video.info)

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Frames from after that number on. Those before are decoded, because later ones are built on them, but not encoded.

        Raises SourceBroken at the end if pictures that the file announces are not there.
        """
        with self._open() as video:
            begin, thinning, number = self._begin(video.info), FrameSampler(self._fps), 0
            for seconds, picture in self._timed(video):
                if not thinning.wants(seconds):
                    continue
                if after is None or number > after:
                    captured_at = begin + timedelta(microseconds=round(seconds * 1e6))
                    yield frame_of(self._camera, number, picture.jpeg(), captured_at=captured_at, received_at=self._clock.now())
                number += 1
            lost = f"{self._path}: {video.undecodable} of its pictures could not be decoded"
            self._losses.count(self._camera, LossReason.UNDECODABLE, lost, video.undecodable)
            if not video.complete or not number:
                raise SourceBroken(self._broken(number, video.info))

    def _open(self) -> Video:
        if not self._path.exists():
            raise SourceUnavailable(f"{self._path}: no such video file")
        return Video(str(self._path))

    def _begin(self, facts: VideoInfo) -> datetime:
        return self._starts_at or facts.created_at or datetime.fromtimestamp(self._path.stat().st_mtime, UTC)

    def _timed(self, video: Video) -> Iterator[tuple[float, VideoPicture]]:
        """Each picture with its seconds since the first one, which always rise: a recorder's clock that jumps is stepped over."""
        step = 1 / (video.info.fps or _DEFAULT_FPS)
        zero: float | None = None
        last: float | None = None
        for picture in video.pictures(self._making.encoder()):
            told = picture.seconds
            if last is None or zero is None:
                zero, last = told or 0.0, 0.0
            elif told is not None and 0 < told - zero - last < _LEAP_S:
                last = told - zero
            else:
                if told is not None:
                    zero = told - last - step
                    self._losses.count(self._camera, LossReason.CLOCK_JUMP, f"{self._path}: the time in the file jumps at {last:.3f} s")
                last += step
            yield last, picture

    def _broken(self, number: int, facts: VideoInfo) -> str:
        announced = f" of {facts.pictures}" if facts.pictures and not self._fps else ""
        return (
            f"{self._path}: breaks off; {number}{announced} frames were read, and they are good. "
            "Copy the file again from where it was recorded, or go on without the rest"
        )


def open_source(camera: CameraId, settings: FileSourceSettings, context: SourceContext) -> VideoFileSource:
    return VideoFileSource(
        camera,
        settings.file,
        context.clock,
        context.losses,
        starts_at=settings.starts_at,
        fps=settings.fps,
        making=ReencodeSettings(settings.quality, settings.max_width),
    )
