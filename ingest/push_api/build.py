"""Builds the push API with its spool, its record of accepted messages and its producer."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.config.law import Law
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
from ingest.push_api.event_case import EventCaseBuilder
from ingest.push_api.picture_store import PictureStore
from ingest.push_api.service import BROKEN_PAUSE_S, DELIVERY_TIMEOUT_S, EventCases, PushService, PushTopics

_MB: Final = 1_000_000
_MAX_SILENCE_S: Final = 180.0
_LOOP: Final = "send vendors"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDeps:
    """Dependencies of the push API. `connect` raises BrokerError."""

    folder: Path
    """Contains the spool and the record of accepted messages."""
    connect: Callable[[], ClosablePublisher]
    sign: Sign
    law: Law
    clock: Clock
    metrics: Metrics
    health: Health
    delivery_timeout_s: float = DELIVERY_TIMEOUT_S
    broken_pause_s: float = BROKEN_PAUSE_S
    sign_violation: Sign | None = None
    """With the key of `custody`; None: violations are not signed."""


@contextmanager
def open_push_service(site: Site, deps: ServiceDeps) -> Iterator[PushApi]:
    """Raises ConfigError if the folder or a vendor's secret cannot be used. On exit, queued messages go to the broker or the spool."""
    authenticator = Authenticator(site.ingest.vendors, time.monotonic)
    backoff = Backoff(RECONNECT_DELAYS_S, Random().random)
    producer = SpooledProducer(Sender(deps.connect), _spool(site, deps), backoff, _queue_callbacks(deps), drop_oldest=False)
    try:
        with Deduplicator(deps.folder / "accepted.sqlite") as dedup:
            names = TopicNames(site.broker.prefix)
            service = PushService(
                site,
                PushTopics(frames=names.frames, events=names.events, violations=names.violations),
                producer,
                dedup,
                deps.sign,
                deps.clock,
                _event_cases(site, deps),
                on_frame=lambda frame: _count_frame(deps, producer, site, frame),
                delivery_timeout_s=deps.delivery_timeout_s,
                broken_pause_s=deps.broken_pause_s,
            )
            max_frame_bytes = round(site.broker.frames.largest_mb * _MB)
            yield PushApi(service, authenticator, deps.clock, max_frame_bytes, deps.metrics.vendor_message)
    finally:
        producer.close()


def _event_cases(site: Site, deps: ServiceDeps) -> EventCases:
    """Raises ConfigError if a device is not registered correctly."""
    limits = {vendor.id: vendor.pictures_mb * _MB for vendor in site.ingest.vendors}
    pictures = PictureStore(deps.folder / "pictures", limits, deps.clock)
    return EventCases(builder=EventCaseBuilder(site, deps.law), pictures=pictures, sign=deps.sign_violation)


def _spool(site: Site, deps: ServiceDeps) -> Spool:
    settings = site.ingest
    return Spool(
        deps.folder / "spool",
        settings.spool_mb * _MB,
        keep_free_bytes=settings.keep_free_mb * _MB,
        on_damaged=lambda camera, times: deps.metrics.frame(camera, FrameOutcome.LOST, times),
    )


def _queue_callbacks(deps: ServiceDeps) -> QueueCallbacks:
    deps.health.register(_LOOP, _MAX_SILENCE_S)

    def on_status(camera: CameraId, status: DeliveryStatus, times: int) -> None:
        deps.metrics.frame(camera, FrameOutcome.LOST if status is DeliveryStatus.LOST else FrameOutcome.SENT, times)

    return QueueCallbacks(
        on_status=on_status, on_broker_error=BrokerPauseMetrics(deps.metrics), on_heartbeat=lambda: deps.health.heartbeat(_LOOP)
    )


def _count_frame(deps: ServiceDeps, producer: SpooledProducer, site: Site, frame: Frame) -> None:
    metrics = deps.metrics
    metrics.frame(frame.camera, FrameOutcome.CAPTURED)
    metrics.last_frame(frame.camera, frame.captured_at)
    metrics.clock_skew(frame.camera, frame.clock_error_s or 0.0)
    frames, size = producer.spooled()
    metrics.spool(frames=frames, bytes_=size, limit_bytes=site.ingest.spool_mb * _MB)
