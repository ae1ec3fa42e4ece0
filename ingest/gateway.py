"""A box beside cameras: a thread for each camera, an outlet for live ones and one for films, and a look at all of it every second."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from threading import Event, Thread
from typing import Final
from zoneinfo import ZoneInfo

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
from ingest.sources.reconnect import ReconnectBackoff

log = logging.getLogger(__name__)
OUTCOMES: Final = {DeliveryStatus.SENT: FrameOutcome.SENT, DeliveryStatus.SPOOLED: FrameOutcome.SPOOLED}
COUNTED: Final = (FrameOutcome.CAPTURED, FrameOutcome.SENT, FrameOutcome.SPOOLED, FrameOutcome.LOST)
_TICK_S: Final = 1.0
_JOIN_S: Final = 3.0
"""A camera that hangs is not waited for longer."""
_STUCK_S: Final = 180.0
"""A sender turns at least once in the broker's timeout, which is 30 seconds by default."""
_MB: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayDeps:
    """What a box needs of the world. `connect` raises BrokerError."""

    folder: Path
    """Spool and positions lie in it."""
    connect: Callable[[], ClosablePublisher]
    sign: Sign
    clock: Clock
    metrics: Metrics
    health: Health
    source_name: Callable[[CameraSettings], str]
    """Changes when a camera's film is another one."""


class EdgeGateway:
    def __init__(self, site: Site, cameras: Sequence[CameraSettings], around: GatewayDeps) -> None:
        """Raises ConfigError if the folder cannot be used, or another process uses it."""
        self._site = site
        self._around = around
        self._losses = FrameLossCounter()
        self._told: dict[tuple[CameraId, LossReason], int] = {}
        self._pauses = ReconnectBackoff(Random().random)
        wiring = self._wiring()
        live = [camera for camera in cameras if camera.source.live]
        films = [camera for camera in cameras if not camera.source.live]
        self._live = self._outlet("send live", self._spool()) if live else None
        self._films = self._outlet("send films", None) if films else None
        self._feeds = [self._feed(camera, wiring, self._live) for camera in live if self._live]
        self._feeds += [self._feed(camera, wiring, self._films) for camera in films if self._films]

    def run(self, stop: Event) -> list[str]:
        """Until every film has ended and arrived, or `stop`. What could not be read, a line each."""
        threads = [Thread(target=feed.run, name=f"etle-{feed.camera.id}", daemon=True) for feed in self._feeds]
        for thread in threads:
            thread.start()
        while not stop.wait(_TICK_S) and (any(thread.is_alive() for thread in threads) or not self._empty()):
            self._tick()
        self._close(threads)
        return [feed.problem for feed in self._feeds if feed.problem]

    def _close(self, threads: Sequence[Thread]) -> None:
        for feed in self._feeds:
            feed.stop()
        for thread in threads:
            thread.join(_JOIN_S)
        for outlet in filter(None, (self._live, self._films)):
            outlet.close()
        self._tick()

    def _empty(self) -> bool:
        return all(outlet.drain(0) for outlet in (self._live, self._films) if outlet is not None)

    def _wiring(self) -> FeedContext:
        around = self._around
        return FeedContext(
            zone=ZoneInfo(self._site.timezone),
            clock=around.clock,
            losses=self._losses,
            pauses=self._pauses,
            topic=TopicNames(self._site.broker.prefix).frames,
            sign=around.sign,
            largest_bytes=round(self._site.broker.frames.largest_mb * _MB),
            reports=FeedCallbacks(captured=self._captured, kept=self._kept),
        )

    def _feed(self, camera: CameraSettings, wiring: FeedContext, outlet: SpooledProducer) -> CameraFeed:
        self._around.metrics.expect(camera.id, *COUNTED)
        position = SourcePositionFile(self._around.folder / "positions", camera.camera_id, self._around.source_name(camera))
        return CameraFeed(camera, wiring, outlet, position)

    def _spool(self) -> Spool:
        settings = self._site.ingest
        return Spool(
            self._around.folder / "spool",
            settings.spool_mb * _MB,
            keep_free_bytes=settings.keep_free_mb * _MB,
            lost=lambda camera, times: self._losses.count(CameraId(camera), LossReason.UNSENT, "damaged in the spool", times),
        )

    def _outlet(self, name: str, spool: Spool | None) -> SpooledProducer:
        health = self._around.health
        health.watch(name, _STUCK_S)
        watch = QueueCallbacks(kept=self._drained, trouble=BrokerPauseMetrics(self._around.metrics), turned=lambda: health.turned(name))
        return SpooledProducer(Sender(self._around.connect), spool, self._pauses, watch)

    def _captured(self, frame: Frame) -> None:
        metrics = self._around.metrics
        metrics.frame(frame.camera, FrameOutcome.CAPTURED)
        metrics.last_frame(frame.camera, frame.captured_at)
        if frame.clock_error_s is not None:
            metrics.clock_skew(frame.camera, frame.clock_error_s)

    def _kept(self, frame: Frame, kept: DeliveryStatus) -> None:
        if kept in OUTCOMES:  # what is lost is counted with all other losses
            self._around.metrics.frame(frame.camera, OUTCOMES[kept])

    def _drained(self, camera: CameraId, kept: DeliveryStatus, times: int) -> None:
        if kept is DeliveryStatus.LOST:
            self._losses.count(camera, LossReason.UNSENT, "", times)
        else:
            self._around.metrics.frame(camera, FrameOutcome.SENT, times)

    def _tick(self) -> None:
        for feed in self._feeds:
            feed.position.save(self._losses.of(feed.camera.camera_id))
            self._around.metrics.camera_awaited(feed.camera.id, feed.awaited)
        for camera, counts in self._losses.snapshot().items():
            for loss, times in counts.items():
                self._tell(camera, loss, times)
        if self._live is not None:
            frames, size = self._live.spooled()
            self._around.metrics.spool(frames=frames, bytes_=size, limit_bytes=self._site.ingest.spool_mb * _MB)

    def _tell(self, camera: CameraId, loss: LossReason, times: int) -> None:
        new = times - self._told.get((camera, loss), 0)
        self._told[camera, loss] = times
        if new and loss in FRAMES_LOST:
            self._around.metrics.frame(camera, FrameOutcome.LOST, new)
        if new:
            self._around.metrics.camera_trouble(camera, loss.value, new)
