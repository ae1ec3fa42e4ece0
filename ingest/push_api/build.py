"""Puts the door together: its spool, its notes, its outlet."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

from etle.config.site import Site
from etle.kafka.topics import Names
from etle.observability.health import Health
from etle.observability.metrics import FrameOutcome, Metrics
from etle.protocols import Clock
from etle.types import CameraId, Frame
from etle.wire import Sign
from ingest.delivery.broker_metrics import BrokerPause
from ingest.delivery.producer import Outlet, Watch
from ingest.delivery.queued_message import Kept
from ingest.delivery.sender import Connected, Sender
from ingest.delivery.spool import Spool
from ingest.push_api.api import DoorApp
from ingest.push_api.auth import Admission
from ingest.push_api.dedup import Accepted
from ingest.push_api.service import SAFE_WITHIN_S, Door, Topics
from ingest.sources.reconnect import Pauses

_MB: Final = 1_000_000
_STUCK_S: Final = 180.0
_LOOP: Final = "send vendors"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorParts:
    """What a door needs of the world. `connect` raises BrokerError."""

    folder: Path
    connect: Callable[[], Connected]
    sign: Sign
    clock: Clock
    metrics: Metrics
    health: Health
    safe_within_s: float = SAFE_WITHIN_S


@contextmanager
def open_door(site: Site, parts: DoorParts) -> Iterator[DoorApp]:
    """Raises ConfigError if the folder or a vendor's secret cannot be used. What is in work at the end goes to the broker or the disk."""
    admission = Admission(site.ingest.vendors, time.monotonic)
    outlet = Outlet(Sender(parts.connect), _spool(site, parts), Pauses(Random().random), _watch(parts), drops=False)
    try:
        with Accepted(parts.folder / "accepted.sqlite") as accepted:
            names = Names(site.broker.prefix)
            topics = Topics(frames=names.frames, events=names.events)
            door = Door(
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
            yield DoorApp(door, admission, parts.clock, largest, parts.metrics.vendor_message)
    finally:
        outlet.close()


def _spool(site: Site, parts: DoorParts) -> Spool:
    settings = site.ingest
    return Spool(
        parts.folder / "spool",
        settings.spool_mb * _MB,
        keep_free_bytes=settings.keep_free_mb * _MB,
        lost=lambda camera, times: parts.metrics.frame(camera, FrameOutcome.LOST, times),
    )


def _watch(parts: DoorParts) -> Watch:
    parts.health.watch(_LOOP, _STUCK_S)

    def kept(camera: CameraId, fate: Kept, times: int) -> None:
        parts.metrics.frame(camera, FrameOutcome.LOST if fate is Kept.LOST else FrameOutcome.SENT, times)

    return Watch(kept=kept, trouble=BrokerPause(parts.metrics), turned=lambda: parts.health.turned(_LOOP))


def _taken(parts: DoorParts, outlet: Outlet, site: Site, frame: Frame) -> None:
    metrics = parts.metrics
    metrics.frame(frame.camera, FrameOutcome.CAPTURED)
    metrics.last_frame(frame.camera, frame.captured_at)
    metrics.clock_skew(frame.camera, frame.clock_error_s or 0.0)
    frames, size = outlet.spooled()
    metrics.spool(frames=frames, bytes_=size, limit_bytes=site.ingest.spool_mb * _MB)
