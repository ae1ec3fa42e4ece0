"""`etle topics`: makes the topics as the site file wants them, and says where those that are there differ."""

import argparse
import sys
from pathlib import Path

from etle_cli.options.broker import broker_connection, broker_settings


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("topics", help="make or check the topics in Kafka")
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")
    created = deeds.add_parser(
        "create",
        help="make what is missing, and set retention and sizes",
        description="Makes the topics that are missing with the partitions, copies, retention and message sizes of the site file, and sets "
        "retention and sizes of those that are there. The number of partitions of a topic that is there is never changed.",
    )
    checked = deeds.add_parser(
        "check",
        help="say in what the topics differ from the site file",
        description="Says in what the topics differ from the site file, and what to do about it. The exit code is 1 if they do.",
    )
    for deed, run in ((created, run_create), (checked, run_check)):
        deed.add_argument("site", metavar="SITE.yaml", type=Path, nargs="?", help="the site file (default: the default settings)")
        deed.set_defaults(run=run)


def run_create(args: argparse.Namespace) -> int:
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.topic_plan import create_topics, planned

    broker = broker_settings(args.site)
    made = create_topics(planned(broker), KafkaTopicAdmin(broker_connection(broker)))
    sys.stdout.write(f"made: {', '.join(made)}\n" if made else "every topic is there already\n")
    return run_check(args)


def run_check(args: argparse.Namespace) -> int:
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.topic_plan import check_topics, planned

    broker = broker_settings(args.site)
    told = check_topics(planned(broker), KafkaTopicAdmin(broker_connection(broker)))
    sys.stdout.write("".join(f"{line}\n" for line in told) or "the topics are as they should be\n")
    return 1 if told else 0
