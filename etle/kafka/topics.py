"""Topics and consumer groups: their names, the settings that the site file requires, and how those in the cluster differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from etle.config.deployment import BrokerSettings, TopicSettings
from etle.errors import BrokerRefused, ConfigError

_HOUR_MS: Final = 3_600_000
_BROKERS_CLOCK: Final = {"message.timestamp.type": "LogAppendTime"}
"""Messages are kept by the broker's clock. By the clock of a device that shows 1971, all its frames would be deleted at once."""
_AS_SENT: Final = {"compression.type": "producer"}
"""Otherwise the broker could compress with a codec that readers do not have."""
_CHECKPOINT_SEGMENT_MS: Final = 600_000
"""Kafka compacts closed segments only: a segment of checkpoints is closed after ten minutes."""


@dataclass(frozen=True, slots=True)
class TopicNames:
    """`prefix` separates several deployments on one cluster. The version in a topic's name is that of its message format."""

    prefix: str = "etle"

    @property
    def frames(self) -> str:
        return f"{self.prefix}.frames.v1"

    @property
    def violations(self) -> str:
        return f"{self.prefix}.violations.v1"

    @property
    def dead_letters(self) -> str:
        return f"{self.prefix}.dead-letters.v1"

    @property
    def checkpoints(self) -> str:
        return f"{self.prefix}.checkpoints.v1"

    @property
    def events(self) -> str:
        """Violations that vendors' devices report, unverified."""
        return f"{self.prefix}.events.v1"

    @property
    def reprocess(self) -> str:
        """Work items of runs."""
        return f"{self.prefix}.reprocess.v1"

    @property
    def reprocess_group(self) -> str:
        return f"{self.prefix}-reprocess"

    @property
    def detect_group(self) -> str:
        return f"{self.prefix}-detect"

    @property
    def archive_group(self) -> str:
        return f"{self.prefix}-archive"

    @property
    def write_group(self) -> str:
        return f"{self.prefix}-write"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic as required, or as found in the cluster. `configs` are Kafka's own topic configs."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


class TopicAdmin(Protocol):
    """Raises BrokerUnavailable, BrokerRefused."""

    def describe(self, names: Sequence[str]) -> Mapping[str, TopicSpec]:
        """Those of the topics that exist, by name."""
        ...

    def create(self, topics: Sequence[TopicSpec]) -> None: ...

    def alter_configs(self, name: str, configs: Mapping[str, str]) -> None: ...


def required_topics(broker: BrokerSettings) -> tuple[TopicSpec, ...]:
    """Every topic of a deployment with the settings of the site file."""
    names = TopicNames(broker.prefix)
    deleted = {"cleanup.policy": "delete", **_BROKERS_CLOCK, **_AS_SENT}
    compacted = {
        "cleanup.policy": "compact",
        **_AS_SENT,
        "segment.ms": str(_CHECKPOINT_SEGMENT_MS),
        "max.message.bytes": _max_bytes(broker.frames),
    }
    return (
        _spec(names.frames, broker.frames, broker.replication, deleted | _limits(broker.frames)),
        _spec(names.violations, broker.violations, broker.replication, deleted | _limits(broker.violations)),
        _spec(names.checkpoints, broker.frames, broker.replication, compacted),
        _spec(names.dead_letters, broker.dead_letters, broker.replication, deleted | _limits(broker.dead_letters)),
        _spec(names.events, broker.events, broker.replication, deleted | _limits(broker.events)),
        _spec(names.reprocess, broker.reprocess, broker.replication, deleted | _limits(broker.reprocess)),
    )


def differences(required: TopicSpec, found: TopicSpec | None) -> tuple[str, ...]:
    """One sentence per difference, each with its remedy; empty if there is none."""
    if found is None:
        return (f"{required.name} does not exist: create it with `etle topics create`",)
    messages = [
        f"{required.name}: {key} is {found.configs.get(key, 'not set')} and should be {value}: set it with `etle topics create`"
        for key, value in required.configs.items()
        if found.configs.get(key) != value
    ]
    if found.partitions != required.partitions:
        messages.append(
            f"{required.name} has {found.partitions} partitions and should have {required.partitions}: the number decides which partition a"
            " camera's frames are in. Let the workers read all frames, then delete the topics and create them again; or write that number"
            " into the site file"
        )
    if found.replication < required.replication:
        messages.append(
            f"{required.name} has {found.replication} replicas and should have {required.replication}: see kafka-reassign-partitions"
        )
    return tuple(messages)


def check_topics(required: Sequence[TopicSpec], admin: TopicAdmin) -> tuple[str, ...]:
    """The differences of all topics."""
    found = admin.describe([topic.name for topic in required])
    return tuple(message for topic in required for message in differences(topic, found.get(topic.name)))


def create_topics(required: Sequence[TopicSpec], admin: TopicAdmin) -> tuple[str, ...]:
    """Create the missing topics, and set the configs of the others. Returns the names of those that were created."""
    found = admin.describe([topic.name for topic in required])
    missing = [topic for topic in required if topic.name not in found]
    if missing:
        admin.create(missing)
    for topic in required:
        if topic.name not in found:
            continue
        present = found[topic.name].configs
        wrong = {key: value for key, value in topic.configs.items() if present.get(key) != value}
        if wrong:
            admin.alter_configs(topic.name, wrong)
    return tuple(topic.name for topic in missing)


def require_topics_exist(broker: BrokerSettings, admin: TopicAdmin, *, reprocess: bool = False) -> None:
    """Raises ConfigError if a topic is missing, or if checkpoints and frames have different numbers of partitions.

    `reprocess`: the topic of work items is needed too; live roles do without it, so that an upgrade does not stop them.
    """
    names = TopicNames(broker.prefix)
    required = [topic.name for topic in required_topics(broker) if reprocess or topic.name != names.reprocess]
    found = admin.describe(required)
    if missing := [name for name in required if name not in found]:
        raise ConfigError(f"these topics do not exist in Kafka: {', '.join(missing)}. Create them with `etle topics create`")
    if found[names.frames].partitions != found[names.checkpoints].partitions:
        raise ConfigError(
            f"{names.checkpoints} has {found[names.checkpoints].partitions} partitions and {names.frames} has"
            f" {found[names.frames].partitions}: the numbers must be equal. `etle topics check` shows what to do"
        )


def require_topic_exists(name: str, partitions: int) -> None:
    """`partitions`: their number in the cluster. Raises BrokerRefused: a broker that creates missing topics would choose another number."""
    if not partitions:
        raise BrokerRefused(f"Kafka has no topic {name}: create it with `etle topics create`")


def _spec(name: str, topic: TopicSettings, replication: int, configs: Mapping[str, str]) -> TopicSpec:
    durable = {"min.insync.replicas": str(max(1, replication - 1))}
    return TopicSpec(name=name, partitions=topic.partitions, replication=replication, configs={**configs, **durable})


def _limits(topic: TopicSettings) -> dict[str, str]:
    return {"retention.ms": str(round(topic.retention_hours * _HOUR_MS)), "max.message.bytes": _max_bytes(topic)}


def _max_bytes(topic: TopicSettings) -> str:
    return str(round(topic.largest_mb * 1_000_000))
