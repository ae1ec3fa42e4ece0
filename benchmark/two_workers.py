"""How much more do two detect workers do than one, over the same backlog in a real Kafka, each with single-threaded models?

    python -m benchmark.two_workers --json FILE

Eight cameras, all with the demo's first clip, lie in eight partitions. One worker by itself, and then two, work them off; counted is from
the moment when every worker is at work until nine tenths are done, so that neither loading the models nor the last frames count.
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
UNTIL: Final = 0.9
WAIT_S: Final = 1200


def names_that_spread(count: int) -> list[str]:
    """Camera names of which each lies in a partition of its own, as Kafka's partitioner places them."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < count:
        name = f"kamera-{number}"
        found.setdefault((murmur2(name.encode()) & 0x7FFFFFFF) % count, name)
        number += 1
    return list(found.values())


def footage(fps: float, most: int) -> list[Frame]:
    site = load_site(DEMO, {})
    source = site.cameras[0].source.model_copy(update={"fps": fps})
    frames = open_source(site.cameras[0].camera_id, source, SystemClock(), FrameLossCounter(), timezone=ZoneInfo(site.timezone)).frames()
    return [frame for frame, _ in zip(frames, range(most), strict=False)]


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
    """Frames a second that so many workers do together."""
    cameras, prefix = names_that_spread(CAMERAS), f"workers-{workers}"
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
        return _measured(ports, len(frames) * CAMERAS)


def _measured(ports: Sequence[int], total: int) -> float:
    begun: tuple[float, int] | None = None
    ends = time.monotonic() + WAIT_S
    while time.monotonic() < ends:
        done = [_done(port) for port in ports]
        if begun is None and all(done):
            begun = time.monotonic(), sum(done)
        if begun is not None and sum(done) >= UNTIL * total:
            return (sum(done) - begun[1]) / (time.monotonic() - begun[0])
        time.sleep(0.2)
    raise EtleError(f"the workers did not come to an end within {WAIT_S} s: {done} of {total}")


def _done(port: int) -> int:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0  # it has not begun
    looked = ('outcome="processed"', 'outcome="gated"')
    return sum(round(float(line.split()[-1])) for line in lines if line.startswith("etle_frames_total") and any(o in line for o in looked))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmark.two_workers", description=__doc__)
    parser.add_argument("--frames", type=int, default=100, help="of each of the eight cameras")
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
