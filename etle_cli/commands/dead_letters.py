"""`etle dead-letters`: list, show and replay messages that could not be processed."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from etle.errors import ConfigError
from etle.kafka.topics import TopicNames
from etle_cli.options.broker import broker_connection, broker_settings, read_topic

if TYPE_CHECKING:
    from etle.kafka.dead_letters import DeadLetter
    from etle.kafka.security import BrokerConnection


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("dead-letters", help="list, show and replay messages that could not be processed")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="one line per dead letter: id, time, stage, original position, reason")
    listed.add_argument("--json", action="store_true", help="one JSON object a line")
    shown = actions.add_parser("show", help="print one dead letter with its headers")
    shown.add_argument("id", metavar="ID", help="as `list` shows it, such as 0/17")
    shown.add_argument("--value", metavar="FILE", type=Path, help="write the message value to this file")
    replayed = actions.add_parser(
        "replay",
        help="publish messages to their original topic again",
        description="Publishes messages, unchanged, to their original topic. Use it after the cause is fixed. A replayed violation becomes "
        "a case. A replayed frame is useful only if its neighbours were rejected too (unknown camera, wrong key).",
    )
    replayed.add_argument("ids", metavar="ID", nargs="*", help="as `list` shows them")
    replayed.add_argument("--all", action="store_true", help="all that were not replayed before")
    for action, run in ((listed, run_list), (shown, run_show), (replayed, run_replay)):
        action.add_argument("--stage", metavar="STAGE", help="only those of this stage: detect, write")
        action.add_argument("--site", metavar="SITE.yaml", type=Path, help="the site file (default: the default settings)")
        action.set_defaults(run=run)


def run_list(args: argparse.Namespace) -> int:
    letters, _ = _letters(args)
    for letter in letters:
        sys.stdout.write((json.dumps(_as_json(letter), ensure_ascii=False) if args.json else _line(letter)) + "\n")
    return 0


def run_show(args: argparse.Namespace) -> int:
    letters, _ = _letters(args)
    letter = _chosen(letters, [args.id])[0]
    shown = {**_as_json(letter), "headers": {name: value.decode(errors="replace") for name, value in letter.headers}}
    sys.stdout.write(json.dumps(shown, indent=2, ensure_ascii=False) + "\n")
    if args.value:
        args.value.write_bytes(letter.value)
    return 0


def run_replay(args: argparse.Namespace) -> int:
    from etle.kafka.client import KafkaPublisher
    from etle.kafka.dead_letters import replay

    if bool(args.ids) == args.all:
        raise ConfigError("give the ids to replay (`etle dead-letters list` shows them), or --all")
    letters, connection = _letters(args)
    chosen = [letter for letter in letters if not letter.replayed] if args.all else _chosen(letters, args.ids)
    publisher = KafkaPublisher(connection, "etle-dead-letters")
    try:
        replay(chosen, publisher, TopicNames(connection.broker.prefix).dead_letters)
    finally:
        publisher.close()
    sys.stdout.write(f"{len(chosen)} replayed\n")
    return 0


def _letters(args: argparse.Namespace) -> "tuple[Sequence[DeadLetter], BrokerConnection]":
    from etle.kafka.dead_letters import parse_dead_letters

    connection = broker_connection(broker_settings(args.site))
    found = parse_dead_letters(read_topic(connection, TopicNames(connection.broker.prefix).dead_letters, "etle-dead-letters"))
    return [letter for letter in found if args.stage in (None, letter.stage)], connection


def _chosen(letters: "Sequence[DeadLetter]", ids: Sequence[str]) -> "list[DeadLetter]":
    known = {letter.id: letter for letter in letters}
    if absent := [name for name in ids if name not in known]:
        raise ConfigError(f"there is no dead letter {absent[0]!r}; `etle dead-letters list` shows them")
    return [known[name] for name in ids]


def _line(letter: "DeadLetter") -> str:
    state = " (replayed)" if letter.replayed else ""
    where = f"{letter.topic} {letter.partition}/{letter.offset}"
    return f"{letter.id}  {letter.at:%Y-%m-%d %H:%M:%S}Z  {letter.stage:8} {where}  {letter.reason}{state}"


def _as_json(letter: "DeadLetter") -> dict[str, object]:
    return {
        "id": letter.id,
        "at": letter.at.isoformat(),
        "stage": letter.stage,
        "topic": letter.topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "key": None if letter.key is None else letter.key.decode(errors="replace"),
        "reason": letter.reason,
        "bytes": len(letter.value),
        "replayed": letter.replayed,
    }
