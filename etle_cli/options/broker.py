"""The broker's address from the site file or ETLE_KAFKA, and what commands read from it."""

import logging
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etle.config.deployment import BrokerSettings, broker_servers
from etle.errors import ConfigError

if TYPE_CHECKING:
    from etle.kafka.client import KafkaTopicTail
    from etle.kafka.protocols import Message
    from etle.kafka.security import BrokerConnection


def broker_settings(site: Path | None) -> BrokerSettings:
    """The broker settings of that site file; the defaults without one. Raises ConfigError."""
    from etle.config.site import load_site

    return load_site(site).broker if site is not None else BrokerSettings()


def broker_connection(broker: BrokerSettings) -> "BrokerConnection":
    """Raises ConfigError if neither the settings nor ETLE_KAFKA name a server."""
    from etle.kafka.security import BrokerConnection

    client = logging.getLogger("kafka")
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        client.propagate = False  # the client logs every connection attempt; failures are raised to us and logged once
        client.setLevel(logging.WARNING)
    return BrokerConnection(servers=broker_servers(broker, os.environ), broker=broker)


def topic_tail(broker: BrokerSettings, topic: str) -> "KafkaTopicTail":
    """What is written to a topic from now on. Raises ConfigError if no server is configured, BrokerError."""
    from etle.kafka.client import KafkaTopicTail, require_reachable

    connection = broker_connection(broker)
    require_reachable(connection.servers)
    return KafkaTopicTail(connection, f"etle-signals-{socket.gethostname()}", topic)


def require_topics(connection: "BrokerConnection") -> None:
    """Call before a worker subscribes: Kafka accepts a subscription to a topic that does not exist. Raises ConfigError."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.topics import require_topics_exist

    require_topics_exist(connection.broker, KafkaTopicAdmin(connection))


def read_topic(connection: "BrokerConnection", topic: str, client: str) -> "Iterator[Message]":
    """All messages that the topic holds now, partition by partition, oldest first. Raises ConfigError if it does not exist,
    and BrokerUnavailable."""
    from etle.kafka.client import KafkaTopicReader

    reader = KafkaTopicReader(connection, client)
    try:
        partitions = reader.partitions(topic)
        if not partitions:
            raise ConfigError(f"Kafka has no topic {topic}: create it with `etle topics create`")
        for number in range(partitions):
            yield from reader.messages(topic, number)
    finally:
        reader.close()
