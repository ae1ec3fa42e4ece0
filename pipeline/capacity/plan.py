"""From measured costs to machines and disks. Every figure that is neither measured nor asked for is an assumption with a name."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Final, TypeVar

from etle.errors import ConfigError

_HOUR_S: Final = 3600.0
_DAY_S: Final = 86_400.0
MAX_PARTITIONS: Final = 1000
"""Of a topic, as in the site file: a deployment with more is divided into several, each with its own `broker.prefix`."""

ValuesT = TypeVar("ValuesT", "MeasuredCosts", "Assumptions")


def _means(text: str, default: float) -> Any:
    return field(default=default, metadata={"means": text})


def _measured(text: str) -> Any:
    return field(metadata={"means": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    cameras: int
    fps: float
    """Frames per second of each camera."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredCosts:
    """CPU milliseconds of one core of this host, and sizes."""

    footage_fps: float = _measured("frames per second of the footage")
    frames: int = _measured("frames that were measured")
    frame_kb: float = _measured("kB of one JPEG")
    ingest_ms: float = _measured("reading, signing and packing one frame")
    receive_ms: float = _measured("unpacking one frame, checking its digest and signature")
    idle_ms: float = _measured("detect, one frame on which nothing moves")
    normal_ms: float = _measured("detect, one frame of the footage, without its violations")
    peak_ms: float = _measured("detect, one frame of the busiest five seconds")
    violations: int = _measured("violations that were measured")
    violation_ms: float = _measured("plates, pictures and clip of one violation")
    violation_mb: float = _measured("MB of one violation with its evidence")
    write_ms: float = _measured("the writer's work on one violation")
    archive_ms: float = _measured("archiving one frame")
    archive_kb: float = _measured("kB of one frame in the archive, index included")
    start_s: float = _measured("seconds to open the models of one worker")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    idle_share: float = _means("share of the cameras without traffic in the busiest hour", 0.2)
    peak_share: float = _means("share of the cameras with traffic as in the busiest five seconds of the footage, in that hour", 0.2)
    utilisation: float = _means("share of a core that a worker uses in the busiest hour; the rest is for catching up", 0.7)
    client_ms: float = _means("the Kafka client's CPU time for one message, at each end (python -m benchmark.broker measures it)", 1.0)
    hours_per_day: float = _means("hours a day in which the cameras record", 24.0)
    violations_per_camera_day: float = _means("violations of one camera in a day", 30.0)
    busiest_hour_share: float = _means("share of the day's violations in its busiest hour", 0.1)
    replication: float = _means("replicas of each topic", 3.0)
    retention_hours: float = _means("hours for which Kafka keeps frames", 24.0)
    archive_days: float = _means("days for which the archive keeps frames; 0: no archive", 30.0)
    evidence_days: float = _means("days for which evidence is kept", 1825.0)
    partitions_per_worker: float = _means("partitions of the frames' topic for each detect worker, so that their number can grow", 2.0)
    partition_mb_s: float = _means("MB/s that one partition takes", 10.0)
    broker_mb_s: float = _means("MB/s that one broker writes, replicas included", 100.0)
    broker_tb: float = _means("TB on the disks of one broker", 8.0)
    broker_fill: float = _means("share of a broker's disks that is used", 0.7)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapacityPlan:
    ingest_cores: float
    detect_cores: float
    """Busy in the busiest hour."""
    detect_workers: int
    archive_workers: int
    writers: int
    cores: int
    """Of all workers behind Kafka."""
    partitions: int
    deployments: int
    brokers: int
    network_in_mb_s: float
    """From the edge into Kafka."""
    network_replication_mb_s: float
    network_out_mb_s: float
    """From Kafka to the workers."""
    kafka_tb: float
    archive_tb: float
    evidence_tb: float
    core_share_of_camera: float
    """Of one core, for the detect stage of one camera with peak traffic. A camera is processed by one worker."""


