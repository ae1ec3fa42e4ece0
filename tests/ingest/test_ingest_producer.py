"""From the cameras to a broker that is sometimes unavailable: which messages arrive, in which order, and which are reported as lost."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event

import pytest

from etle.backoff import Backoff
from etle.errors import BrokerUnavailable
from etle.testing import MemoryBroker
from etle.types import CameraId
from ingest.delivery.producer import QueueCallbacks, QueueLimits, SpooledProducer
from ingest.delivery.queued_message import DeliveryStatus, OutgoingMessage, QueuedMessage, from_record, to_record
from ingest.delivery.sender import ClosablePublisher, Sender
from ingest.delivery.spool import Spool

TOPIC = "etle.frames.v1"
CAMERAS = ("masuk", "keluar")
RETRY_S = (0.01,)
LARGE = 1_000_000_000
WAIT_S = 20


class StatusCounts:
    """Number of messages by camera and status."""

    def __init__(self) -> None:
        self.of: Counter[tuple[str, DeliveryStatus]] = Counter()
        self.spooled = Event()

    def add(self, camera: CameraId, status: DeliveryStatus, times: int = 1) -> None:
        self.of[camera, status] += times
        if status is DeliveryStatus.SPOOLED:
            self.spooled.set()

    def total(self, status: DeliveryStatus) -> int:
        return sum(times for (_, each), times in self.of.items() if each is status)


def a_broker() -> MemoryBroker:
    return MemoryBroker({TOPIC: 4})


@contextmanager
def a_producer(
    broker: ClosablePublisher,
    folder: Path | None,
    counts: StatusCounts,
    *,
    limit: int = LARGE,
    drop_oldest: bool = True,
    limits: QueueLimits | None = None,
) -> Iterator[SpooledProducer]:
    spool = Spool(folder, limit) if folder else None
    producer = SpooledProducer(
        Sender(lambda: broker), spool, Backoff(RETRY_S), QueueCallbacks(on_status=counts.add), drop_oldest=drop_oldest, limits=limits
    )
    try:
        yield producer
    finally:
        producer.close(0.2)


def a_message(number: int, counts: StatusCounts, size: int = 50) -> QueuedMessage:
    camera = CameraId(CAMERAS[number % 2])
    message = OutgoingMessage(topic=TOPIC, key=camera.encode(), headers=(("sequence", b"%d" % number),), value=bytes(size))
    return QueuedMessage(camera=camera, message=message, on_status=lambda status: counts.add(camera, status))


def sequences(broker: MemoryBroker, camera: str) -> list[int]:
    """As a consumer reads them: a number that is not higher than the one before is a repetition."""
    found: list[int] = []
    for message in broker.messages(TOPIC):
        number = int(dict(message.headers)["sequence"])
        if message.key == camera.encode() and (not found or number > found[-1]):
            found.append(number)
    return found


def arrived(broker: MemoryBroker) -> list[int]:
    return sorted(number for camera in CAMERAS for number in sequences(broker, camera))


def test_a_message_is_unchanged_by_the_spool():
    message = OutgoingMessage(topic=TOPIC, key=b"masuk", headers=(("sequence", b"7"), ("sha256", b"\xff\0")), value=b"\xff\xd8 picture")
    record = to_record(CameraId("masuk"), message)
    assert from_record(b"".join(record.body)) == message
    assert record.label == "masuk"


@pytest.mark.parametrize("spool", [True, False], ids=["live cameras", "files"])
def test_everything_arrives_in_order(tmp_path, spool):
    broker, counts = a_broker(), StatusCounts()
    with a_producer(broker, tmp_path if spool else None, counts) as producer:
        assert all(producer.put(a_message(number, counts)) for number in range(500))
        assert producer.drain(WAIT_S)
    assert arrived(broker) == list(range(500))
    assert counts.of == {("masuk", DeliveryStatus.SENT): 250, ("keluar", DeliveryStatus.SENT): 250}


def test_while_the_broker_is_down_frames_are_spooled_and_later_sent_before_new_ones(tmp_path):
    broker, counts = a_broker(), StatusCounts()
    broker.down = True
    with a_producer(broker, tmp_path, counts) as producer:
        for number in range(100):
            producer.put(a_message(number, counts))
        assert counts.spooled.wait(WAIT_S)
        broker.down = False
        for number in range(100, 200):
            producer.put(a_message(number, counts))
        assert producer.drain(WAIT_S)
        assert producer.spooled() == (0, 0)
    assert arrived(broker) == list(range(200))
    assert counts.total(DeliveryStatus.SENT) == 200
    assert counts.total(DeliveryStatus.LOST) == 0


def test_spooled_messages_are_sent_after_a_restart(tmp_path):
    broker, counts = a_broker(), StatusCounts()
    broker.down = True
    with a_producer(broker, tmp_path, counts) as producer:
        for number in range(100):
            producer.put(a_message(number, counts))
    assert counts.of == {("masuk", DeliveryStatus.SPOOLED): 50, ("keluar", DeliveryStatus.SPOOLED): 50}
    broker.down = False
    with a_producer(broker, tmp_path, counts) as producer:
        producer.put(a_message(100, counts))
        assert producer.drain(WAIT_S)
    assert arrived(broker) == list(range(101))


def test_without_a_spool_put_blocks_and_nothing_is_lost():
    broker, counts = a_broker(), StatusCounts()
    broker.down = True
    with a_producer(broker, None, counts, limits=QueueLimits(memory_bytes=1000, batch_bytes=300)) as producer:
        accepted = 0
        while producer.put(a_message(accepted, counts), timeout_s=0.1):
            accepted += 1
        assert accepted == 20
        assert not counts.of
        broker.down = False
        assert producer.put(a_message(accepted, counts), WAIT_S)
        assert producer.drain(WAIT_S)
    assert arrived(broker) == list(range(21))


def test_a_full_spool_drops_and_counts_its_oldest_messages(tmp_path):
    broker, counts = a_broker(), StatusCounts()
    broker.down = True
    with a_producer(broker, tmp_path, counts, limit=40_000, limits=QueueLimits(batch_bytes=1000)) as producer:
        for number in range(400):
            assert producer.put(a_message(number, counts, size=300))
        assert counts.spooled.wait(WAIT_S)
    lost = counts.total(DeliveryStatus.LOST)
    with Spool(tmp_path, LARGE) as left:
        assert lost + len(left) == 400
    assert lost > 200
    broker.down = False
    with a_producer(broker, tmp_path, counts) as producer:
        assert producer.drain(WAIT_S)
    assert arrived(broker) == list(range(lost, 400))


def test_without_drop_oldest_a_full_spool_makes_put_block(tmp_path):
    broker, counts = a_broker(), StatusCounts()
    broker.down = True
    with a_producer(
        broker, tmp_path, counts, limit=5000, drop_oldest=False, limits=QueueLimits(memory_bytes=1000, batch_bytes=500)
    ) as producer:
        accepted = 0
        while producer.put(a_message(accepted, counts, size=300), timeout_s=1.0):
            accepted += 1
        assert counts.total(DeliveryStatus.SPOOLED) >= 8
        broker.down = False
        assert producer.drain(WAIT_S)
    assert counts.total(DeliveryStatus.LOST) == 0
    assert arrived(broker) == list(range(accepted))


def test_a_single_rejected_message_is_lost_and_does_not_block_the_others(tmp_path):
    broker, counts = MemoryBroker({TOPIC: 4}, max_message_bytes=200), StatusCounts()
    broker.down = True
    with a_producer(broker, tmp_path, counts) as producer:
        for number in range(20):
            producer.put(a_message(number, counts, size=300 if number == 7 else 50))
        assert counts.spooled.wait(WAIT_S)
        broker.down = False
        assert producer.drain(WAIT_S)
    assert arrived(broker) == [number for number in range(20) if number != 7]
    assert counts.of["keluar", DeliveryStatus.LOST] == 1
    assert counts.total(DeliveryStatus.LOST) == 1


def test_nothing_is_lost_while_the_topic_is_missing(tmp_path):
    broker, counts, errors = MemoryBroker({}), StatusCounts(), list[str | None]()
    reported = Event()

    def on_broker_error(reason: str | None) -> None:
        errors.append(reason)
        reported.set()

    producer = SpooledProducer(
        Sender(lambda: broker),
        Spool(tmp_path, LARGE),
        Backoff(RETRY_S),
        QueueCallbacks(on_status=counts.add, on_broker_error=on_broker_error),
    )
    for number in range(20):
        producer.put(a_message(number, counts))
    assert reported.wait(WAIT_S)
    assert "no such topic" in (errors[0] or "")
    broker.topics[TOPIC] = [[]]
    assert producer.drain(WAIT_S)
    producer.close()
    assert arrived(broker) == list(range(20))
    assert counts.total(DeliveryStatus.LOST) == 0
    assert errors[-1] is None


class Receipt:
    def __init__(self, acked: bool | None) -> None:
        self.acked = acked


class FlakyBroker:
    """Accepts the beginning of a batch and then fails; sometimes it has stored a message without acknowledging it."""

    def __init__(self, seed: int) -> None:
        self.inner = MemoryBroker({TOPIC: 1})
        self._random = Random(seed)

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> Receipt:
        draw = self._random.random()
        if draw < 0.03:
            self.inner.publish(topic, value, key=key, headers=headers)
        if draw < 0.06:
            raise BrokerUnavailable("publish failed")
        self.inner.publish(topic, value, key=key, headers=headers)
        return Receipt(True)

    def flush(self) -> None:
        if self._random.random() < 0.2:
            raise BrokerUnavailable("flush failed")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("seed", range(8))
def test_a_broker_that_fails_at_random_gets_every_frame_in_order(tmp_path, seed):
    broker, counts = FlakyBroker(seed), StatusCounts()
    with a_producer(broker, tmp_path if seed % 2 else None, counts, limits=QueueLimits(batch_bytes=700)) as producer:
        for number in range(300):
            assert producer.put(a_message(number, counts))
        assert producer.drain(WAIT_S)
    assert arrived(broker.inner) == list(range(300))
    assert counts.total(DeliveryStatus.LOST) == 0
    assert counts.total(DeliveryStatus.SENT) == 300


class HangingBroker(MemoryBroker):
    """Accepts messages, but does not acknowledge them until `go` is set."""

    def __init__(self) -> None:
        super().__init__({TOPIC: 4})
        self.go = Event()

    def flush(self) -> None:
        self.go.wait(WAIT_S)


def test_while_the_broker_hangs_frames_go_to_the_spool(tmp_path):
    broker, counts = HangingBroker(), StatusCounts()
    with a_producer(broker, tmp_path, counts, limits=QueueLimits(spool_after_s=0.05)) as producer:
        producer.put(a_message(0, counts))
        assert counts.spooled.wait(WAIT_S)
        for number in range(1, 50):
            producer.put(a_message(number, counts))
        while producer.spooled()[0] < 50:
            time.sleep(0.01)
        assert counts.total(DeliveryStatus.SPOOLED) == 50
        broker.go.set()
        assert producer.drain(WAIT_S)
    assert arrived(broker) == list(range(50))


class ReorderingPublisher:
    """In the first batch, the first message of each key fails and the others are acknowledged; afterwards everything works."""

    def __init__(self) -> None:
        self.failed = False
        self.inner = a_broker()

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> Receipt:
        if not self.failed and int(dict(headers)["sequence"]) < 2:
            return Receipt(False)
        self.inner.publish(topic, value, key=key, headers=headers)
        return Receipt(True)

    def flush(self) -> None:
        if not self.failed:
            self.failed = True
            raise BrokerUnavailable("the first messages timed out")

    def close(self) -> None:
        pass


def test_a_frame_is_lost_if_a_later_one_of_its_camera_was_delivered():
    broker, counts = ReorderingPublisher(), StatusCounts()
    messages = [a_message(number, counts).message for number in range(6)]
    result = Sender(lambda: broker).send(messages)
    assert result.settled == (DeliveryStatus.LOST, DeliveryStatus.LOST, *[DeliveryStatus.SENT] * 4)


def test_a_closed_producer_accepts_nothing(tmp_path):
    counts = StatusCounts()
    with a_producer(a_broker(), tmp_path, counts) as producer:
        pass
    assert not producer.put(a_message(0, counts))
