"""A camera that is asked for one JPEG after the other."""

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
from ingest.sources.frames import first_live_sequence, frame_of
from ingest.sources.http import HttpClient, problems_of, whole_body
from ingest.sources.open import SourceContext
from ingest.sources.reconnect import SourceConnection
from ingest.sources.reencode import ReencodeSettings, reencoded
from ingest.sources.timestamps import TimestampEstimator

_LONGEST = 32 * 1024 * 1024
"""Bytes; what is longer is no picture."""


_SLOWEST = 3.0
"""A picture may take so many times longer than the silence that is borne."""


class SnapshotSource:
    """Frames of an address that answers with a JPEG, one every `interval_s`.

    A picture that the camera gave before is not given again: it is counted as a duplicate, which is no loss. An answer is dated
    by the middle between asking and having it. Its `Date` header, if any, tells the camera's clock, to the second.
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
        self._connection = SourceConnection(camera, self._http.address.bare, clock, losses, backoff, attempts)
        self._times = TimestampEstimator(camera, losses)
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._monotonic = monotonic
        self._tag: str | None = None
        self._last: Digest | None = None

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Never ends by itself, unless `attempts` are used up: SourceUnavailable."""
        number = first_live_sequence(self._clock.now(), after)
        for answer in self._connection.stream(self._answers):
            if answer is None:
                self._losses.count(self._camera, LossReason.DUPLICATE)
                continue
            frame = self._frame(number, *answer)
            if frame is not None:
                yield frame
            number += 1

    def close(self) -> None:
        """Ends `frames` at the next picture, at the latest after `timeout_s`. Safe from another thread."""
        self._connection.stop()

    def _answers(self) -> Iterator[tuple[bytes, datetime, datetime, float | None] | None]:
        """Picture, when it was taken, when it was received, the camera's clock error; None for the same picture again."""
        while not self._connection.stopped:
            asked_at = self._clock.now()
            yield self._answer(asked_at)
            self._connection.wait(self._interval_s - (self._clock.now() - asked_at).total_seconds())

    def _answer(self, asked_at: datetime) -> tuple[bytes, datetime, datetime, float | None] | None:
        with self._http.open({"If-None-Match": self._tag} if self._tag else None) as response:
            if response.status == http.client.NOT_MODIFIED:
                return None
            begun_at = self._clock.now()
            with problems_of(self._http.address):
                data = whole_body(response, _LONGEST, _SLOWEST * self._timeout_s, self._monotonic)
            self._tag = response.headers.get("ETag")
            told_at = _date(response.headers.get("Date", ""))
        if digest_of(data) == self._last:
            return None
        self._last = digest_of(data)
        taken_at = asked_at + (begun_at - asked_at) / 2
        return data, taken_at, self._clock.now(), _clock_error_s(told_at, taken_at)

    def _frame(self, number: int, data: bytes, taken_at: datetime, received_at: datetime, error_s: float | None) -> Frame | None:
        """None if the picture is broken: then its number stays a gap."""
        captured_at = self._times.captured_at(taken_at, None)
        try:
            return frame_of(self._camera, number, data, captured_at=captured_at, received_at=received_at, clock_error_s=error_s)
        except FrameBroken as error:
            self._losses.count(self._camera, LossReason.UNDECODABLE, str(error))
            return None


def _date(header: str) -> datetime | None:
    try:
        told = parsedate_to_datetime(header)
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _clock_error_s(told_at: datetime | None, taken_at: datetime) -> float | None:
    """`Date` cuts the parts of a second off, so its middle is meant."""
    return None if told_at is None else (told_at + timedelta(seconds=0.5) - taken_at).total_seconds()


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
