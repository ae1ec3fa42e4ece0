"""Names of our own on the session's Kafka, for each test."""

from itertools import count

import pytest

from etle.config.deployment import Broker, Topic
from etle.kafka.security import Connection
from services import Server

_numbers = count()


@pytest.fixture
def connection(live_kafka: Server) -> Connection:
    """To a broker that runs, with topics that nobody else has, not yet made."""
    small = Topic(partitions=3, retention_hours=1, largest_mb=2)
    broker = Broker(prefix=f"test-{next(_numbers)}", frames=small, violations=small, dead_letters=small, timeout_s=20)
    live_kafka.start()
    return Connection(servers=(live_kafka.address,), broker=broker)
