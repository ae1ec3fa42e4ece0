"""Simulated cameras: the bundled clips in a loop, each camera with one of them and a phase of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from heapq import merge
from itertools import chain, count, dropwhile, takewhile
from typing import Final
from zoneinfo import ZoneInfo

from benchmark.faults.footage import DEMO
from benchmark.two_workers import camera_names
from etle.clock import SystemClock
from etle.config.site import load_site
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter
from ingest.sources.open import open_source

_GAP: Final = timedelta(seconds=10)
"""Between the end of a clip and its beginning."""
_PHASE: Final = timedelta(seconds=7)
"""Between two cameras, so that they do not all see the same at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCamera:
    camera: CameraId
    clip: int
    """Index of the demo's camera whose clip and drawings it has."""
    phase: timedelta


class SimulatedFootage:
    """The clips at `fps` in memory; frames of any length are made of them."""

    def __init__(self, cameras: int, fps: float) -> None:
        site = load_site(DEMO, {})
        zone = ZoneInfo(site.timezone)
        self.clips = [
            list(
                open_source(
                    camera.camera_id, camera.source.model_copy(update={"fps": fps}), SystemClock(), FrameLossCounter(), timezone=zone
                ).frames()
            )
            for camera in site.cameras
        ]
        self.cameras = [
            SimulatedCamera(camera=CameraId(name), clip=number % len(self.clips), phase=number * _PHASE)
            for number, name in enumerate(camera_names(cameras))
        ]

    def frames(self, begin: datetime, length: timedelta) -> Iterator[Frame]:
        """Of all cameras, in the order of their times."""
        own = (takewhile(lambda frame: frame.captured_at < begin + length, self.of(camera, begin)) for camera in self.cameras)
        return merge(*own, key=lambda frame: (frame.captured_at, frame.camera))

    def of(self, camera: SimulatedCamera, begin: datetime) -> Iterator[Frame]:
        """Without end."""
        clip = self.clips[camera.clip]
        span = clip[-1].captured_at - clip[0].captured_at + _GAP
        first = begin - camera.phase % span - clip[0].captured_at
        passes = (_shifted(clip, camera.camera, number * len(clip), first + number * span) for number in count())
        yield from dropwhile(lambda frame: frame.captured_at < begin, chain.from_iterable(passes))


def _shifted(clip: Sequence[Frame], camera: CameraId, sequence: int, shift: timedelta) -> Iterator[Frame]:
    for number, frame in enumerate(clip):
        at = frame.captured_at + shift
        yield replace(frame, camera=camera, sequence=sequence + number, captured_at=at, received_at=at)
