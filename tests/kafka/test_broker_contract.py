"""What every broker promises: Kafka, and the one in memory that the workers are tested on."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from etle.errors import BrokerRefused
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaCompactedTopicReader, KafkaPublisher, KafkaSubscriber
from etle.kafka.protocols import CompactedTopicReader, Message, Position, Publisher, Subscriber
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.testing import MemoryBroker

TRIES = 60


@dataclass(frozen=True, slots=True)
class Bench:
    names: TopicNames
    publisher: Publisher
    history: CompactedTopicReader
    join: Callable[[], Any]


@pytest.fixture(params=["memory", pytest.param("kafka", marks=[pytest.mark.server, pytest.mark.xdist_group("kafka")])])
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with ExitStack() as opened:
        yield in_memory() if request.param == "memory" else on_kafka(request.getfixturevalue("connection"), opened)


def in_memory() -> Bench:
    names = TopicNames("t")
    broker = MemoryBroker({name: 3 for name in (names.frames, names.checkpoints)}, max_message_bytes=2_000_000)
    return Bench(names, broker, broker, lambda: broker.subscribe(names.frames, names.detect_group))


def on_kafka(connection: BrokerConnection, opened: ExitStack) -> Bench:
    names = TopicNames(connection.broker.prefix)
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    publisher, reader = KafkaPublisher(connection, "test"), KafkaCompactedTopicReader(connection, "test")
    opened.callback(publisher.close)
    opened.callback(reader.close)

    def join() -> KafkaSubscriber:
        made = KafkaSubscriber(connection, "test", names.frames, names.detect_group)
        opened.callback(made.close)
        return made

    return Bench(names, publisher, reader, join)


def placed(*subscribers: Subscriber) -> list[set[int]]:
    """Polls until the three partitions are dealt out among them, and places each at its beginning."""
    ours: list[set[int]] = [set() for _ in subscribers]
    for _ in range(TRIES):
        for each, subscriber in zip(ours, subscribers, strict=True):
            polled = subscriber.poll(0.3, 100)
            each -= set(polled.revoked)
            each |= set(polled.assigned)
            for number in polled.assigned:
                subscriber.seek(number, subscriber.first(number))
        if sum(map(len, ours)) == 3 and all(ours):
            return ours
    raise AssertionError(f"the partitions are not dealt out: {ours}")


def taken(subscriber: Subscriber, count: int) -> list[Message]:
    found: list[Message] = []
    for _ in range(TRIES):
        found += subscriber.poll(0.3, 100).messages
        if len(found) >= count:
            break
    return found


def test_what_was_flushed_comes_as_it_was_and_in_order(bench):
    subscriber = bench.join()
    placed(subscriber)
    receipts = [
        bench.publisher.publish(bench.names.frames, bytes([number]), key=b"cam", headers=[("a", b"1"), ("a", b"2")]) for number in range(20)
    ]
    bench.publisher.flush()
    found = taken(subscriber, 20)
    assert all(receipt.acked for receipt in receipts)
    assert [message.value for message in found] == [bytes([number]) for number in range(20)]
    assert found[0].headers == (("a", b"1"), ("a", b"2"))
    assert [message.offset for message in found] == list(range(20))
    assert len({message.partition for message in found}) == 1


def test_a_partition_gives_nothing_before_it_is_placed(bench):
    bench.publisher.publish(bench.names.frames, b"x", key=b"cam", partition=1)
    bench.publisher.flush()
    subscriber = bench.join()
    gained: set[int] = set()
    for _ in range(8):
        polled = subscriber.poll(0.3, 100)
        gained |= set(polled.assigned)
        assert polled.messages == ()
    assert gained == {0, 1, 2}
    subscriber.seek(1, 0)
    assert [message.value for message in taken(subscriber, 1)] == [b"x"]


def test_a_position_and_its_note_are_kept_for_the_group(bench):
    subscriber = bench.join()
    placed(subscriber)
    assert subscriber.committed(0) is None
    assert subscriber.commit({0: Position(offset=3, metadata="7")})
    assert subscriber.committed(0) == Position(offset=3, metadata="7")
    subscriber.close()
    assert bench.join().committed(0) == Position(offset=3, metadata="7")


def test_seeking_back_gives_messages_again_and_the_ends_are_told(bench):
    for number in range(5):
        bench.publisher.publish(bench.names.frames, bytes([number]), key=b"cam", partition=2)
    bench.publisher.flush()
    subscriber = bench.join()
    placed(subscriber)
    assert len(taken(subscriber, 5)) == 5
    subscriber.seek(2, 3)
    assert [message.value for message in taken(subscriber, 2)] == [b"\x03", b"\x04"]
    assert (subscriber.first(2), subscriber.end(2)) == (0, 5)


def test_a_pause_gives_nothing_and_loses_nothing(bench):
    subscriber = bench.join()
    placed(subscriber)
    subscriber.pause()
    bench.publisher.publish(bench.names.frames, b"x", key=b"cam")
    bench.publisher.flush()
    assert [subscriber.poll(0.3, 100).messages for _ in range(3)] == [(), (), ()]
    subscriber.resume()
    assert [message.value for message in taken(subscriber, 1)] == [b"x"]


def test_workers_share_the_partitions_and_take_over_those_of_one_that_leaves(bench):
    one = bench.join()
    placed(one)
    two = bench.join()
    shared = placed_together(one, two, {0, 1, 2})
    assert shared[0] & shared[1] == set()
    one.close()
    left = shared[1]
    for _ in range(TRIES):
        polled = two.poll(0.3, 100)
        left = (left - set(polled.revoked)) | set(polled.assigned)
        if left == {0, 1, 2}:
            return
    raise AssertionError(f"nobody has { ({0, 1, 2} - left) }")


def placed_together(one: Subscriber, two: Subscriber, ones: set[int]) -> tuple[set[int], set[int]]:
    """`two` joins `one`, which has all."""
    twos: set[int] = set()
    for _ in range(TRIES):
        for mine, subscriber in ((ones, one), (twos, two)):
            polled = subscriber.poll(0.3, 100)
            mine -= set(polled.revoked)
            mine |= set(polled.assigned)
            for number in polled.assigned:
                subscriber.seek(number, subscriber.first(number))
        if ones and twos and ones | twos == {0, 1, 2}:
            return ones, twos
    raise AssertionError(f"not shared: {ones} and {twos}")


def test_whose_partition_it_no_longer_is_cannot_commit(bench):
    one = bench.join()
    placed(one)
    one.close()
    two = bench.join()
    placed(two)
    assert two.commit({0: Position(offset=1)})
    if isinstance(one, KafkaSubscriber):
        return  # a closed client cannot be asked
    assert not one.commit({0: Position(offset=9)})
    assert two.committed(0) == Position(offset=1)


def test_the_last_value_of_each_key_is_the_table(bench):
    for value in (b"1", b"2", b"3"):
        bench.publisher.publish(bench.names.checkpoints, value, key=b"a", partition=1)
    bench.publisher.publish(bench.names.checkpoints, b"4", key=b"b", partition=1)
    bench.publisher.flush()
    assert bench.history.latest(bench.names.checkpoints, 1) == {b"a": b"3", b"b": b"4"}
    assert bench.history.latest(bench.names.checkpoints, 0) == {}


def test_a_message_that_is_too_large_is_refused(bench):
    with pytest.raises(BrokerRefused, match=r"too many|no message of that size"):
        bench.publisher.publish(bench.names.frames, b"x" * 2_200_000, key=b"cam")
        bench.publisher.flush()
