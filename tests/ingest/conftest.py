"""Clocks, counters and cameras for the sources under test."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from footage.clocks import ShortSleepClock
from footage.http_cameras import Answer, http_camera
from footage.rtsp import RtspCamera, rtsp_server

from etle.testing import ManualClock
from ingest.frame_loss import FrameLossCounter


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def short_sleep_clock() -> ShortSleepClock:
    return ShortSleepClock()


@pytest.fixture
def losses() -> FrameLossCounter:
    return FrameLossCounter()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts an HTTP camera that gives its answers in turn and repeats the last one; returns its address."""
    with ExitStack() as servers:

        def start(*answers: Answer) -> str:
            return servers.enter_context(http_camera(*answers))

        yield start


@pytest.fixture
def rtsp_camera() -> Iterator[RtspCamera]:
    with rtsp_server() as camera:
        yield camera
