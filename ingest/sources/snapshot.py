"""A camera that is polled for single JPEGs."""

import http.client
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from etle.address import Address
from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.config.sources import SnapshotSourceSettings
from etle.errors import FrameBroken
from etle.protocols import Clock, FrameSource
from etle.types import CameraId, Digest, Frame, digest_of
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.frames import first_live_sequence, frame_of, usable_jpeg
from ingest.sources.http import HttpClient, read_body, translate_errors
from ingest.sources.open import SourceContext
from ingest.sources.reconnect import SourceConnection
from ingest.sources.reencode import ReencodeSettings, reencoded
from ingest.sources.timestamps import TimestampEstimator, is_plausible_clock

_MAX_PICTURE_BYTES = 32 * 1024 * 1024


_MAX_TIMEOUTS_PER_PICTURE = 3.0
"""A whole picture may take this multiple of `timeout_s`, which bounds the time between two reads."""


class SnapshotSource:
    """Requests a JPEG from an address every `interval_s`.

    A picture that equals the one before is counted as a duplicate and omitted. The capture time is the middle between the request and the
    start of the response. The `Date` header, if there is one, gives the camera's clock with a resolution of one second.
    """

    live = True

    def __init__(
        self,
        camera: CameraId,
        url: str,
        clock: Clock,
        losses: FrameLossCounter,
        backoff: Backoff,
        *,
        interval_s: float = 1.0,
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
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._etag: str | None = None
        self._last: Digest | None = None

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Ends only after `close`. Raises SourceUnavailable when the `attempts` are used up."""
        number = first_live_sequence(self._clock.now(), after)
        for picture in self._connection.stream(self._pictures):
            if picture is None:
                self._losses.count(self._camera, LossReason.DUPLICATE)
                continue
            frame = self._frame(number, *picture)
            if frame is not None:
                yield frame
            number += 1

    def close(self) -> None:
        """Ends `frames` at the next picture or after `timeout_s`. Safe from another thread."""
        self._connection.stop()

    def _pictures(self) -> Iterator[tuple[bytes, datetime, datetime, float | None] | None]:
        """JPEG, capture time, time of receipt, the camera's clock error in seconds; None for a repeated picture."""
        while not self._connection.stopped:
            requested_at = self._clock.now()
            yield self._request(requested_at)
            self._connection.wait(self._interval_s - (self._clock.now() - requested_at).total_seconds())

    def _request(self, requested_at: datetime) -> tuple[bytes, datetime, datetime, float | None] | None:
        with self._http.open({"If-None-Match": self._etag} if self._etag else None) as response:
            if response.status == http.client.NOT_MODIFIED:
                return None
            responded_at = self._clock.now()
            with translate_errors(self._http.address):
                data = read_body(response, _MAX_PICTURE_BYTES, _MAX_TIMEOUTS_PER_PICTURE * self._timeout_s, self._monotonic)
            self._etag = response.headers.get("ETag")
            camera_time = _date(response.headers.get("Date", ""))
        if digest_of(data) == self._last:
            return None
        self._last = digest_of(data)
        captured_at = requested_at + (responded_at - requested_at) / 2
        return data, captured_at, self._clock.now(), _clock_error_s(camera_time, captured_at)

    def _frame(self, number: int, data: bytes, estimated_at: datetime, received_at: datetime, error_s: float | None) -> Frame | None:
        """None if the picture is damaged; its number is then missing."""
        captured_at = self._times.captured_at(estimated_at, None)
        try:
            return frame_of(
                self._camera, number, usable_jpeg(data), captured_at=captured_at, received_at=received_at, clock_error_s=error_s
            )
        except FrameBroken as error:
            self._losses.count(self._camera, LossReason.UNDECODABLE, str(error))
            return None


def _date(header: str) -> datetime | None:
    """None if there is no date, or one that no clock shows: year 1970, year 9999."""
    try:
        moment = parsedate_to_datetime(header)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
    return moment if is_plausible_clock(moment.timestamp()) else None


def _clock_error_s(camera_time: datetime | None, captured_at: datetime) -> float | None:
    """`Date` omits fractions of a second; half a second is their mean."""
    return None if camera_time is None else (camera_time + timedelta(seconds=0.5) - captured_at).total_seconds()


def open_source(camera: CameraId, settings: SnapshotSourceSettings, context: SourceContext) -> FrameSource:
    source = SnapshotSource(
        camera,
        settings.snapshot,
        context.clock,
        context.losses,
        Backoff(RECONNECT_DELAYS_S, context.jitter),
        interval_s=settings.interval_s,
        timeout_s=settings.timeout_s,
        attempts=context.attempts,
    )
    return reencoded(source, ReencodeSettings(settings.quality, settings.max_width), context.losses)
