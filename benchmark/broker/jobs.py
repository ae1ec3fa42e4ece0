"""The jobs that are measured, each in its own process: `python -m benchmark.broker.jobs JOB`, with the load as JSON on standard input.

Each prints one JSON object: number of frames, times of the first and the last one, CPU time. The bare client has the same settings as etle
(acks=all, idempotent, batches of 1 MB) and only sends and receives: no digests, no signatures, no checks.
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

from benchmark.broker.load import CAMERAS, FrameLoad, pictures, round_robin
from etle.backoff import RECONNECT_DELAYS_S, Backoff
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

BOX_KEY = Path("box.pem")
_MAX_RECORDS = 32
"""Maximum number of messages of one poll, as in the detect worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    frames: int
    began_at: float
    ended_at: float
    cpu_s: float
    """CPU time of this process, all threads."""


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
    jpegs = pictures(load.frame_bytes)
    began_at, cpu = time.time(), time.process_time()
    for _, camera, picture in round_robin(load.frames, jpegs):
        producer.send(load.topic, key=camera.encode(), value=picture)
    producer.flush()
    ended_at, cpu_s = time.time(), time.process_time() - cpu
    producer.close()
    return JobResult(frames=load.frames, began_at=began_at, ended_at=ended_at, cpu_s=cpu_s)


def ours_in(load: FrameLoad) -> JobResult:
    """From the camera's bytes until all frames are acknowledged: size, digest, signature, headers, producer, publisher."""
    connection = BrokerConnection(servers=(load.kafka,), broker=BrokerSettings())
    signer, jpegs = Signer.read(BOX_KEY), pictures(load.frame_bytes)
    producer = SpooledProducer(Sender(lambda: KafkaPublisher(connection, "benchmark")), None, Backoff(RECONNECT_DELAYS_S), QueueCallbacks())

    def feed(first: int) -> None:
        for number, camera, picture in round_robin(load.frames, jpegs):
            if number % load.threads != first:
                continue
            now = datetime.now(UTC)
            frame = frame_of(CameraId(camera), number, picture, captured_at=now, received_at=now)
            headers, value = frame_to_wire(frame, signer.sign)
            message = OutgoingMessage(topic=load.topic, key=camera.encode(), headers=tuple(headers), value=value)
            producer.put(QueuedMessage(camera=frame.camera, message=message, on_status=lambda status: None))

    feeds = [Thread(target=feed, args=(first,)) for first in range(load.threads)]
    began_at, cpu = time.time(), time.process_time()
    for thread in feeds:
        thread.start()
    for thread in feeds:
        thread.join()
    producer.drain()
    ended_at, cpu_s = time.time(), time.process_time() - cpu
    producer.close()
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
        return sum(map(len, consumer.poll(timeout_ms=500, max_records=_MAX_RECORDS).values()))

    return _measure(load, poll)


def ours_out(load: FrameLoad) -> JobResult:
    """As in the detect worker: consumer group, poll, parse headers, check digests."""
    return _read(load, None)


def ours_out_verified(load: FrameLoad) -> JobResult:
    """Also checks the device's signatures."""
    Path("box.pub").write_bytes(Signer.read(BOX_KEY).public_pem)
    return _read(load, frame_verifier(IngestSettings(devices=(EdgeDevice(id="box", public_key=Path("box.pub"), cameras=CAMERAS),))))


def _read(load: FrameLoad, verify: Verify | None) -> JobResult:
    group = f"{load.topic}-{uuid4().hex}"
    subscriber = KafkaSubscriber(BrokerConnection(servers=(load.kafka,), broker=BrokerSettings()), "benchmark", load.topic, group)

    def poll() -> int:
        polled = subscriber.poll(0.5, _MAX_RECORDS)
        for partition in polled.assigned:
            subscriber.seek(partition, subscriber.first(partition))
        return sum(frame_from_wire(message.headers, message.value, verify) is not None for message in polled.messages)

    return _measure(load, poll)


def _measure(load: FrameLoad, poll: Callable[[], int]) -> JobResult:
    """Starts with the first frames, which are not counted, because the time to join the group is not part of the measurement."""
    first = 0
    while not first:
        first = poll()
    began_at, cpu, count = time.time(), time.process_time(), first
    while count < load.frames:
        count += poll()
    return JobResult(frames=count - first, began_at=began_at, ended_at=time.time(), cpu_s=time.process_time() - cpu)


JOBS: dict[str, Callable[[FrameLoad], JobResult]] = {
    "bare in": bare_in,
    "bare out": bare_out,
    "ours in": ours_in,
    "ours out": ours_out,
    "ours out, signatures checked": ours_out_verified,
}


def main() -> None:
    load: dict[str, Any] = json.load(sys.stdin)
    result = JOBS[sys.argv[1]](FrameLoad(**load))
    json.dump(asdict(result), sys.stdout)


if __name__ == "__main__":
    main()
