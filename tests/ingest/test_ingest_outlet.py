"""From the cameras to a broker that comes and goes: what arrives, in which order, and what is said to be lost."""

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from threading import Event

import pytest

from etle.errors import BrokerUnavailable
from etle.testing import MemoryBroker
from etle.types import CameraId
from ingest.delivery.producer import QueueCallbacks, QueueLimits, SpooledProducer
from ingest.delivery.queued_message import DeliveryStatus, OutgoingMessage, QueuedMessage, from_record, to_record
from ingest.delivery.sender import ClosablePublisher, Sender
from ingest.delivery.spool import Spool
from ingest.sources.reconnect import ReconnectBackoff

TOPIC = "etle.frames.v1"
CAMERAS = ("masuk", "keluar")
QUICK = ReconnectBackoff(lambda: 0.0, first_s=0.02, longest_s=0.02)
LARGE = 1_000_000_000
WAIT_S = 20


class Counts:
    """Says for each camera what became of its messages."""

    def __init__(self) -> None:
        self.of: Counter[tuple[str, DeliveryStatus]] = Counter()
        self.spooled = Event()

    def kept(self, camera: CameraId, kept: DeliveryStatus, times: int = 1) -> None:
        self.of[camera, kept] += times
        if kept is DeliveryStatus.SPOOLED:
            self.spooled.set()

    def total(self, kept: DeliveryStatus) -> int:
        return sum(times for (_, each), times in self.of.items() if each is kept)


def a_broker() -> MemoryBroker:
    return MemoryBroker({TOPIC: 4})


@contextmanager
def an_outlet(
    broker: ClosablePublisher,
    folder: Path | None,
    counts: Counts,
    *,
    limit: int = LARGE,
    drops: bool = True,
    room: QueueLimits | None = None,
) -> Iterator[SpooledProducer]:
    spool = Spool(folder, limit) if folder else None
    outlet = SpooledProducer(Sender(lambda: broker), spool, QUICK, QueueCallbacks(kept=counts.kept), drops=drops, room=room)
    try:
        yield outlet
    finally:
        outlet.close(0.2)


def outgoing(number: int, counts: Counts, size: int = 50) -> QueuedMessage:
    camera = CameraId(CAMERAS[number % 2])
    message = OutgoingMessage(topic=TOPIC, key=camera.encode(), headers=(("sequence", b"%d" % number),), value=bytes(size))
    return QueuedMessage(camera=camera, message=message, kept=lambda kept: counts.kept(camera, kept))


def sequences(broker: MemoryBroker, camera: str) -> list[int]:
    """As a reader takes them: what is not newer than what it had is a repetition."""
    found: list[int] = []
    for message in broker.messages(TOPIC):
        number = int(dict(message.headers)["sequence"])
        if message.key == camera.encode() and (not found or number > found[-1]):
            found.append(number)
    return found


def arrived(broker: MemoryBroker) -> list[int]:
    return sorted(number for camera in CAMERAS for number in sequences(broker, camera))


def test_a_message_comes_back_from_the_spool_as_it_went_in():
    message = OutgoingMessage(topic=TOPIC, key=b"masuk", headers=(("sequence", b"7"), ("sha256", b"\xff\0")), value=b"\xff\xd8 picture")
    record = to_record(CameraId("masuk"), message)
    assert from_record(b"".join(record.body)) == message
    assert record.label == "masuk"


@pytest.mark.parametrize("spool", [True, False], ids=["live cameras", "files"])
def test_everything_arrives_in_order(tmp_path, spool):
    broker, counts = a_broker(), Counts()
    with an_outlet(broker, tmp_path if spool else None, counts) as outlet:
        assert all(outlet.put(outgoing(number, counts)) for number in range(500))
        assert outlet.drain(WAIT_S)
    assert arrived(broker) == list(range(500))
    assert counts.of == {("masuk", DeliveryStatus.SENT): 250, ("keluar", DeliveryStatus.SENT): 250}


