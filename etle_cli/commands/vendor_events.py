"""`etle vendor events`: what vendors' boxes claim to have seen, to be held against what our own stages found."""

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etle.kafka.topics import TopicNames
from etle_cli.options.broker import broker_connection, broker_settings, read_topic

if TYPE_CHECKING:
    from etle.kafka.protocols import Message

log = logging.getLogger(__name__)


def add_events(deeds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = deeds.add_parser(
        "events",
        help="list what vendors' boxes claim to have seen",
        description="Lists the events that the door took and Kafka still has, each once, oldest first. No case is made of them: they are "
        "there to be held against `etle violations list`.",
    )
    parser.add_argument("--camera", metavar="ID", help="only of this camera")
    parser.add_argument("--vendor", metavar="NAME", help="only of this vendor")
    parser.add_argument("--json", action="store_true", help="one JSON object a line: the event as it came, and how it came")
    parser.add_argument("--site", metavar="SITE.yaml", type=Path, help="the site file (default: the default settings)")
    parser.set_defaults(run=run_events)


def run_events(args: argparse.Namespace) -> int:
    for event in _events(args.site):
        if args.camera in (None, event["camera"]) and args.vendor in (None, event["vendor"]):
            sys.stdout.write((json.dumps(event, ensure_ascii=False) if args.json else _line(event)) + "\n")
    return 0


def _events(site: Path | None) -> list[dict[str, Any]]:
    """What was sent twice, because an answer was lost, is one. Raises ConfigError without the topic."""
    connection = broker_connection(broker_settings(site))
    messages = read_topic(connection, TopicNames(connection.broker.prefix).events, "etle-vendor-events")
    known = {(event["vendor"], event["id"]): event for event in _read(messages)}
    return sorted(known.values(), key=lambda event: (event["occurred_at"], event["vendor"], event["id"]))


def _read(messages: "Iterator[Message]") -> Iterator[dict[str, Any]]:
    for message in messages:
        try:
            told = {name: value.decode() for name, value in message.headers}
            how = {name: told[name] for name in ("vendor", "received_at", "clock_error_s", "sha256")}
            yield {**json.loads(message.value), **how}
        except (KeyError, TypeError, ValueError) as error:
            log.warning("%s %d/%d did not come through the door: %r", message.topic, message.partition, message.offset, error)


def _line(event: dict[str, Any]) -> str:
    plate = (event.get("plate") or {}).get("text") or "-"
    return f"{event['occurred_at']}  {event['vendor']}  {event['camera']}  {event['kind']}  {plate}  {event['id']}"
