"""`etle vendor events`: list the events that vendor devices reported, for comparison with the violations found here."""

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


def add_events(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "events",
        help="list the events that vendor devices reported",
        description="Lists the events that the push API accepted and Kafka still retains, each once, oldest first. They do not become "
        "cases; compare them with `etle violations list`.",
    )
    parser.add_argument("--camera", metavar="ID", help="only of this camera")
    parser.add_argument("--vendor", metavar="NAME", help="only of this vendor")
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object per event, with vendor, time of receipt, clock error and digest",
    )
    parser.add_argument("--site", metavar="SITE.yaml", type=Path, help="the site file (default: the default settings)")
    parser.set_defaults(run=run_events)


def run_events(args: argparse.Namespace) -> int:
    for event in _events(args.site):
        if args.camera in (None, event["camera"]) and args.vendor in (None, event["vendor"]):
            sys.stdout.write((json.dumps(event, ensure_ascii=False) if args.json else _line(event)) + "\n")
    return 0


def _events(site: Path | None) -> list[dict[str, Any]]:
    """Events in order of time; an event that was sent again is listed once. Raises ConfigError if the topic does not exist."""
    connection = broker_connection(broker_settings(site))
    messages = read_topic(connection, TopicNames(connection.broker.prefix).events, "etle-vendor-events")
    unique = {(event["vendor"], event["id"]): event for event in _read(messages)}
    return sorted(unique.values(), key=lambda event: (event["occurred_at"], event["vendor"], event["id"]))


def _read(messages: "Iterator[Message]") -> Iterator[dict[str, Any]]:
    for message in messages:
        try:
            headers = {name: value.decode() for name, value in message.headers}
            receipt = {name: headers[name] for name in ("vendor", "received_at", "clock_error_s", "sha256")}
            yield {**json.loads(message.value), **receipt}
        except (KeyError, TypeError, ValueError) as error:
            log.warning("%s %d/%d was not published by the push API: %r", message.topic, message.partition, message.offset, error)


def _line(event: dict[str, Any]) -> str:
    plate = (event.get("plate") or {}).get("text") or "-"
    return f"{event['occurred_at']}  {event['vendor']}  {event['camera']}  {event['kind']}  {plate}  {event['id']}"
