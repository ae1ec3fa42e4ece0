"""CPU time of a camera's stage, without what is paid once: models are opened at their first use."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from etle.types import Box, Frame
from pipeline.assembly import Engines
from pipeline.frames.decode import decode


@dataclass(slots=True)
class StageTime:
    """The time of all blocks that were measured. CPU time is that of the whole process, which depends little on other load."""

    cpu_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def measure(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.cpu_s += time.process_time() - cpu
        self.wall_s += time.perf_counter() - wall


def warm_up(engines: Engines, frame: Frame) -> None:
    """Loads the sessions, which are opened at the first use and are not part of the cost of a frame."""
    whole, half = decode(frame), decode(frame, halved=True)
    engines.detector.detect([half])
    engines.detector.detect_part(half, Box(0, 0, half.shape[1] // 2, half.shape[0] // 2))
    engines.plate_detector.detect_crops([whole[:300, :300], whole])
    for reader in engines.readers:
        reader.read([whole[:40, :120]])
