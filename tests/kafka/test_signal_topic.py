"""A signal controller that writes to a real Kafka: its messages travel with the frames."""

import json
import time
from datetime import UTC, datetime
from functools import partial

import pytest

from etle.clock import SystemClock
from etle.config.signal_feed import SignalFeed
from etle.errors import BrokerRefused
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher, KafkaTopicTail
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicSpec
from etle.types import CameraId, SignalId
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.signals.source import open_feed


def message(sequence: int) -> bytes:
    now = datetime.now(UTC).isoformat()
    return json.dumps({"signal": "barat", "lamp": "red", "since": now, "at": now, "sequence": sequence}).encode()


def test_messages_written_from_now_on_are_read_from_all_partitions(connection: BrokerConnection) -> None:
    topic = f"{connection.broker.prefix}.controller"
    KafkaTopicAdmin(connection).create([TopicSpec(name=topic, partitions=2, replication=1, configs={})])
    publisher = KafkaPublisher(connection, "controller")
    publisher.publish(topic, message(1), key=b"old", partition=0)
    publisher.flush()
    losses, camera = FrameLossCounter(), CameraId("cam-1")
    feed = open_feed(
        camera,
        SignalId("barat"),
        SignalFeed(topic=topic, uncertainty_ms=5000, silent_after_s=10),
        SystemClock(),
        losses,
        partial(KafkaTopicTail, connection, "test-signals"),
    )
    feed.start()
    got: list[int] = []
    sequence, end = 2, time.monotonic() + 30
    while len(set(got)) < 4 and time.monotonic() < end:
        publisher.publish(topic, message(sequence) if sequence != 3 else b"oops", key=b"x", partition=sequence % 2)
        publisher.flush()
        sequence += 1
        time.sleep(0.2)
        got += [reading.sequence for reading in feed.take(datetime.now(UTC))]
    feed.close()
    publisher.close()
    assert len(set(got)) >= 4 and 1 not in got
    assert got == sorted(got) and len(got) == len(set(got))
    assert set(losses.of(camera)) <= {LossReason.SIGNAL_MESSAGE}


def test_a_topic_that_does_not_exist_is_named(connection: BrokerConnection) -> None:
    with pytest.raises(BrokerRefused, match="has no topic no-such-topic"):
        KafkaTopicTail(connection, "test-signals", "no-such-topic")