def plan_capacity(load: Workload, costs: MeasuredCosts, assumed: Assumptions) -> CapacityPlan:
    """Raises ConfigError for assumptions that contradict each other."""
    _check(assumed)
    frames_s = load.cameras * load.fps
    violations_s = load.cameras * assumed.violations_per_camera_day * assumed.busiest_hour_share / _HOUR_S
    detect_cores = frames_s * _detect_ms(costs, assumed) / 1e3 + violations_s * (costs.violation_ms + assumed.client_ms) / 1e3
    archive_cores = frames_s * (costs.receive_ms + costs.archive_ms + assumed.client_ms) / 1e3 if assumed.archive_days else 0.0
    writer_cores = violations_s * (costs.write_ms + assumed.client_ms) / 1e3
    workers, archivers, writers = (_workers(cores, assumed) for cores in (detect_cores, archive_cores, writer_cores))
    frames_mb_s = frames_s * costs.frame_kb / 1e3
    violations_mb_s = violations_s * costs.violation_mb
    into = frames_mb_s + violations_mb_s
    partitions = max(math.ceil(workers * assumed.partitions_per_worker), math.ceil(frames_mb_s / assumed.partition_mb_s))
    share = assumed.hours_per_day / 24
    kafka_tb = frames_mb_s * assumed.retention_hours * share * _HOUR_S / 1e6 * assumed.replication
    return CapacityPlan(
        ingest_cores=frames_s * (costs.ingest_ms + assumed.client_ms) / 1e3,
        detect_cores=detect_cores,
        detect_workers=workers,
        archive_workers=archivers,
        writers=writers,
        cores=workers + archivers + writers,
        partitions=partitions,
        deployments=math.ceil(partitions / MAX_PARTITIONS),
        brokers=max(
            math.ceil(assumed.replication),
            math.ceil(into * assumed.replication / assumed.broker_mb_s),
            math.ceil(kafka_tb / assumed.broker_tb / assumed.broker_fill),
        ),
        network_in_mb_s=into,
        network_replication_mb_s=into * (assumed.replication - 1),
        network_out_mb_s=frames_mb_s * (2 if assumed.archive_days else 1) + violations_mb_s,
        kafka_tb=kafka_tb,
        archive_tb=frames_s * costs.archive_kb * _DAY_S * share * assumed.archive_days / 1e9,
        evidence_tb=load.cameras * assumed.violations_per_camera_day * costs.violation_mb * assumed.evidence_days / 1e6,
        core_share_of_camera=load.fps * (costs.receive_ms + assumed.client_ms + costs.peak_ms) / 1e3,
    )


def run_cpu_s(costs: MeasuredCosts, frames: int, violations: int, processes: int) -> float:
    """CPU seconds of `etle run` with an archive on footage like that which was measured. `processes`: how often models are opened."""
    frame_ms = costs.ingest_ms + costs.normal_ms + costs.archive_ms
    return (frames * frame_ms + violations * (costs.violation_ms + costs.write_ms)) / 1e3 + processes * costs.start_s


def with_values(values: ValuesT, given: Mapping[str, float]) -> ValuesT:
    """With those of the given values that it has; the others are left alone."""
    changed: dict[str, Any] = {each.name: given[each.name] for each in fields(values) if each.name in given}
    return replace(values, **changed)


def settable() -> Mapping[str, str]:
    """Every name of a measured cost and of an assumption, with what it means."""
    return {each.name: each.metadata["means"] for kind in (MeasuredCosts, Assumptions) for each in fields(kind)}


def _detect_ms(costs: MeasuredCosts, assumed: Assumptions) -> float:
    """Of a frame in the busiest hour, over all cameras."""
    normal_share = 1 - assumed.idle_share - assumed.peak_share
    detect = assumed.idle_share * costs.idle_ms + normal_share * costs.normal_ms + assumed.peak_share * costs.peak_ms
    return costs.receive_ms + assumed.client_ms + detect


def _workers(cores: float, assumed: Assumptions) -> int:
    """Each has one core."""
    return math.ceil(round(cores / assumed.utilisation, 6))


def _check(assumed: Assumptions) -> None:
    if min(assumed.idle_share, assumed.peak_share) < 0 or assumed.idle_share + assumed.peak_share > 1:
        raise ConfigError("idle_share and peak_share are shares of the cameras: not below 0, and together not above 1")
    for name in ("utilisation", "broker_fill"):
        if not 0 < getattr(assumed, name) <= 1:
            raise ConfigError(f"{name} is a share above 0 and up to 1")
    for name in ("replication", "partition_mb_s", "broker_mb_s", "broker_tb"):
        if getattr(assumed, name) <= 0:
            raise ConfigError(f"{name} has to be above 0")
