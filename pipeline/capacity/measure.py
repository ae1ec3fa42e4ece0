"""Measures what each stage costs on this host: CPU milliseconds and bytes, on real footage with the models of the site.

All times are CPU times of this process, so other load on the machine changes them little. A camera's stage is measured as the workers run
it, with a checkpoint every two seconds. The frames on which violations are completed are measured apart, because how many violations a
frame has depends on the road.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from etle.clock import SystemClock, seconds_between
from etle.config.site import CameraSettings, Site
from etle.errors import ConfigError
from etle.protocols import ViolationSink
from etle.signing import Signer, is_signed_by
from etle.storage.archive.segment import ArchivedMessage
from etle.storage.archive.writer import ArchiveWriter
from etle.types import CameraId, Frame, ViolationMessage
from etle.wire import frame_from_wire, frame_to_wire, violation_message_to_wire
from pipeline.assembly import Engines, open_site_engines, shipped_law
from pipeline.capacity.footage import CameraFootage, frame_rate, still
from pipeline.capacity.plan import MeasuredCosts
from pipeline.capacity.stage_time import StageTime, warm_up
from pipeline.workers.checkpoint import checkpoint_to_wire
from pipeline.workers.embedded import SAVE_EVERY_S
from pipeline.workers.session import CameraSession
from pipeline.workers.stages import SiteStageFactory

PEAK_S = 5.0
"""Length of the busiest stretch."""
IDLE_FRAMES = 100
MIN_FRAMES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringPlaces:
    """Where what is measured may write."""

    folder: Path
    sink: ViolationSink
    open_archive: Callable[[], AbstractContextManager[ArchiveWriter]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCosts:
    """CPU seconds of each frame of one camera, and of what its violations cost on top."""

    frames_s: Sequence[float]
    violations_s: float
    messages: tuple[ViolationMessage, ...]


def read_footage(camera: CameraSettings, frames: Iterator[Frame]) -> CameraFootage:
    """Raises ConfigError if there are too few frames to measure anything."""
    spent = StageTime()
    with spent.measure():
        read = list(frames)
    if len(read) < MIN_FRAMES:
        raise ConfigError(f"camera {camera.id}: {len(read)} frames are too few to measure costs: {MIN_FRAMES} are needed")
    return CameraFootage(camera=camera, frames=read, read_s=spent.cpu_s)


def measure_costs(site: Site, footage: Sequence[CameraFootage], places: MeasuringPlaces) -> MeasuredCosts:
    """Raises ConfigError, WeightsMissing, MissingExtra, StoreError."""
    started = time.process_time()
    engines = open_site_engines(site)
    warm_up(engines, footage[0].frames[0])
    start_s = time.process_time() - started
    normal = [measure_stage(site, each.camera, engines, each.frames) for each in footage]
    idle = [measure_stage(site, each.camera, engines, still(each.frames)[:IDLE_FRAMES]) for each in footage]
    frames = [frame for each in footage for frame in each.frames]
    messages = [message for each in normal for message in each.messages]
    archive_s, archive_bytes = _archive(frames, places)
    return MeasuredCosts(
        footage_fps=mean(frame_rate(each.frames) for each in footage),
        frames=len(frames),
        frame_kb=mean(len(frame.jpeg) for frame in frames) / 1e3,
        ingest_ms=1e3 * sum(each.read_s for each in footage) / len(frames) + _send_ms(frames, places.folder),
        receive_ms=_receive_ms(frames, places.folder),
        idle_ms=1e3 * mean(spent for each in idle for spent in each.frames_s),
        normal_ms=1e3 * mean(spent for each in normal for spent in each.frames_s),
        peak_ms=1e3 * max(_peak_s(cost.frames_s, frame_rate(each.frames)) for cost, each in zip(normal, footage, strict=True)),
        violations=len(messages),
        violation_ms=1e3 * sum(each.violations_s for each in normal) / max(1, len(messages)),
        violation_mb=mean(len(violation_message_to_wire(message)) for message in messages) / 1e6 if messages else 0.0,
        write_ms=_write_ms(messages, places.sink),
        archive_ms=1e3 * archive_s / len(frames),
        archive_kb=archive_bytes / len(frames) / 1e3,
        start_s=start_s,
    )


def measure_stage(site: Site, camera: CameraSettings, engines: Engines, frames: Sequence[Frame]) -> StageCosts:
    """The stage with its checkpoints, in memory."""
    clock, stages = SystemClock(), SiteStageFactory(site, engines, shipped_law())
    session = CameraSession(stages, CameraId(camera.id), None, 0, clock.now())
    times: list[float] = []
    completing: set[int] = set()
    messages: list[ViolationMessage] = []
    saved_at = frames[0].captured_at
    for number, frame in enumerate(frames):
        spent = StageTime()
        with spent.measure():
            result = session.process(frame, frame.sequence, clock.now())
            if abs(seconds_between(saved_at, frame.captured_at)) >= SAVE_EVERY_S:
                checkpoint_to_wire(session.checkpoint())
                saved_at = frame.captured_at
        times.append(spent.cpu_s)
        if result.completed:
            completing.add(number)
            messages += result.completed
    end = StageTime()
    with end.measure():
        messages += session.finish()
    usual_s = mean(spent for number, spent in enumerate(times) if number not in completing)
    violations_s = end.cpu_s + sum(times[number] - usual_s for number in completing)
    frames_s = [usual_s if number in completing else spent for number, spent in enumerate(times)]
    return StageCosts(frames_s=frames_s, violations_s=max(0.0, violations_s), messages=tuple(messages))


def _peak_s(frames_s: Sequence[float], fps: float) -> float:
    """CPU seconds per frame of the busiest stretch."""
    width = min(len(frames_s), max(1, round(PEAK_S * fps)))
    return max(sum(frames_s[first : first + width]) for first in range(len(frames_s) - width + 1)) / width


def _send_ms(frames: Sequence[Frame], folder: Path) -> float:
    """Signing and packing, in milliseconds per frame."""
    signer = Signer.from_file(folder / "device.pem")
    spent = StageTime()
    with spent.measure():
        for frame in frames:
            frame_to_wire(frame, signer.sign)
    return 1e3 * spent.cpu_s / len(frames)


def _receive_ms(frames: Sequence[Frame], folder: Path) -> float:
    """Unpacking, and checking digest and signature, in milliseconds per frame."""
    signer = Signer.from_file(folder / "device.pem")
    sent = [frame_to_wire(frame, signer.sign) for frame in frames]
    key = signer.public_key
    spent = StageTime()
    with spent.measure():
        for headers, value in sent:
            frame_from_wire(tuple(headers), value, lambda camera, signed, signature: is_signed_by(key, signed, signature))
    return 1e3 * spent.cpu_s / len(frames)


def _write_ms(messages: Sequence[ViolationMessage], sink: ViolationSink) -> float:
    spent = StageTime()
    with spent.measure():
        for message in messages:
            sink.put(message)
    return 1e3 * spent.cpu_s / max(1, len(messages))


def _archive(frames: Sequence[Frame], places: MeasuringPlaces) -> tuple[float, int]:
    """CPU seconds and bytes of archiving all frames."""
    spent = StageTime()
    with places.open_archive() as writer, spent.measure():
        for number, frame in enumerate(frames):
            headers, jpeg = frame_to_wire(frame)
            writer.append(ArchivedMessage(headers=tuple(headers), jpeg=jpeg), frame)
            if number % 20 == 0:
                writer.sync()
    return spent.cpu_s, sum(file.stat().st_size for file in (places.folder / "archive").rglob("*") if file.is_file())
