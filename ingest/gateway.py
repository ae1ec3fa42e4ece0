"""An edge gateway beside the cameras: one thread per camera, one producer for live cameras and one for video files, and metrics once a
second."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Final
from zoneinfo import ZoneInfo

from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.config.site import CameraSettings, Site
from etle.kafka.topics import TopicNames
from etle.observability.health import Health
from etle.observability.metrics import FrameOutcome, Metrics
from etle.protocols import Clock
from etle.types import CameraId, Frame
from etle.wire import Sign
from ingest.camera_feed import CameraFeed, FeedCallbacks, FeedContext
from ingest.delivery.broker_metrics import BrokerPauseMetrics
from ingest.delivery.positions import SourcePositionFile
from ingest.delivery.producer import QueueCallbacks, SpooledProducer
from ingest.delivery.queued_message import DeliveryStatus
from ingest.delivery.sender import ClosablePublisher, Sender
from ingest.delivery.spool import Spool
from ingest.frame_loss import FRAMES_LOST, FrameLossCounter, LossReason
from ingest.signals.source import OpenTail, no_topics

log = logging.getLogger(__name__)
OUTCOMES: Final = {DeliveryStatus.SENT: FrameOutcome.SENT, DeliveryStatus.SPOOLED: FrameOutcome.SPOOLED}
COUNTED: Final = (FrameOutcome.CAPTURED, FrameOutcome.SENT, FrameOutcome.SPOOLED, FrameOutcome.LOST)
_TICK_S: Final = 1.0
_JOIN_TIMEOUT_S: Final = 3.0
"""Longest wait at shutdown for the thread of a camera that hangs."""
_MAX_SILENCE_S: Final = 180.0
"""A sender reports a heartbeat at least once per broker timeout, which is 30 seconds by default."""
_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDeps:
    """Dependencies of a gateway. `connect` raises BrokerError."""

    folder: Path
    """Contains the spool and the positions."""
    connect: Callable[[], ClosablePublisher]
    sign: Sign
    clock: Clock
    metrics: Metrics
    health: Health
    source_names: Callable[[CameraSettings], tuple[str, Iterable[str]]]
    """Identifies the footage, and as it was when it was shorter; it changes when the file or folder gets other content."""
    open_tail: OpenTail = no_topics
    """Opens the topic of a signal's controller."""


