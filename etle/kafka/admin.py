"""Create and describe topics. Separate from `client`, because workers need no admin client; only these two modules import the library."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, Final

from etle.errors import BrokerUnavailable
from etle.kafka.client import translate_connect_errors, translate_errors
from etle.kafka.protocols import PartitionProgress, Position
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicSpec

_TOPIC: Final = "TOPIC"
_READY_TIMEOUT_MS: Final = 20_000
_POLL_S: Final = 0.1


class KafkaTopicAdmin:
    """A TopicAdmin. Connects for each call."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection

    def describe(self, names: Sequence[str]) -> Mapping[str, TopicSpec]:
        with self._admin() as admin:
            existing = [topic for topic in admin.describe_topics(list(names)) if topic["error_code"] == 0]
            configs = self._configs(admin, [topic["name"] for topic in existing])
        return {topic["name"]: _spec(topic, configs[topic["name"]]) for topic in existing}

    def partitions(self, name: str) -> int:
        """Number of partitions; 0 if the topic does not exist. A device that may only write to it is allowed to ask."""
        with self._admin() as admin:
            return sum(len(topic["partitions"]) for topic in admin.describe_topics([name]) if topic["error_code"] == 0)

    def create(self, topics: Sequence[TopicSpec]) -> None:
        new = {
            topic.name: {"num_partitions": topic.partitions, "replication_factor": topic.replication, "configs": dict(topic.configs)}
            for topic in topics
        }
        with self._admin() as admin:
            admin.create_topics(new)
            admin.wait_for_topics(list(new), timeout_ms=_READY_TIMEOUT_MS)

    def alter_configs(self, name: str, configs: Mapping[str, str]) -> None:
        """Returns when the broker reports the new values, or after 20 s: it applies them after its answer."""
        from kafka.admin import ConfigResource

        with self._admin() as admin:
            admin.alter_configs([ConfigResource(_TOPIC, name, dict(configs))])
            deadline = time.monotonic() + _READY_TIMEOUT_MS / 1000
            while configs.items() - self._configs(admin, [name])[name].items() and time.monotonic() < deadline:
                time.sleep(_POLL_S)

    def _configs(self, admin: Any, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        from kafka.admin import ConfigResource

        if not names:
            return {}
        response = admin.describe_configs([ConfigResource(_TOPIC, name) for name in names], config_filter="all")
        found = response.get("topic", {})
        if missing := [name for name in names if name not in found]:
            raise BrokerUnavailable(f"Kafka ({self._connection.where}) did not return the configs of {missing[0]}")
        return {name: {key: str(entry["value"]) for key, entry in found[name].items()} for name in names}

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        from kafka import KafkaAdminClient

        with translate_connect_errors(self._connection.where):
            admin = KafkaAdminClient(**self._connection.settings(), client_id="etle-admin")
        with translate_errors(self._connection.where):
            try:
                yield admin
            finally:
                admin.close()


class KafkaGroupProgress:
    """A GroupProgress. Keeps its connection; asks for offsets only, so that no message is transferred."""

    def __init__(self, connection: BrokerConnection) -> None:
        from kafka import KafkaAdminClient

        self._where = connection.where
        with translate_connect_errors(self._where):
            self._admin = KafkaAdminClient(**connection.settings(), client_id="etle-progress")

    def of(self, topic: str, group: str, since: datetime) -> Mapping[int, PartitionProgress]:
        """The offsets of `since` are asked for first: what is handled meanwhile makes a group look faster than it is, never slower."""
        from kafka import TopicPartition
        from kafka.admin import OffsetSpec

        with translate_errors(self._where):
            described = self._admin.describe_topics([topic])
            partitions = [TopicPartition(topic, number) for number in range(sum(len(each["partitions"]) for each in described))]
            if not partitions:
                return {}
            recent = self._admin.list_partition_offsets(dict.fromkeys(partitions, round(since.timestamp() * 1000)))
            committed = self._admin.list_group_offsets({group: partitions})[group]
            first = self._admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.EARLIEST))
            ends = self._admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
        return {
            each.partition: _progress(committed.get(each), first[each].offset, recent[each].offset, ends[each].offset)
            for each in partitions
        }

    def close(self) -> None:
        from kafka.errors import KafkaError

        with suppress(KafkaError):
            self._admin.close()


def _progress(committed: Any, first: int, recent: int, end: int) -> PartitionProgress:
    """The broker answers -1 where there is no offset."""
    known = committed is not None and committed.offset >= 0
    position = Position(offset=committed.offset, metadata=committed.metadata or "") if known else None
    return PartitionProgress(committed=position, first=first, recent=recent if recent >= 0 else end, end=end)


def _spec(topic: Mapping[str, Any], configs: Mapping[str, str]) -> TopicSpec:
    partitions = topic["partitions"]
    replication = min((len(partition["replica_nodes"]) for partition in partitions), default=0)
    return TopicSpec(name=topic["name"], partitions=len(partitions), replication=replication, configs=configs)
