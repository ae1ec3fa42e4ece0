"""`etle topics`: create the Kafka topics of a site file and report differences."""

import argparse
import sys
from pathlib import Path

from etle_cli.options.broker import broker_connection, broker_settings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("topics", help="create or check the Kafka topics")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    created = actions.add_parser(
        "create",
        help="create missing topics; set retention and message size of all",
        description="Creates missing topics with the partitions, replication, retention and message size of the site file, and sets "
        "retention and message size of existing ones. The number of partitions of an existing topic is never changed.",
    )
    checked = actions.add_parser(
        "check",
        help="report how the topics differ from the site file",
        description="Reports how the topics differ from the site file, and how to fix it. The exit code is 1 if they differ.",
    )
    for action, run in ((created, run_create), (checked, run_check)):
        action.add_argument("site", metavar="SITE.yaml", type=Path, nargs="?", help="the site file (default: the default settings)")
        action.set_defaults(run=run)


def run_create(args: argparse.Namespace) -> int:
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.topics import create_topics, required_topics

    broker = broker_settings(args.site)
    created = create_topics(required_topics(broker), KafkaTopicAdmin(broker_connection(broker)))
    sys.stdout.write(f"created: {', '.join(created)}\n" if created else "all topics exist\n")
    return run_check(args)


def run_check(args: argparse.Namespace) -> int:
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.topics import check_topics, required_topics

    broker = broker_settings(args.site)
    differences = check_topics(required_topics(broker), KafkaTopicAdmin(broker_connection(broker)))
    sys.stdout.write("".join(f"{line}\n" for line in differences) or "all topics match the configuration\n")
    return 1 if differences else 0
