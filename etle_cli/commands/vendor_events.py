"""`etle vendor events`: list the events that vendor devices reported, for comparison with the violations found here."""

import argparse
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etle.errors import WireError
from etle.kafka.topics import TopicNames
from etle_cli.options.broker import broker_connection, broker_settings, read_topic

if TYPE_CHECKING:
    from etle.kafka.protocols import Message
    from etle.wire import Verify

log = logging.getLogger(__name__)


def add_events(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = actions.add_parser(
        "events",
        help="list the events that vendor devices reported",
        description="Lists the events that the push API accepted and Kafka still retains, each once, oldest first. An event whose digest "
        "or signature is not valid is named and left out; signatures are checked with the `ingest.devices` of the site file. Events do not "
        "become cases; compare them with `etle violations list`.",
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
    from etle.config.site import load_site
    from etle.signing import frame_verifier

    verify = frame_verifier(load_site(site).ingest) if site is not None else None
    if verify is None:
        log.warning("signatures of events are not checked: no site file with `ingest.devices` was given (--site)")
    connection = broker_connection(broker_settings(site))
    messages = read_topic(connection, TopicNames(connection.broker.prefix).events, "etle-vendor-events")
    unique = {(event["vendor"], event["id"]): event for event in _read(messages, verify)}
    return sorted(unique.values(), key=lambda event: (event["occurred_at"], event["vendor"], event["id"]))


def _read(messages: "Iterator[Message]", verify: "Verify | None") -> Iterator[dict[str, Any]]:
    for message in messages:
        try:
            yield event_of(message, verify)
        except WireError as error:
            log.warning("%s %d/%d is left out: %s", message.topic, message.partition, message.offset, error)


def event_of(message: "Message", verify: "Verify | None") -> dict[str, Any]:
    """The event with its receipt. Raises WireError if it is none, or if its digest or signature is not valid."""
    from etle.types import CameraId, digest_of
    from etle.wire import signed_part
    from ingest.push_api.contract import parse_event
    from ingest.push_api.errors import ApiError

    named = dict(message.headers)
    try:
        receipt = {name: named[name].decode() for name in ("vendor", "received_at", "clock_error_s", "sha256")}
        event = parse_event(message.value)
    except (KeyError, UnicodeDecodeError, ApiError) as error:
        raise WireError(f"it was not published by the push API: {error!r}") from error
    if digest_of(message.value) != receipt["sha256"]:
        raise WireError("its bytes have another digest than its header sha256")
    if verify is not None and not verify(CameraId(event.camera), signed_part(message.headers), named.get("signature", b"")):
        raise WireError("it has no signature of a device that may sign for its camera")
    return {**json.loads(message.value), **receipt}


def _line(event: dict[str, Any]) -> str:
    plate = (event.get("plate") or {}).get("text") or "-"
    return f"{event['occurred_at']}  {event['vendor']}  {event['camera']}  {event['kind']}  {plate}  {event['id']}"