def test_while_the_broker_is_away_frames_lie_on_the_disk_and_then_go_out_before_the_new_ones(tmp_path):
    broker, counts = a_broker(), Counts()
    broker.down = True
    with an_outlet(broker, tmp_path, counts) as outlet:
        for number in range(100):
            outlet.put(outgoing(number, counts))
        assert counts.spooled.wait(WAIT_S)
        broker.down = False
        for number in range(100, 200):
            outlet.put(outgoing(number, counts))
        assert outlet.drain(WAIT_S)
        assert outlet.spooled() == (0, 0)
    assert arrived(broker) == list(range(200))
    assert counts.total(DeliveryStatus.SENT) == 200
    assert counts.total(DeliveryStatus.LOST) == 0


def test_what_is_spooled_when_the_box_is_switched_off_is_sent_when_it_is_on_again(tmp_path):
    broker, counts = a_broker(), Counts()
    broker.down = True
    with an_outlet(broker, tmp_path, counts) as outlet:
        for number in range(100):
            outlet.put(outgoing(number, counts))
    assert counts.of == {("masuk", DeliveryStatus.SPOOLED): 50, ("keluar", DeliveryStatus.SPOOLED): 50}
    broker.down = False
    with an_outlet(broker, tmp_path, counts) as outlet:
        outlet.put(outgoing(100, counts))
        assert outlet.drain(WAIT_S)
    assert arrived(broker) == list(range(101))


def test_files_wait_for_the_broker_and_nothing_of_them_is_lost():
    broker, counts = a_broker(), Counts()
    broker.down = True
    with an_outlet(broker, None, counts, room=QueueLimits(memory_bytes=1000, batch_bytes=300)) as outlet:
        given = 0
        while outlet.put(outgoing(given, counts), timeout_s=0.1):
            given += 1
        assert given == 20
        assert not counts.of
        broker.down = False
        assert outlet.put(outgoing(given, counts), WAIT_S)
        assert outlet.drain(WAIT_S)
    assert arrived(broker) == list(range(21))


def test_a_full_spool_gives_up_its_oldest_and_counts_them(tmp_path):
    broker, counts = a_broker(), Counts()
    broker.down = True
    with an_outlet(broker, tmp_path, counts, limit=40_000, room=QueueLimits(batch_bytes=1000)) as outlet:
        for number in range(400):
            assert outlet.put(outgoing(number, counts, size=300))
        assert counts.spooled.wait(WAIT_S)
    lost = counts.total(DeliveryStatus.LOST)
    with Spool(tmp_path, LARGE) as left:
        assert lost + len(left) == 400
    assert lost > 200
    broker.down = False
    with an_outlet(broker, tmp_path, counts) as outlet:
        assert outlet.drain(WAIT_S)
    assert arrived(broker) == list(range(lost, 400))


def test_a_door_takes_no_more_when_its_spool_is_full(tmp_path):
    broker, counts = a_broker(), Counts()
    broker.down = True
    with an_outlet(broker, tmp_path, counts, limit=5000, drops=False, room=QueueLimits(memory_bytes=1000, batch_bytes=500)) as outlet:
        given = 0
        while outlet.put(outgoing(given, counts, size=300), timeout_s=1.0):
            given += 1
        assert counts.total(DeliveryStatus.SPOOLED) >= 8
        broker.down = False
        assert outlet.drain(WAIT_S)
    assert counts.total(DeliveryStatus.LOST) == 0
    assert arrived(broker) == list(range(given))


def test_a_message_that_the_broker_refuses_alone_is_lost_and_holds_up_nobody(tmp_path):
    broker, counts = MemoryBroker({TOPIC: 4}, max_message_bytes=200), Counts()
    broker.down = True
    with an_outlet(broker, tmp_path, counts) as outlet:
        for number in range(20):
            outlet.put(outgoing(number, counts, size=300 if number == 7 else 50))
        assert counts.spooled.wait(WAIT_S)
        broker.down = False
        assert outlet.drain(WAIT_S)
    assert arrived(broker) == [number for number in range(20) if number != 7]
    assert counts.of["keluar", DeliveryStatus.LOST] == 1
    assert counts.total(DeliveryStatus.LOST) == 1


