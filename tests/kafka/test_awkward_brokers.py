"""Topics and brokers that are not as they should be: the cause is named, and nothing is lost without a word."""

import importlib.util
import logging
import time
from datetime import UTC, datetime, timedelta

import pytest
from kafka import KafkaAdminClient, KafkaProducer
from kafka.errors import KafkaTimeoutError

from etle.errors import BrokerRefused, BrokerUnavailable
from etle.kafka import client
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher, KafkaSubscriber, KafkaTopicReader, translate_connect_errors, translate_errors
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.observability.metrics import Metrics
from etle.testing import ListSink, ManualClock, a_violation_message
from etle.wire import violation_message_to_wire
from etle_cli.commands.ingest import publisher_to
from ingest.delivery.queued_message import OutgoingMessage
from ingest.delivery.sender import DeliveryStatus, Sender
from pipeline.workers.write import WriteWorker

pytestmark = pytest.mark.server


@pytest.fixture
def names(connection: BrokerConnection) -> TopicNames:
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    return TopicNames(connection.broker.prefix)


def send(connection: BrokerConnection, topic: str, *values: bytes) -> None:
    publisher = KafkaPublisher(connection, "test")
    for number, value in enumerate(values):
        publisher.publish(topic, value, key=b"k", partition=0, headers=[("n", str(number).encode())])
    publisher.flush()
    publisher.close()


def test_frames_are_not_sent_to_a_topic_that_does_not_exist(connection: BrokerConnection) -> None:
    with pytest.raises(BrokerRefused, match=r"has no topic test-\d+\.frames\.v1: create it with `etle topics create`"):
        publisher_to(connection)()


def test_messages_are_kept_by_the_broker_s_clock(connection: BrokerConnection, names: TopicNames) -> None:
    """Devices whose clocks show 1971 and tomorrow."""
    producer = KafkaProducer(**connection.settings())
    for at in (datetime(1971, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(days=1)):
        producer.send(names.frames, b"frame", key=b"k", partition=0, timestamp_ms=round(at.timestamp() * 1000)).get(20)
    producer.close()
    reader = KafkaTopicReader(connection, "test")
    found = [message.at for message in reader.messages(names.frames, 0)]
    reader.close()
    assert len(found) == 2
    assert all(abs((at - datetime.now(UTC)).total_seconds()) < 60 for at in found)


@pytest.mark.skipif(importlib.util.find_spec("zstandard") is not None, reason="zstandard is installed")
def test_a_codec_that_is_not_installed_is_named(connection: BrokerConnection, names: TopicNames) -> None:
    KafkaTopicAdmin(connection).alter_configs(names.violations, {"compression.type": "zstd"})
    send(connection, names.violations, b"x" * 10_000)
    subscriber = KafkaSubscriber(connection, "test", names.violations, names.write_group)
    deadline = time.monotonic() + 30
    with pytest.raises(BrokerRefused, match=r"compressed with zstd.* zstandard .*etle topics create"):
        while time.monotonic() < deadline:
            for number in subscriber.poll(0.5, 10).assigned:
                subscriber.seek(number, 0)
    subscriber.close()


def test_a_topic_that_takes_less_than_a_batch_gets_all_messages(connection: BrokerConnection, names: TopicNames) -> None:
    KafkaTopicAdmin(connection).alter_configs(names.frames, {"max.message.bytes": "150000"})
    messages = [OutgoingMessage(topic=names.frames, key=b"k", headers=(), value=bytes([number]) * 100_000) for number in range(8)]
    sender, left = Sender(publisher_to(connection)), messages
    for _ in range(5):
        result = sender.send(left)
        assert DeliveryStatus.LOST not in result.settled, result.error
        left = left[len(result.settled) :]
        if not left:
            break
    sender.close()
    reader = KafkaTopicReader(connection, "test")
    found = {message.value[0] for number in range(3) for message in reader.messages(names.frames, number)}
    reader.close()
    assert (left, found) == ([], set(range(8)))


def test_a_name_that_does_not_resolve_is_told(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_unresolved", client._UnresolvedNames())
    monkeypatch.setattr(logging.getLogger("kafka"), "handlers", [])  # the other tests' clients must not remember the name
    with pytest.raises(BrokerUnavailable, match=r"advertises the name kafka-1\.internal:9092, .*advertised\.listeners"):
        with translate_connect_errors("k:1"):
            logging.getLogger("kafka.net.inet").warning("DNS lookup failed for %s:%d, %r", "kafka-1.internal", 9092, OSError())
        with translate_errors("k:1"):
            raise KafkaTimeoutError("Failed to update metadata after 30.0 secs.")


def test_violations_that_expired_and_a_topic_that_was_made_again(
    connection: BrokerConnection, names: TopicNames, caplog: pytest.LogCaptureFixture
) -> None:
    """A real broker deletes records below an offset, and then the whole topic."""
    from kafka import TopicPartition

    sink, metrics = ListSink(), Metrics()
    send(connection, names.violations, *(violation_message_to_wire(a_violation_message(f"first {number}")) for number in range(5)))
    admin = KafkaAdminClient(**connection.settings())
    admin.delete_records({TopicPartition(names.violations, 0): 3})

    def write_until(stored: int) -> None:
        publisher, subscriber = KafkaPublisher(connection, "test"), KafkaSubscriber(connection, "test", names.violations, names.write_group)
        worker, deadline = WriteWorker(subscriber, publisher, sink, names, ManualClock(), metrics), time.monotonic() + 60
        while len(sink.messages) < stored and time.monotonic() < deadline:
            worker.step(0.2)
        worker.close()
        subscriber.close()
        publisher.close()

    write_until(2)
    assert len(sink.messages) == 2
    assert metrics.value("etle_expired_messages_total", topic=names.violations) == 3
    admin.delete_topics([names.violations])
    admin.close()
    time.sleep(2)
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    send(connection, names.violations, *(violation_message_to_wire(a_violation_message(f"second {number}")) for number in range(3)))
    write_until(5)
    assert len(sink.messages) == 5
