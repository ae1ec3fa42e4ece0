"""`etle models train`: make weights of one's own."""

import argparse

from etle_cli.commands.train_colours import add_colours
from etle_cli.commands.train_finder import add_finder
from etle_cli.commands.train_lines import add_lines
from etle_cli.commands.train_reader import add_reader, add_rounded_reader


def add(deeds: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    train = deeds.add_parser("train", help="train weights of your own")
    things = train.add_subparsers(dest="thing", required=True, metavar="THING")
    add_reader(things)
    add_rounded_reader(things)
    add_finder(things)
    add_lines(things)
    add_colours(things)
