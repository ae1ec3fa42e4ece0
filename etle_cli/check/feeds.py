"""Checks of the signals' controller feeds: a usable message arrives, and its time fits this host's clock."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Final

from etle.clock import SystemClock
from etle.config.signal_feed import SignalFeed
from etle.config.site import CameraSettings, Site
from etle.errors import SourceUnavailable
from etle.types import ControllerReading, SignalId
from etle_cli.check.result import CheckResult, run_check
from etle_cli.options.broker import topic_tail

_PARALLEL_FEEDS: Final = 16
_STEP_S: Final = 0.05


def check_feeds(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    feeds = [(camera, signal.id, signal.feed) for camera in site.cameras for signal in camera.signals if signal.feed]
    with ThreadPoolExecutor(_PARALLEL_FEEDS) as pool:
        yield from pool.map(lambda each: _check_feed(site, each[0], each[1], each[2], timeout_s), feeds)


def _check_feed(site: Site, camera: CameraSettings, signal: str, feed: SignalFeed, timeout_s: float) -> CheckResult:
    subject = f"feed of signal {signal} of {camera.id}"
    return run_check(subject, lambda: _described(_first_reading(site, camera, signal, feed, timeout_s), feed))


def _described(reading: ControllerReading, feed: SignalFeed) -> str:
    if not feed.live:
        return f"{feed.description} begins with {reading.lamp} at {reading.at.isoformat()}"
    off_ms = (reading.at - SystemClock().now()).total_seconds() * 1000
    return f"{feed.description} says {reading.lamp}; its time is {off_ms:+.0f} ms off, uncertainty_ms is {feed.uncertainty_ms}"


def _first_reading(site: Site, camera: CameraSettings, signal: str, feed: SignalFeed, timeout_s: float) -> ControllerReading:
    """Raises SourceUnavailable with the last reason why a message could not be used."""
    from ingest.frame_loss import FrameLossCounter, LossReason
    from ingest.signals.feed import RecordedFeed
    from ingest.signals.source import open_feed

    losses, clock = FrameLossCounter(), SystemClock()
    opened = open_feed(camera.camera_id, SignalId(signal), feed, clock, losses, partial(topic_tail, site.broker))
    end = time.monotonic() + timeout_s
    with closing(opened):
        opened.start()
        while time.monotonic() < end:
            told = opened.readings[:1] if isinstance(opened, RecordedFeed) else opened.take(clock.now())
            if told:
                return told[-1]
            time.sleep(_STEP_S)
    reasons = (losses.last_detail(camera.camera_id, reason) for reason in (LossReason.SIGNAL_MESSAGE, LossReason.SIGNAL_SILENT))
    raise SourceUnavailable(next(filter(None, reasons), f"{feed.description}: no message within {timeout_s:g} s"))
