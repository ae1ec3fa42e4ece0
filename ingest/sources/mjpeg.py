"""A camera that sends an MJPEG stream over HTTP. The bytes of its JPEGs are not changed, unless they have to be turned upright."""

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
from ingest.sources.frames import FrameSampler, first_live_sequence, frame_of, usable_jpeg
from ingest.sources.http import HttpClient, translate_errors
from ingest.sources.multipart import MultipartParser, MultipartPart, boundary_of
from ingest.sources.open import SourceContext
from ingest.sources.reconnect import SourceConnection
from ingest.sources.reencode import ReencodeSettings, reencoded
from ingest.sources.timestamps import ReportedClock, TimestampEstimator

_CHUNK_BYTES = 64 * 1024
_MAX_TIMEOUTS_PER_PICTURE = 3.0
"""A whole picture may take this multiple of `timeout_s`, which bounds the time between two reads."""


class MjpegSource:
    """Frames of a multipart stream. If the camera sends its time (`X-Timestamp`, seconds since 1970), its clock error is measured."""

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
        self._connection = SourceConnection(camera, self._http.address.shown, clock, losses, backoff, attempts)
        self._times = TimestampEstimator(camera, losses)
        self._reported = ReportedClock(camera)
        self._fps = fps
        self._timeout_s = timeout_s
        self._monotonic = monotonic

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Ends only after `close`. Raises SourceUnavailable when the `attempts` are used up."""
        number = first_live_sequence(self._clock.now(), after)
        sampler = FrameSampler(self._fps)
        for part in self._connection.stream(self._parts):
            received_at = self._clock.now()
            if not sampler.accepts(received_at.timestamp()):
                continue
            frame = self._frame(number, part, received_at)
            if frame is not None:
                yield frame
            number += 1

    def close(self) -> None:
        """Ends `frames` at the next picture or after `timeout_s`. Safe from another thread."""
        self._connection.stop()

    def _parts(self) -> Iterator[MultipartPart]:
        address = self._http.address
        self._times.reset()
        self._reported.reset()
        with self._http.open() as response:
            try:
                parser = MultipartParser(boundary_of(response.headers.get("Content-Type", "")))
                picture_at_s = self._monotonic()
                while not self._connection.stopped:
                    with translate_errors(address):
                        data = response.read1(_CHUNK_BYTES)
                    if not data:
                        return
                    for part in parser.feed(data):
                        yield part
                        picture_at_s = self._monotonic()
                    if self._monotonic() - picture_at_s > _MAX_TIMEOUTS_PER_PICTURE * self._timeout_s:
                        raise SourceUnavailable(
                            f"{address.shown}: no complete picture within {_MAX_TIMEOUTS_PER_PICTURE * self._timeout_s:.0f} s"
                        )
            except SourceBroken as error:
                raise SourceBroken(f"{address.shown}: {error}") from error

    def _frame(self, number: int, part: MultipartPart, received_at: datetime) -> Frame | None:
        """None if the picture is damaged; its number is then missing."""
        reported = part.headers.get("x-timestamp")
        captured_at = self._times.captured_at(received_at, self._reported.interval_s(reported, received_at))
        error_s = self._reported.error_s(reported, received_at)
        try:
            data = usable_jpeg(part.body)
            return frame_of(self._camera, number, data, captured_at=captured_at, received_at=received_at, clock_error_s=error_s)
        except FrameBroken as error:
            self._losses.count(self._camera, LossReason.UNDECODABLE, str(error))
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
