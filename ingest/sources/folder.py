"""A folder of pictures as a source, such as the snapshots of a recorder."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

from etle.config.sources import PICTURE_SUFFIXES, FolderSourceSettings
from etle.errors import ConfigError, FrameBroken, SourceBroken, SourceUnavailable
from etle.media.exif import taken_at
from etle.media.jpeg import size_of
from etle.protocols import Clock, FrameSource
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.frames import frame_of
from ingest.sources.open import SourceContext
from ingest.sources.reencode import ReencodeSettings, reencoded

_JPEG = frozenset((".jpg", ".jpeg"))
_IN_NAME = re.compile(
    r"(?<!\d)(20\d\d)[-_.]?([01]\d)[-_.]?([0-3]\d)[-_. T]?([0-2]\d)[-_.:h]?([0-5]\d)[-_.:m]?([0-5]\d)(?:[-_.,](\d{1,6})|(\d{3}))?(?!\d)"
)
"""Date and time; the milliseconds may follow without a separator, as some recorders write them."""
_EPOCH_IN_NAME = re.compile(r"(?<!\d)(1\d{9})(\d{3})?(?!\d)")
_STEP_S = 0.001


class FolderSource:
    """The JPEGs of a folder, unchanged, and its PNGs, encoded as JPEG; in natural order of their names, `2.jpg` before `10.jpg`.

    A frame's number is the position of its picture in that order, so that the number of a damaged one is missing. The capture time comes
    from the picture's EXIF data; otherwise from its name (`20261123_100000_123`, or seconds since 1970); otherwise it is `starts_at` plus
    the position divided by `fps`, where `starts_at` is by default the modification time of the first file. Times without an offset are
    local times of `timezone`.
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
        for number, path in enumerate(pictures):
            data = self._read(path)
            if data is None:
                continue
            any_valid = True
            captured_at = last = self._rising(self._captured_at(path, data, number, pictures[0]), last, path)
            if after is None or number > after:
                yield frame_of(self._camera, number, data, captured_at=captured_at, received_at=self._clock.now())
        if not any_valid:
            raise SourceBroken(f"{self._path}: none of its {len(pictures)} pictures could be read")

    def _pictures(self) -> list[Path]:
        try:
            found = [path for path in self._path.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES]
        except OSError as error:
            raise SourceUnavailable(f"{self._path}: cannot be listed: {error.strerror}") from error
        if not found:
            raise SourceUnavailable(f"{self._path}: contains no pictures (.jpg, .jpeg, .png)")
        return sorted(found, key=lambda path: _natural(path.name))

    def _read(self, path: Path) -> bytes | None:
        """The picture as JPEG; None if it is damaged."""
        try:
            data = path.read_bytes()
            if path.suffix.lower() not in _JPEG:
                return _encode(data)
            size_of(data)
        except (FrameBroken, OSError) as error:
            self._losses.count(self._camera, LossReason.UNDECODABLE, f"{path}: {error}")
            return None
        return data

    def _captured_at(self, path: Path, data: bytes, number: int, first: Path) -> datetime:
        moment = taken_at(data, self._timezone) or time_in_name(path.name, self._timezone)
        if moment is not None:
            return moment
        if self._fps is None:
            raise ConfigError(f"{path}: has no time, neither in EXIF nor in its name; set `fps` of the source, the rate of the pictures")
        begin = self._starts_at or datetime.fromtimestamp(first.stat().st_mtime, UTC)
        return begin + timedelta(microseconds=round(number * 1e6 / self._fps))

    def _rising(self, moment: datetime, last: datetime | None, path: Path) -> datetime:
        """A capture time later than `last`. Pictures of the same second are spread at `fps`; an earlier time is counted as a clock jump."""
        if last is None or moment > last:
            return moment
        if last - moment > timedelta(seconds=1):
            self._losses.count(self._camera, LossReason.CLOCK_JUMP, f"{path}: has an earlier time than the picture before it")
        return last + timedelta(seconds=1 / self._fps if self._fps else _STEP_S)


def time_in_name(name: str, local: tzinfo) -> datetime | None:
    """The time in a file name, as recorders write it; None if there is none."""
    if match := _IN_NAME.search(name):
        *parts, fraction, attached = match.groups()
        try:
            moment = datetime.strptime("".join(parts), "%Y%m%d%H%M%S").replace(tzinfo=local)
        except ValueError:
            return None
        return (moment + timedelta(seconds=float(f"0.{fraction or attached or 0}"))).astimezone(UTC)
    if match := _EPOCH_IN_NAME.search(name):
        return datetime.fromtimestamp(int(match[1]), UTC) + timedelta(milliseconds=int(match[2] or 0))
    return None


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that compares numbers in names by value."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]


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
