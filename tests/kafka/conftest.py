"""A topic prefix per test on the session's Kafka."""

from itertools import count

import pytest

from etle.config.deployment import BrokerSettings, TopicSettings
from etle.kafka.security import BrokerConnection
from services import ServiceProcess

_numbers = count()


@pytest.fixture
def connection(live_kafka: ServiceProcess) -> BrokerConnection:
    """A running broker, with a topic prefix of this test's own; the topics are not created."""
    small = TopicSettings(partitions=3, retention_hours=1, largest_mb=2)
    broker = BrokerSettings(prefix=f"test-{next(_numbers)}", frames=small, violations=small, dead_letters=small, timeout_s=20)
    live_kafka.start()
    return BrokerConnection(servers=(live_kafka.address,), broker=broker)
