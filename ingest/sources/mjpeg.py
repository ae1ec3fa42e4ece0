"""A camera that pushes JPEGs over HTTP. Its bytes are passed on untouched."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime

from etle.address import Address
from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.config.sources import MjpegSourceSettings
from etle.errors import FrameBroken, SourceBroken, SourceUnavailable
from etle.protocols import Clock, FrameSource
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.frames import FrameSampler, first_live_sequence, frame_of
from ingest.sources.http import HttpClient, problems_of
from ingest.sources.multipart import MultipartParser, MultipartPart, boundary_of
from ingest.sources.open import SourceContext
from ingest.sources.reconnect import SourceConnection
from ingest.sources.reencode import ReencodeSettings, reencoded
from ingest.sources.timestamps import TimestampEstimator

_AT_ONCE = 64 * 1024
_SLOWEST = 3.0
"""A picture may take so many times longer than the silence that is borne."""
_CLOCKS_SINCE_S = 946_684_800.0
"""1 January 2000: an `X-Timestamp` before it is a camera's time since it was switched on, and no clock."""


class MjpegSource:
    """Frames of a multipart stream. A camera that tells its time (`X-Timestamp`, seconds since 1970) has its clock error measured."""

    live = True

    def __init__(
        self,
        camera: CameraId,
        url: str,
        clock: Clock,
        losses: FrameLossCounter,
        backoff: Backoff,
        *,
        fps: float | None = None,
        timeout_s: float = 10.0,
        attempts: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._camera = camera
        self._clock = clock
        self._losses = losses
        self._http = HttpClient(Address.of(url), timeout_s)
        self._connection = SourceConnection(camera, self._http.address.bare, clock, losses, backoff, attempts)
        self._times = TimestampEstimator(camera, losses)
        self._fps = fps
        self._timeout_s = timeout_s
        self._monotonic = monotonic

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Never ends by itself, unless `attempts` are used up: SourceUnavailable."""
        number = first_live_sequence(self._clock.now(), after)
        thinning = FrameSampler(self._fps)
        for part in self._connection.stream(self._parts):
            received_at = self._clock.now()
            if not thinning.wants(received_at.timestamp()):
                continue
            frame = self._frame(number, part, received_at)
            if frame is not None:
                yield frame
            number += 1

    def close(self) -> None:
        """Ends `frames` at the next picture, at the latest after `timeout_s`. Safe from another thread."""
        self._connection.stop()

    def _parts(self) -> Iterator[MultipartPart]:
        address = self._http.address
        self._times.unpin()
        with self._http.open() as response:
            try:
                cutter = MultipartParser(boundary_of(response.headers.get("Content-Type", "")))
                whole_at = self._monotonic()
                while not self._connection.stopped:
                    with problems_of(address):
                        data = response.read1(_AT_ONCE)
                    if not data:
                        return
                    for part in cutter.feed(data):
                        yield part
                        whole_at = self._monotonic()
                    if self._monotonic() - whole_at > _SLOWEST * self._timeout_s:
                        raise SourceUnavailable(
                            f"{address.bare}: no whole picture for {_SLOWEST * self._timeout_s:.0f} s, only parts of one"
                        )
            except SourceBroken as error:
                raise SourceBroken(f"{address.bare}: {error}") from error

    def _frame(self, number: int, part: MultipartPart, received_at: datetime) -> Frame | None:
        """None if the picture is broken: then its number stays a gap."""
        told_s = _told_s(part)
        error_s = told_s - received_at.timestamp() if told_s is not None and told_s > _CLOCKS_SINCE_S else None
        captured_at = self._times.captured_at(received_at, told_s)
        try:
            return frame_of(self._camera, number, part.body, captured_at=captured_at, received_at=received_at, clock_error_s=error_s)
        except FrameBroken as error:
            self._losses.count(self._camera, LossReason.UNDECODABLE, str(error))
            return None


def _told_s(part: MultipartPart) -> float | None:
    try:
        return float(part.headers["x-timestamp"])
    except (KeyError, ValueError):
        return None


def open_source(camera: CameraId, settings: MjpegSourceSettings, context: SourceContext) -> FrameSource:
    source = MjpegSource(
        camera,
        settings.mjpeg,
        context.clock,
        context.losses,
        Backoff(RECONNECT_DELAYS_S, context.jitter),
        fps=settings.fps,
        timeout_s=settings.timeout_s,
        attempts=context.attempts,
    )
    return reencoded(source, ReencodeSettings(settings.quality, settings.max_width), context.losses)