class EdgeGateway:
    def __init__(self, site: Site, cameras: Sequence[CameraSettings], deps: GatewayDeps) -> None:
        """Raises ConfigError if the folder cannot be used, or another process uses it."""
        self._site = site
        self._deps = deps
        self._losses = FrameLossCounter()
        self._reported: dict[tuple[CameraId, LossReason], int] = {}
        self._jitter = Random().random
        context = self._feed_context()
        live = [camera for camera in cameras if camera.source.live]
        files = [camera for camera in cameras if not camera.source.live]
        self._live_producer = self._producer("send live", self._spool()) if live else None
        self._file_producer = self._producer("send files", None) if files else None
        self._feeds = [self._feed(camera, context, self._live_producer) for camera in live if self._live_producer]
        self._feeds += [self._feed(camera, context, self._file_producer) for camera in files if self._file_producer]

    def run(self, stop: Event) -> list[str]:
        """Run until every video file has ended and been delivered, or `stop` is set. Returns a line for each source that could not be read
        to its end."""
        threads = [Thread(target=feed.run, name=f"etle-{feed.camera.id}", daemon=True) for feed in self._feeds]
        for thread in threads:
            thread.start()
        while not stop.wait(_TICK_S) and (any(thread.is_alive() for thread in threads) or not self._all_delivered()):
            self._tick()
        self._close(threads)
        return [feed.problem for feed in self._feeds if feed.problem]

    def _close(self, threads: Sequence[Thread]) -> None:
        for feed in self._feeds:
            feed.stop()
        for thread in threads:
            thread.join(_JOIN_TIMEOUT_S)
        for producer in self._producers():
            producer.close()
        self._tick()

    def _all_delivered(self) -> bool:
        return all(producer.drain(0) for producer in self._producers())

    def _producers(self) -> Sequence[SpooledProducer]:
        return [producer for producer in (self._live_producer, self._file_producer) if producer is not None]

    def _feed_context(self) -> FeedContext:
        return FeedContext(
            timezone=ZoneInfo(self._site.timezone),
            clock=self._deps.clock,
            losses=self._losses,
            jitter=self._jitter,
            topic=TopicNames(self._site.broker.prefix).frames,
            sign=self._deps.sign,
            max_frame_bytes=round(self._site.broker.frames.largest_mb * _MB),
            callbacks=FeedCallbacks(on_captured=self._count_captured, on_status=self._count_status),
            open_tail=self._deps.open_tail,
        )

    def _feed(self, camera: CameraSettings, context: FeedContext, producer: SpooledProducer) -> CameraFeed:
        self._deps.metrics.init_frames(camera.id, *COUNTED)
        position = SourcePositionFile(self._deps.folder / "positions", camera.camera_id, *self._deps.source_names(camera))
        return CameraFeed(camera, context, producer, position)

    def _spool(self) -> Spool:
        settings = self._site.ingest
        return Spool(
            self._deps.folder / "spool",
            settings.spool_mb * _MB,
            keep_free_bytes=settings.keep_free_mb * _MB,
            on_damaged=lambda camera, times: self._losses.count(CameraId(camera), LossReason.UNSENT, "damaged in the spool", times),
        )

    def _producer(self, name: str, spool: Spool | None) -> SpooledProducer:
        health = self._deps.health
        health.register(name, _MAX_SILENCE_S)
        callbacks = QueueCallbacks(
            on_status=self._count_unspooled,
            on_broker_error=BrokerPauseMetrics(self._deps.metrics),
            on_heartbeat=lambda: health.heartbeat(name),
        )
        return SpooledProducer(Sender(self._deps.connect), spool, Backoff(RECONNECT_DELAYS_S, self._jitter), callbacks)

    def _count_captured(self, frame: Frame) -> None:
        metrics = self._deps.metrics
        metrics.frame(frame.camera, FrameOutcome.CAPTURED)
        metrics.last_frame(frame.camera, frame.captured_at)
        if frame.clock_error_s is not None:
            metrics.clock_skew(frame.camera, frame.clock_error_s)

    def _count_status(self, frame: Frame, status: DeliveryStatus) -> None:
        if status in OUTCOMES:  # lost frames are counted in `_losses`
            self._deps.metrics.frame(frame.camera, OUTCOMES[status])

    def _count_unspooled(self, camera: CameraId, status: DeliveryStatus, times: int) -> None:
        """Count messages that left the spool."""
        if status is DeliveryStatus.LOST:
            self._losses.count(camera, LossReason.UNSENT, "", times)
        else:
            self._deps.metrics.frame(camera, FrameOutcome.SENT, times)

    def _tick(self) -> None:
        """Save the positions and update the metrics."""
        for feed in self._feeds:
            feed.position.save(self._losses.of(feed.camera.camera_id))
            self._deps.metrics.camera_awaited(feed.camera.id, feed.awaited)
        for camera, counts in self._losses.snapshot().items():
            for reason, times in counts.items():
                self._report_losses(camera, reason, times)
        if self._live_producer is not None:
            frames, size = self._live_producer.spooled()
            self._deps.metrics.spool(frames=frames, bytes_=size, limit_bytes=self._site.ingest.spool_mb * _MB)

    def _report_losses(self, camera: CameraId, reason: LossReason, times: int) -> None:
        """`times`: the total since the start."""
        new = times - self._reported.get((camera, reason), 0)
        self._reported[camera, reason] = times
        if new and reason in FRAMES_LOST:
            self._deps.metrics.frame(camera, FrameOutcome.LOST, new)
        if new:
            self._deps.metrics.camera_trouble(camera, reason.value, new)
