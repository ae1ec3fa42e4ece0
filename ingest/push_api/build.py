"""Puts the door together: its spool, its notes, its outlet."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from etle.config.site import Site
from etle.kafka.topics import TopicNames
from etle.observability.health import Health
from etle.observability.metrics import FrameOutcome, Metrics
from etle.protocols import Clock
from etle.types import CameraId, Frame
from etle.wire import Sign
from ingest.delivery.broker_metrics import BrokerPauseMetrics
from ingest.delivery.producer import QueueCallbacks, SpooledProducer
from ingest.delivery.queued_message import DeliveryStatus
from ingest.delivery.sender import ClosablePublisher, Sender
from ingest.delivery.spool import Spool
from ingest.push_api.api import PushApi
from ingest.push_api.auth import Authenticator
from ingest.push_api.dedup import Deduplicator
from ingest.push_api.service import SAFE_WITHIN_S, PushService, PushTopics
from ingest.sources.reconnect import ReconnectBackoff

_MB: Final = 1_000_000
_STUCK_S: Final = 180.0
_LOOP: Final = "send vendors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDeps:
    """What a door needs of the world. `connect` raises BrokerError."""

    folder: Path
    connect: Callable[[], ClosablePublisher]
    sign: Sign
    clock: Clock
    metrics: Metrics
    health: Health
    safe_within_s: float = SAFE_WITHIN_S


@contextmanager
def open_push_service(site: Site, parts: ServiceDeps) -> Iterator[PushApi]:
    """Raises ConfigError if the folder or a vendor's secret cannot be used. What is in work at the end goes to the broker or the disk."""
    admission = Authenticator(site.ingest.vendors, time.monotonic)
    outlet = SpooledProducer(Sender(parts.connect), _spool(site, parts), ReconnectBackoff(Random().random), _watch(parts), drops=False)
    try:
        with Deduplicator(parts.folder / "accepted.sqlite") as accepted:
            names = TopicNames(site.broker.prefix)
            topics = PushTopics(frames=names.frames, events=names.events)
            door = PushService(
                site,
                topics,
                outlet,
                accepted,
                parts.sign,
                parts.clock,
                taken=lambda frame: _taken(parts, outlet, site, frame),
                safe_within_s=parts.safe_within_s,
            )
            largest = round(site.broker.frames.largest_mb * _MB)
            yield PushApi(door, admission, parts.clock, largest, parts.metrics.vendor_message)
    finally:
        outlet.close()


def _spool(site: Site, parts: ServiceDeps) -> Spool:
    settings = site.ingest
    return Spool(
        parts.folder / "spool",
        settings.spool_mb * _MB,
        keep_free_bytes=settings.keep_free_mb * _MB,
        lost=lambda camera, times: parts.metrics.frame(camera, FrameOutcome.LOST, times),
    )


def _watch(parts: ServiceDeps) -> QueueCallbacks:
    parts.health.watch(_LOOP, _STUCK_S)

    def kept(camera: CameraId, fate: DeliveryStatus, times: int) -> None:
        parts.metrics.frame(camera, FrameOutcome.LOST if fate is DeliveryStatus.LOST else FrameOutcome.SENT, times)

    return QueueCallbacks(kept=kept, trouble=BrokerPauseMetrics(parts.metrics), turned=lambda: parts.health.turned(_LOOP))


def _taken(parts: ServiceDeps, outlet: SpooledProducer, site: Site, frame: Frame) -> None:
    metrics = parts.metrics
    metrics.frame(frame.camera, FrameOutcome.CAPTURED)
    metrics.last_frame(frame.camera, frame.captured_at)
    metrics.clock_skew(frame.camera, frame.clock_error_s or 0.0)
    frames, size = outlet.spooled()
    metrics.spool(frames=frames, bytes_=size, limit_bytes=site.ingest.spool_mb * _MB)
