"""Where the broker is (the site file's word, and before it the environment's), and what commands ask of it."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from etle.config.deployment import BrokerSettings, broker_servers
from etle.errors import ConfigError

if TYPE_CHECKING:
    from etle.kafka.protocols import Message
    from etle.kafka.security import BrokerConnection


def broker_of(site: Path | None) -> BrokerSettings:
    """The broker's settings in that site file; the defaults without one. Raises ConfigError."""
    from etle.config.site import load_site

    return load_site(site).broker if site is not None else BrokerSettings()


def connection_to(broker: BrokerSettings) -> "BrokerConnection":
    """Raises ConfigError if neither the settings nor ETLE_KAFKA name a server."""
    from etle.kafka.security import BrokerConnection

    client = logging.getLogger("kafka")
    if not logging.getLogger().isEnabledFor(logging.DEBUG):
        client.propagate = False  # it tells each attempt; what comes of them is raised, and told once
        client.setLevel(logging.WARNING)
    return BrokerConnection(servers=broker_servers(broker, os.environ), broker=broker)


def check_topics_exist(connection: "BrokerConnection") -> None:
    """Before a role starts: Kafka lets one subscribe to a topic that is not there, and says nothing. Raises ConfigError."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.topic_plan import need_topics

    need_topics(connection.broker, KafkaTopicAdmin(connection))


def whole_topic(connection: "BrokerConnection", topic: str, client: str) -> "Iterator[Message]":
    """All that a topic holds now, partition by partition, oldest first. Raises ConfigError without the topic, and BrokerUnavailable."""
    from etle.kafka.client import KafkaCompactedTopicReader

    reader = KafkaCompactedTopicReader(connection, client)
    try:
        partitions = reader.partitions(topic)
        if not partitions:
            raise ConfigError(f"Kafka has no topic {topic}: `etle topics create` makes it")
        for number in range(partitions):
            yield from reader.messages(topic, number)
    finally:
        reader.close()
