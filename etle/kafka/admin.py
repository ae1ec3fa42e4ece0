"""Kafka's topics, made and looked at. Beside `kafka`, the only file that imports its client: no worker needs this part of it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from etle.errors import BrokerUnavailable
from etle.kafka.client import connecting, translate_errors
from etle.kafka.security import BrokerConnection
from etle.kafka.topic_plan import TopicPlan

_TOPIC: Final = "TOPIC"
_READY_MS: Final = 20_000


class KafkaTopicAdmin:
    """A TopicAdmin."""

    def __init__(self, connection: BrokerConnection) -> None:
        self._connection = connection

    def found(self, names: Sequence[str]) -> Mapping[str, TopicPlan]:
        with self._admin() as admin:
            there = [each for each in admin.describe_topics(list(names)) if each["error_code"] == 0]
            settings = self._settings(admin, [each["name"] for each in there])
        return {each["name"]: _plan(each, settings[each["name"]]) for each in there}

    def create(self, plans: Sequence[TopicPlan]) -> None:
        wanted = {
            plan.name: {"num_partitions": plan.partitions, "replication_factor": plan.replication, "configs": dict(plan.settings)}
            for plan in plans
        }
        with self._admin() as admin:
            admin.create_topics(wanted)
            admin.wait_for_topics(list(wanted), timeout_ms=_READY_MS)

    def change(self, name: str, settings: Mapping[str, str]) -> None:
        from kafka.admin import ConfigResource

        with self._admin() as admin:
            admin.alter_configs([ConfigResource(_TOPIC, name, dict(settings))])

    def _settings(self, admin: Any, names: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
        from kafka.admin import ConfigResource

        if not names:
            return {}
        answer = admin.describe_configs([ConfigResource(_TOPIC, name) for name in names], config_filter="all")
        found = answer.get("topic", {})
        if absent := [name for name in names if name not in found]:
            raise BrokerUnavailable(f"Kafka ({self._connection.where}) does not tell the settings of {absent[0]}")
        return {name: {key: str(each["value"]) for key, each in found[name].items()} for name in names}

    @contextmanager
    def _admin(self) -> Iterator[Any]:
        from kafka import KafkaAdminClient

        with connecting(self._connection.where):
            admin = KafkaAdminClient(**self._connection.settings(), client_id="etle-admin")
        with translate_errors(self._connection.where):
            try:
                yield admin
            finally:
                admin.close()


def _plan(topic: Mapping[str, Any], settings: Mapping[str, str]) -> TopicPlan:
    partitions = topic["partitions"]
    copies = min((len(each["replica_nodes"]) for each in partitions), default=0)
    return TopicPlan(name=topic["name"], partitions=len(partitions), replication=copies, settings=settings)
