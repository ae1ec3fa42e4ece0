"""The contract of a broker, run on Kafka and on the broker in memory."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from etle.errors import BrokerRefused
from etle.kafka.admin import KafkaGroupProgress, KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher, KafkaSubscriber, KafkaTopicReader
from etle.kafka.protocols import CompactedTopicReader, GroupProgress, Message, Position, Publisher, Subscriber
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.testing import MemoryBroker

TRIES = 200


@dataclass(frozen=True, slots=True)
class BrokerSetup:
    names: TopicNames
    publisher: Publisher
    reader: CompactedTopicReader
    progress: GroupProgress
    join: Callable[[], Any]
    """Adds a subscriber to the detect group."""


@pytest.fixture(params=["memory", pytest.param("kafka", marks=[pytest.mark.server, pytest.mark.xdist_group("kafka")])])
def broker(request: pytest.FixtureRequest) -> Iterator[BrokerSetup]:
    with ExitStack() as opened:
        yield in_memory() if request.param == "memory" else on_kafka(request.getfixturevalue("connection"), opened)


def in_memory() -> BrokerSetup:
    names = TopicNames("t")
    memory = MemoryBroker({name: 3 for name in (names.frames, names.checkpoints)}, max_message_bytes=2_000_000)
    return BrokerSetup(names, memory, memory, memory, lambda: memory.subscribe(names.frames, names.detect_group))


def on_kafka(connection: BrokerConnection, opened: ExitStack) -> BrokerSetup:
    names = TopicNames(connection.broker.prefix)
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    publisher, reader = KafkaPublisher(connection, "test"), KafkaTopicReader(connection, "test")
    opened.callback(publisher.close)
    opened.callback(reader.close)

    def join() -> KafkaSubscriber:
        subscriber = KafkaSubscriber(connection, "test", names.frames, names.detect_group)
        opened.callback(subscriber.close)
        return subscriber

    progress = KafkaGroupProgress(connection)
    opened.callback(progress.close)
    return BrokerSetup(names, publisher, reader, progress, join)


def join_all(*subscribers: Subscriber) -> list[set[int]]:
    """Polls until the three partitions are assigned, and seeks each to its first offset. Returns the partitions of each subscriber."""
    partitions: list[set[int]] = [set() for _ in subscribers]
    for _ in range(TRIES):
        for assigned, subscriber in zip(partitions, subscribers, strict=True):
            polled = subscriber.poll(0.3, 100)
            assigned -= set(polled.revoked)
            assigned |= set(polled.assigned)
            for number in polled.assigned:
                subscriber.seek(number, subscriber.first(number))
        if sum(map(len, partitions)) == 3 and all(partitions):
            return partitions
    raise AssertionError(f"the partitions were not assigned: {partitions}")


def read(subscriber: Subscriber, count: int) -> list[Message]:
    found: list[Message] = []
    for _ in range(TRIES):
        found += subscriber.poll(0.3, 100).messages
        if len(found) >= count:
            break
    return found


def test_flushed_messages_arrive_unchanged_and_in_order(broker):
    subscriber = broker.join()
    join_all(subscriber)
    deliveries = [
        broker.publisher.publish(broker.names.frames, bytes([number]), key=b"cam", headers=[("a", b"1"), ("a", b"2")])
        for number in range(20)
    ]
    broker.publisher.flush()
    found = read(subscriber, 20)
    assert all(delivery.acked for delivery in deliveries)
    assert [message.value for message in found] == [bytes([number]) for number in range(20)]
    assert found[0].headers == (("a", b"1"), ("a", b"2"))
    assert [message.offset for message in found] == list(range(20))
    assert len({message.partition for message in found}) == 1


def test_a_key_is_published_to_the_partition_that_is_named_for_it(broker):
    keys = [f"cam-{number}".encode() for number in range(12)]
    for key in keys:
        broker.publisher.publish(broker.names.frames, b"frame", key=key)
    broker.publisher.flush()
    subscriber = broker.join()
    join_all(subscriber)
    found = {message.key: message.partition for message in read(subscriber, len(keys))}
    assert found == {key: subscriber.partition_of(key) for key in keys}
    assert len(set(found.values())) > 1


def test_an_assigned_partition_returns_nothing_before_seek(broker):
    broker.publisher.publish(broker.names.frames, b"x", key=b"cam", partition=1)
    broker.publisher.flush()
    subscriber = broker.join()
    assigned: set[int] = set()
    for _ in range(8):
        polled = subscriber.poll(0.3, 100)
        assigned |= set(polled.assigned)
        assert polled.messages == ()
    assert assigned == {0, 1, 2}
    subscriber.seek(1, 0)
    assert [message.value for message in read(subscriber, 1)] == [b"x"]


def test_a_position_and_its_metadata_are_kept_for_the_group(broker):
    subscriber = broker.join()
    join_all(subscriber)
    assert subscriber.committed(0) is None
    assert subscriber.commit({0: Position(offset=3, metadata="7")})
    assert subscriber.committed(0) == Position(offset=3, metadata="7")
    subscriber.close()
    assert broker.join().committed(0) == Position(offset=3, metadata="7")


def test_seeking_back_returns_messages_again_and_first_and_end_are_known(broker):
    for number in range(5):
        broker.publisher.publish(broker.names.frames, bytes([number]), key=b"cam", partition=2)
    broker.publisher.flush()
    subscriber = broker.join()
    join_all(subscriber)
    assert len(read(subscriber, 5)) == 5
    subscriber.seek(2, 3)
    assert [message.value for message in read(subscriber, 2)] == [b"\x03", b"\x04"]
    assert (subscriber.first(2), subscriber.end(2)) == (0, 5)


def test_a_paused_subscriber_gets_no_messages_and_loses_none(broker):
    subscriber = broker.join()
    join_all(subscriber)
    subscriber.pause()
    broker.publisher.publish(broker.names.frames, b"x", key=b"cam")
    broker.publisher.flush()
    assert [subscriber.poll(0.3, 100).messages for _ in range(3)] == [(), (), ()]
    subscriber.resume()
    assert [message.value for message in read(subscriber, 1)] == [b"x"]


def test_workers_share_the_partitions_and_take_over_those_of_one_that_leaves(broker):
    one = broker.join()
    join_all(one)
    two = broker.join()
    shared = rebalance(one, two, {0, 1, 2})
    assert shared[0] & shared[1] == set()
    one.close()
    remaining = shared[1]
    for _ in range(TRIES):
        polled = two.poll(0.3, 100)
        remaining = (remaining - set(polled.revoked)) | set(polled.assigned)
        if remaining == {0, 1, 2}:
            return
    raise AssertionError(f"not assigned: { ({0, 1, 2} - remaining) }")


def rebalance(one: Subscriber, two: Subscriber, of_one: set[int]) -> tuple[set[int], set[int]]:
    """`two` joins the group, in which `one` has all partitions."""
    of_two: set[int] = set()
    for _ in range(TRIES):
        for assigned, subscriber in ((of_one, one), (of_two, two)):
            polled = subscriber.poll(0.3, 100)
            assigned -= set(polled.revoked)
            assigned |= set(polled.assigned)
            for number in polled.assigned:
                subscriber.seek(number, subscriber.first(number))
        if of_one and of_two and of_one | of_two == {0, 1, 2}:
            return of_one, of_two
    raise AssertionError(f"not shared: {of_one} and {of_two}")


def test_a_worker_cannot_commit_a_partition_that_was_reassigned(broker):
    one = broker.join()
    join_all(one)
    one.close()
    two = broker.join()
    join_all(two)
    assert two.commit({0: Position(offset=1)})
    if isinstance(one, KafkaSubscriber):
        return  # a closed Kafka client cannot commit at all
    assert not one.commit({0: Position(offset=9)})
    assert two.committed(0) == Position(offset=1)


def test_the_progress_of_a_group_shows_what_it_committed_and_what_is_recent(broker):
    topic, group = broker.names.frames, broker.names.detect_group
    for _ in range(5):
        broker.publisher.publish(topic, b"x", key=b"cam", partition=2)
    broker.publisher.flush()
    ago, ahead = (datetime.now(UTC) + timedelta(days=days) for days in (-10_000, 10_000))
    before = broker.progress.of(topic, group, ago)
    assert {number: (each.committed, each.first, each.recent, each.end) for number, each in before.items()} == {
        0: (None, 0, 0, 0), 1: (None, 0, 0, 0), 2: (None, 0, 0, 5)
    }  # fmt: skip
    subscriber = broker.join()
    join_all(subscriber)
    assert subscriber.commit({2: Position(offset=1, metadata="3"), 0: Position(offset=0)})
    after = broker.progress.of(topic, group, ahead)
    assert [after[number].committed for number in range(3)] == [Position(offset=0), None, Position(offset=1, metadata="3")]
    assert (after[2].recent, after[2].end) == (5, 5)


def test_latest_returns_the_last_value_of_each_key(broker):
    for value in (b"1", b"2", b"3"):
        broker.publisher.publish(broker.names.checkpoints, value, key=b"a", partition=1)
    broker.publisher.publish(broker.names.checkpoints, b"4", key=b"b", partition=1)
    broker.publisher.flush()
    assert broker.reader.latest(broker.names.checkpoints, 1) == {b"a": b"3", b"b": b"4"}
    assert broker.reader.latest(broker.names.checkpoints, 0) == {}


def test_a_message_that_is_too_large_is_refused(broker):
    with pytest.raises(BrokerRefused, match=r"too many|for its size"):
        broker.publisher.publish(broker.names.frames, b"x" * 2_200_000, key=b"cam")
        broker.publisher.flush()
