"""Names of our own on the session's Kafka, for each test."""

from itertools import count

import pytest

from etle.config.deployment import BrokerSettings, TopicSettings
from etle.kafka.security import BrokerConnection
from services import ServiceProcess

_numbers = count()


@pytest.fixture
def connection(live_kafka: ServiceProcess) -> BrokerConnection:
    """To a broker that runs, with topics that nobody else has, not yet made."""
    small = TopicSettings(partitions=3, retention_hours=1, largest_mb=2)
    broker = BrokerSettings(prefix=f"test-{next(_numbers)}", frames=small, violations=small, dead_letters=small, timeout_s=20)
    live_kafka.start()
    return BrokerConnection(servers=(live_kafka.address,), broker=broker)
