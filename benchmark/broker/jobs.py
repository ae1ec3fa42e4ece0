"""The four ways that are measured, each in a process of its own: `python -m benchmark.broker.jobs WAY`, the load as JSON on standard input.

Each prints one JSON object: how many frames went, and the moments of the first and the last. The bare client has the same settings as ours
(acks=all, idempotent, batches of 1 MB), and does nothing but send and receive: no digest, no signature, no check.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

from benchmark.broker.load import CAMERAS, FrameLoad, in_turn, pictures
from etle.config.deployment import BrokerSettings, EdgeDevice, IngestSettings
from etle.kafka.client import KafkaPublisher, KafkaSubscriber
from etle.kafka.security import BrokerConnection
from etle.signing import Signer, frame_verifier
from etle.types import CameraId
from etle.wire import Verify, frame_from_wire, frame_to_wire
from ingest.delivery.producer import QueueCallbacks, SpooledProducer
from ingest.delivery.queued_message import OutgoingMessage, QueuedMessage
from ingest.delivery.sender import Sender
from ingest.sources.frames import frame_of
from ingest.sources.reconnect import ReconnectBackoff

BOX_KEY = Path("box.pem")
_MOST = 32
"""Messages of one poll, as the detect worker takes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    frames: int
    began_at: float
    ended_at: float
    cpu_s: float
    """Of this process, all threads."""


def bare_in(load: FrameLoad) -> JobResult:
    from kafka import KafkaProducer

    producer = KafkaProducer(
        bootstrap_servers=load.kafka,
        acks="all",
        enable_idempotence=True,
        batch_size=1_048_576,
        linger_ms=5,
        max_request_size=8_388_608,
        metrics_enabled=False,
    )
    made = pictures(load.frame_bytes)
    began_at, cpu = time.time(), time.process_time()
    for _, camera, picture in in_turn(load.frames, made):
        producer.send(load.topic, key=camera.encode(), value=picture)
    producer.flush()
    ended_at, cpu_s = time.time(), time.process_time() - cpu
    producer.close()
    return JobResult(frames=load.frames, began_at=began_at, ended_at=ended_at, cpu_s=cpu_s)


def ours_in(load: FrameLoad) -> JobResult:
    """From the bytes as a camera gives them, until all is safe: size, digest, signature, headers, outlet (a film's), publisher."""
    connection = BrokerConnection(servers=(load.kafka,), broker=BrokerSettings())
    signer, made = Signer.read(BOX_KEY), pictures(load.frame_bytes)
    outlet = SpooledProducer(Sender(lambda: KafkaPublisher(connection, "benchmark")), None, ReconnectBackoff(lambda: 0.5), QueueCallbacks())

    def feed(first: int) -> None:
        for number, camera, picture in in_turn(load.frames, made):
            if number % load.threads != first:
                continue
            now = datetime.now(UTC)
            frame = frame_of(CameraId(camera), number, picture, captured_at=now, received_at=now)
            headers, value = frame_to_wire(frame, signer.sign)
            message = OutgoingMessage(topic=load.topic, key=camera.encode(), headers=tuple(headers), value=value)
            outlet.put(QueuedMessage(camera=frame.camera, message=message, kept=lambda kept: None))

    feeds = [Thread(target=feed, args=(first,)) for first in range(load.threads)]
    began_at, cpu = time.time(), time.process_time()
    for thread in feeds:
        thread.start()
    for thread in feeds:
        thread.join()
    outlet.drain()
    ended_at, cpu_s = time.time(), time.process_time() - cpu
    outlet.close()
    return JobResult(frames=load.frames, began_at=began_at, ended_at=ended_at, cpu_s=cpu_s)


def bare_out(load: FrameLoad) -> JobResult:
    from kafka import KafkaConsumer, TopicPartition

    consumer = KafkaConsumer(
        bootstrap_servers=load.kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=16_777_216,
        fetch_max_bytes=33_554_432,
        metrics_enabled=False,
    )
    consumer.assign([TopicPartition(load.topic, number) for number in consumer.partitions_for_topic(load.topic)])

    def poll() -> int:
        return sum(map(len, consumer.poll(timeout_ms=500, max_records=_MOST).values()))

    return _counted(load, poll)


def ours_out(load: FrameLoad) -> JobResult:
    """As the detect worker takes them: group, poll, headers read, digest checked."""
    return _taken(load, None)


def ours_out_verified(load: FrameLoad) -> JobResult:
    """And the box's signature."""
    Path("box.pub").write_bytes(Signer.read(BOX_KEY).public_pem)
    return _taken(load, frame_verifier(IngestSettings(devices=(EdgeDevice(id="box", public_key=Path("box.pub"), cameras=CAMERAS),))))


def _taken(load: FrameLoad, verify: Verify | None) -> JobResult:
    group = f"{load.topic}-{uuid4().hex}"
    subscriber = KafkaSubscriber(BrokerConnection(servers=(load.kafka,), broker=BrokerSettings()), "benchmark", load.topic, group)

    def poll() -> int:
        polled = subscriber.poll(0.5, _MOST)
        for partition in polled.assigned:
            subscriber.seek(partition, subscriber.first(partition))
        return sum(frame_from_wire(message.headers, message.value, verify) is not None for message in polled.messages)

    return _counted(load, poll)


def _counted(load: FrameLoad, poll: Callable[[], int]) -> JobResult:
    """The clock begins with the first frames, which are not counted: joining a group takes what it takes."""
    first = 0
    while not first:
        first = poll()
    began_at, cpu, count = time.time(), time.process_time(), first
    while count < load.frames:
        count += poll()
    return JobResult(frames=count - first, began_at=began_at, ended_at=time.time(), cpu_s=time.process_time() - cpu)


WAYS: dict[str, Callable[[FrameLoad], JobResult]] = {
    "bare in": bare_in,
    "bare out": bare_out,
    "ours in": ours_in,
    "ours out": ours_out,
    "ours out, signatures checked": ours_out_verified,
}


def main() -> None:
    order: dict[str, Any] = json.load(sys.stdin)
    went = WAYS[sys.argv[1]](FrameLoad(**order))
    json.dump(asdict(went), sys.stdout)


if __name__ == "__main__":
    main()
