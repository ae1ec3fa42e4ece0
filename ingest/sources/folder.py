"""A folder of pictures as a source, such as the snapshots of a recorder."""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from etle.config.sources import FolderSourceSettings
from etle.errors import ConfigError, FrameBroken, SourceBroken, SourceUnavailable
from etle.media.exif import taken_at
from etle.media.footage_identity import pictures_in
from etle.protocols import Clock, FrameSource
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.frames import frame_of, usable_jpeg
from ingest.sources.open import SourceContext
from ingest.sources.picture_times import FolderTimes, in_name, of_moment, picture_times
from ingest.sources.reencode import ReencodeSettings, reencoded

_JPEG = frozenset((".jpg", ".jpeg"))
_EXIF_BYTES = 128 * 1024
"""EXIF data is one of the first segments, of at most 64 KB."""
_STEP_S = 0.001


class FolderSource:
    """The JPEGs of a folder, unchanged unless they have to be turned upright, and its PNGs, encoded as JPEG.

    They are in natural order of their names, `2.jpg` before `10.jpg`.

    A frame's number is the position of its picture in that order, so that the number of a damaged one is missing. With `starts_at` and
    `fps` they determine the capture times. Otherwise these come from the pictures' EXIF data or names (`20261123_100000_123`, or seconds
    since 1970; see `picture_times`), and where nothing tells, from the position divided by `fps` after `starts_at`, which is by default the
    modification time of the first file. Times without an offset are local times of `timezone`.
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
        timezone: tzinfo = UTC,
    ) -> None:
        self._camera = camera
        self._path = path
        self._clock = clock
        self._losses = losses
        self._starts_at = starts_at.astimezone(UTC) if starts_at else None
        self._fps = fps
        self._timezone = timezone

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Damaged pictures are counted, named and omitted. Raises SourceBroken at the end if all of them were damaged.

        Raises ConfigError if the pictures have no time and `fps` is not given: speeds must not depend on a guess.
        """
        pictures, any_valid, last = self._pictures(), False, None
        begin, times = self._begin(pictures[0]), self._times(pictures)
        for number, path in enumerate(pictures):
            data = self._read(path)
            if data is None:
                continue
            any_valid = True
            moment = times.moments[number]
            captured_at = last = self._rising(moment or self._by_position(begin, number, path), last, path)
            if after is None or number > after:
                yield frame_of(self._camera, number, data, captured_at=captured_at, received_at=self._clock.now())
        if not any_valid:
            raise SourceBroken(f"{self._path}: none of its {len(pictures)} pictures could be read")

    def _begin(self, first: Path) -> datetime:
        return self._starts_at or datetime.fromtimestamp(first.stat().st_mtime, UTC)

    def _times(self, pictures: list[Path]) -> FolderTimes:
        if self._starts_at is not None and self._fps is not None:
            return FolderTimes((None,) * len(pictures))
        taken = [self._taken_at(path) for path in pictures]
        if len(set(taken)) == 1:  # none has EXIF data, or the camera's clock was never set
            taken = taken if len(taken) == 1 else [None] * len(taken)
        stamps = [in_name(path.name, self._timezone) if at is None else of_moment(at) for path, at in zip(pictures, taken, strict=True)]
        times = picture_times(stamps, self._fps, self._clock.now())
        if times.problem:
            raise ConfigError(f"{self._path}: its pictures {times.problem}; set `fps` of the source, the rate of the pictures")
        return times

    def _taken_at(self, path: Path) -> datetime | None:
        """What the EXIF data tells. An unreadable file is reported when it is its turn."""
        if path.suffix.lower() not in _JPEG:
            return None
        with suppress(OSError), path.open("rb") as file:
            return taken_at(file.read(_EXIF_BYTES), self._timezone)
        return None

    def _pictures(self) -> list[Path]:
        try:
            found = pictures_in(self._path)
        except OSError as error:
            raise SourceUnavailable(f"{self._path}: cannot be listed: {error.strerror}") from error
        if not found:
            raise SourceUnavailable(f"{self._path}: contains no pictures (.jpg, .jpeg, .png)")
        return found

    def _read(self, path: Path) -> bytes | None:
        """The picture as JPEG; None if it is damaged."""
        try:
            data = path.read_bytes()
            if path.suffix.lower() not in _JPEG:
                return _encode(data)
            return usable_jpeg(data)
        except (FrameBroken, OSError) as error:
            self._losses.count(self._camera, LossReason.UNDECODABLE, f"{path}: {error}")
            return None

    def _by_position(self, begin: datetime, number: int, path: Path) -> datetime:
        if self._fps is None:
            raise ConfigError(f"{path}: has no time, neither in EXIF nor in its name; set `fps` of the source, the rate of the pictures")
        return begin + timedelta(microseconds=round(number * 1e6 / self._fps))

    def _rising(self, moment: datetime, last: datetime | None, path: Path) -> datetime:
        """A capture time later than `last`. Pictures of the same second are spread at `fps`; an earlier time is counted as a clock jump."""
        if last is None or moment > last:
            return moment
        if last - moment > timedelta(seconds=1):
            self._losses.count(self._camera, LossReason.CLOCK_JUMP, f"{path}: has an earlier time than the picture before it")
        return last + timedelta(seconds=1 / self._fps if self._fps else _STEP_S)


def _encode(data: bytes) -> bytes:
    from etle.media.video import jpeg_of  # only folders with PNGs need PyAV

    return jpeg_of(data)


def open_source(camera: CameraId, settings: FolderSourceSettings, context: SourceContext) -> FrameSource:
    source = FolderSource(
        camera,
        settings.folder,
        context.clock,
        context.losses,
        starts_at=settings.starts_at,
        fps=settings.fps,
        timezone=context.timezone,
    )
    return reencoded(source, ReencodeSettings(settings.quality, settings.max_width), context.losses)
