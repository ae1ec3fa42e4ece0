"""Throughput of two detect workers against one, on the same backlog in a real Kafka, with single-threaded models.

    python -m benchmark.two_workers --json FILE

Eight cameras, all with the first demo clip, are in eight partitions. First one worker processes them, then two. The measurement starts
when every worker has processed a frame and ends at nine tenths of the frames, so that loading the models and the last frames are excluded.
"""

import argparse
import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import yaml
from kafka.partitioner.default import murmur2

from benchmark.faults.footage import DEMO
from benchmark.faults.roles import ProcessRole
from etle.clock import SystemClock
from etle.config.site import load_site
from etle.errors import EtleError
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.types import CameraId, Frame
from etle.wire import frame_to_wire
from ingest.frame_loss import FrameLossCounter
from ingest.sources.open import open_source
from services import free_port, running_kafka

CAMERAS: Final = 8
MEASURED_SHARE: Final = 0.9
TIMEOUT_S: Final = 1200


def camera_names(count: int) -> list[str]:
    """Camera names that Kafka's partitioner assigns to different partitions."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < count:
        name = f"kamera-{number}"
        found.setdefault((murmur2(name.encode()) & 0x7FFFFFFF) % count, name)
        number += 1
    return list(found.values())


def footage(fps: float, max_frames: int) -> list[Frame]:
    site = load_site(DEMO, {})
    source = site.cameras[0].source.model_copy(update={"fps": fps})
    frames = open_source(site.cameras[0].camera_id, source, SystemClock(), FrameLossCounter(), timezone=ZoneInfo(site.timezone)).frames()
    return [frame for frame, _ in zip(frames, range(max_frames), strict=False)]


def site_file(folder: Path, kafka: str, prefix: str, cameras: Sequence[str]) -> Path:
    document: dict[str, Any] = yaml.safe_load(DEMO.read_text())
    first = document["cameras"][0] | {"source": {"file": str(DEMO.parent / "masuk.mp4")}}
    document["cameras"] = [first | {"id": name} for name in cameras]
    topic = {"partitions": CAMERAS, "retention_hours": 2, "largest_mb": 8}
    document["broker"] = {"servers": [kafka], "prefix": prefix, "frames": topic}
    document["detect"] = {"threads": 1}
    path = folder / f"{prefix}.yaml"
    path.write_text(json.dumps(document))
    return path


def rate(folder: Path, kafka: str, workers: int, frames: Sequence[Frame]) -> float:
    """Frames per second of all workers together."""
    cameras, prefix = camera_names(CAMERAS), f"workers-{workers}"
    path = site_file(folder, kafka, prefix, cameras)
    broker = load_site(path, {}).broker
    connection = BrokerConnection(servers=(kafka,), broker=broker)
    create_topics(required_topics(broker), KafkaTopicAdmin(connection))
    publisher = KafkaPublisher(connection, "two-workers")
    for frame in frames:
        for name in cameras:
            headers, value = frame_to_wire(replace(frame, camera=CameraId(name)))
            publisher.publish(TopicNames(prefix).frames, value, key=name.encode(), headers=headers)
    publisher.flush()
    publisher.close()
    with ExitStack() as opened:
        ports = [free_port() for _ in range(workers)]
        for number, port in enumerate(ports):
            role = ProcessRole(f"{prefix}-{number}", ["detect", path, "--metrics", str(port)], {"OMP_NUM_THREADS": "1"}, folder)
            role.start()
            opened.callback(role.stop)
        return _measure(ports, len(frames) * CAMERAS)


def _measure(ports: Sequence[int], total: int) -> float:
    start: tuple[float, int] | None = None
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        done = [_done(port) for port in ports]
        if start is None and all(done):
            start = time.monotonic(), sum(done)
        if start is not None and sum(done) >= MEASURED_SHARE * total:
            return (sum(done) - start[1]) / (time.monotonic() - start[0])
        time.sleep(0.2)
    raise EtleError(f"the workers did not finish within {TIMEOUT_S} s: {done} of {total} frames")


def _done(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0  # it has not started
    outcomes = ('outcome="processed"', 'outcome="gated"')
    return sum(
        round(float(line.split()[-1])) for line in lines if line.startswith("etle_frames_total") and any(o in line for o in outcomes)
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark.two_workers", description=__doc__)
    parser.add_argument("--frames", type=int, default=100, help="frames of each of the eight cameras")
    parser.add_argument("--fps", type=float, default=5.0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    frames = footage(args.fps, args.frames)
    with tempfile.TemporaryDirectory(prefix="etle-workers-") as folder, running_kafka() as kafka:
        try:
            rates = {workers: rate(Path(folder), kafka.address, workers, frames) for workers in (1, 2)}
        except EtleError as error:
            print(f"benchmark.two_workers: {error}", file=sys.stderr)
            return 2
    ratio = rates[2] / rates[1]
    print(f"one worker {rates[1]:.1f} frames/s, two workers {rates[2]:.1f} frames/s: {ratio:.2f} times as much")
    if args.json:
        args.json.write_text(json.dumps({"one_per_s": rates[1], "two_per_s": rates[2], "ratio": ratio}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