def test_a_topic_that_is_missing_loses_nothing(tmp_path):
    broker, counts, troubles = MemoryBroker({}), Counts(), list[str | None]()
    told = Event()

    def trouble(reason: str | None) -> None:
        troubles.append(reason)
        told.set()

    outlet = SpooledProducer(Sender(lambda: broker), Spool(tmp_path, LARGE), QUICK, QueueCallbacks(kept=counts.kept, trouble=trouble))
    for number in range(20):
        outlet.put(outgoing(number, counts))
    assert told.wait(WAIT_S)
    assert "no such topic" in (troubles[0] or "")
    broker.topics[TOPIC] = [[]]
    assert outlet.drain(WAIT_S)
    outlet.close()
    assert arrived(broker) == list(range(20))
    assert counts.total(DeliveryStatus.LOST) == 0
    assert troubles[-1] is None


class Receipt:
    def __init__(self, acked: bool | None) -> None:
        self.acked = acked


class WhimsicalBroker:
    """Takes a beginning of a batch, and then fails: sometimes it has taken more than it says."""

    def __init__(self, seed: int) -> None:
        self.inner = MemoryBroker({TOPIC: 1})
        self._chance = Random(seed)

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> Receipt:
        whim = self._chance.random()
        if whim < 0.03:
            self.inner.publish(topic, value, key=key, headers=headers)
        if whim < 0.06:
            raise BrokerUnavailable("a whim")
        self.inner.publish(topic, value, key=key, headers=headers)
        return Receipt(True)

    def flush(self) -> None:
        if self._chance.random() < 0.2:
            raise BrokerUnavailable("another whim")

    def close(self) -> None:
        pass


@pytest.mark.parametrize("seed", range(8))
def test_a_broker_that_fails_at_any_place_gets_every_frame_in_order(tmp_path, seed):
    broker, counts = WhimsicalBroker(seed), Counts()
    with an_outlet(broker, tmp_path if seed % 2 else None, counts, room=QueueLimits(batch_bytes=700)) as outlet:
        for number in range(300):
            assert outlet.put(outgoing(number, counts))
        assert outlet.drain(WAIT_S)
    assert arrived(broker.inner) == list(range(300))
    assert counts.total(DeliveryStatus.LOST) == 0
    assert counts.total(DeliveryStatus.SENT) == 300


class HangingBroker(MemoryBroker):
    """Takes what it is given, and says nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__({TOPIC: 4})
        self.go = Event()

    def flush(self) -> None:
        self.go.wait(WAIT_S)


def test_a_broker_that_hangs_keeps_no_frame_in_memory_alone(tmp_path):
    broker, counts = HangingBroker(), Counts()
    with an_outlet(broker, tmp_path, counts, room=QueueLimits(patience_s=0.05)) as outlet:
        outlet.put(outgoing(0, counts))
        assert counts.spooled.wait(WAIT_S)
        for number in range(1, 50):
            outlet.put(outgoing(number, counts))
        while outlet.spooled()[0] < 50:
            time.sleep(0.01)
        assert counts.total(DeliveryStatus.SPOOLED) == 50
        broker.go.set()
        assert outlet.drain(WAIT_S)
    assert arrived(broker) == list(range(50))


class OvertakenPublisher:
    """Reports the first message of each key as not delivered, and the rest as safe; then it works."""

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
            raise BrokerUnavailable("the first ones ran out of time")

    def close(self) -> None:
        pass


def test_a_frame_that_was_overtaken_is_counted_as_lost():
    broker, counts = OvertakenPublisher(), Counts()
    messages = [outgoing(number, counts).message for number in range(6)]
    delivery = Sender(lambda: broker).send(messages)
    assert delivery.settled == (DeliveryStatus.LOST, DeliveryStatus.LOST, *[DeliveryStatus.SENT] * 4)


def test_nothing_is_put_once_it_is_closed(tmp_path):
    counts = Counts()
    with an_outlet(a_broker(), tmp_path, counts) as outlet:
        pass
    assert not outlet.put(outgoing(0, counts))
