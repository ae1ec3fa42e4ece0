"""The topics as the site file wants them, and in what those that are there differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from etle.config.deployment import BrokerSettings, TopicSettings
from etle.errors import ConfigError
from etle.kafka.topics import TopicNames

_HOUR_MS: Final = 3_600_000
_SEGMENT_MS: Final = 600_000
"""Checkpoints are compacted only in closed segments: one closes after ten minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicPlan:
    """A topic: how it should be, or how it is. `settings` are Kafka's own keys."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]


class TopicAdmin(Protocol):
    """Raises BrokerUnavailable, BrokerRefused."""

    def found(self, names: Sequence[str]) -> Mapping[str, TopicPlan]:
        """Those of them that exist."""
        ...

    def create(self, plans: Sequence[TopicPlan]) -> None: ...

    def change(self, name: str, settings: Mapping[str, str]) -> None: ...


def planned(broker: BrokerSettings) -> tuple[TopicPlan, ...]:
    names = TopicNames(broker.prefix)
    kept = {"cleanup.policy": "delete"}
    compacted = {"cleanup.policy": "compact", "segment.ms": str(_SEGMENT_MS), "max.message.bytes": _bytes(broker.frames)}
    return (
        _plan(names.frames, broker.frames, broker.replication, kept | _limits(broker.frames)),
        _plan(names.violations, broker.violations, broker.replication, kept | _limits(broker.violations)),
        _plan(names.checkpoints, broker.frames, broker.replication, compacted),
        _plan(names.dead_letters, broker.dead_letters, broker.replication, kept | _limits(broker.dead_letters)),
        _plan(names.events, broker.events, broker.replication, kept | _limits(broker.events)),
    )


def differences(plan: TopicPlan, found: TopicPlan | None) -> tuple[str, ...]:
    """In words, each with the way out; none if all is as planned."""
    if found is None:
        return (f"{plan.name} is not there: `etle topics create` makes it",)
    told = [
        f"{plan.name}: {key} is {found.settings.get(key, 'not set')} and should be {value}: `etle topics create` sets it"
        for key, value in plan.settings.items()
        if found.settings.get(key) != value
    ]
    if found.partitions != plan.partitions:
        told.append(
            f"{plan.name} has {found.partitions} partitions and should have {plan.partitions}: it decides which camera is where, so let the"
            " workers come to the end of the frames, delete the topics, and make them anew; or write that number into the site file"
        )
    if found.replication < plan.replication:
        told.append(f"{plan.name} has {found.replication} copies and should have {plan.replication}: see kafka-reassign-partitions")
    return tuple(told)


def check_topics(plans: Sequence[TopicPlan], admin: TopicAdmin) -> tuple[str, ...]:
    found = admin.found([plan.name for plan in plans])
    return tuple(told for plan in plans for told in differences(plan, found.get(plan.name)))


def create_topics(plans: Sequence[TopicPlan], admin: TopicAdmin) -> tuple[str, ...]:
    """Makes those that are absent and sets what can be set on the others. TopicNames of those that were made."""
    found = admin.found([plan.name for plan in plans])
    absent = [plan for plan in plans if plan.name not in found]
    if absent:
        admin.create(absent)
    for plan in plans:
        there = found.get(plan.name)
        if there is None:
            continue
        wrong = {key: value for key, value in plan.settings.items() if there.settings.get(key) != value}
        if wrong:
            admin.change(plan.name, wrong)
    return tuple(plan.name for plan in absent)


def need_topics(broker: BrokerSettings, admin: TopicAdmin) -> None:
    """Raises ConfigError if a topic is not there, or the checkpoints are not partitioned as the frames are."""
    names = TopicNames(broker.prefix)
    found = admin.found([plan.name for plan in planned(broker)])
    if absent := [plan.name for plan in planned(broker) if plan.name not in found]:
        raise ConfigError(f"Kafka has no topic {', '.join(absent)}: `etle topics create` makes what is missing")
    if found[names.frames].partitions != found[names.checkpoints].partitions:
        raise ConfigError(
            f"{names.checkpoints} has {found[names.checkpoints].partitions} partitions and {names.frames} has"
            f" {found[names.frames].partitions}: they must have as many. `etle topics check` says what to do"
        )


def _plan(name: str, topic: TopicSettings, replication: int, settings: Mapping[str, str]) -> TopicPlan:
    safe = {"min.insync.replicas": str(max(1, replication - 1))}
    return TopicPlan(name=name, partitions=topic.partitions, replication=replication, settings={**settings, **safe})


def _limits(topic: TopicSettings) -> dict[str, str]:
    return {"retention.ms": str(round(topic.retention_hours * _HOUR_MS)), "max.message.bytes": _bytes(topic)}


def _bytes(topic: TopicSettings) -> str:
    return str(round(topic.largest_mb * 1_000_000))
