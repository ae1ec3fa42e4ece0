"""`etle models train` and `etle models quantize`: create weights."""

import argparse

from etle_cli.commands.train_attribute import add_attribute
from etle_cli.commands.train_colours import add_colours
from etle_cli.commands.train_detector import add_detector
from etle_cli.commands.train_heads import add_heads
from etle_cli.commands.train_lamps import add_lamps
from etle_cli.commands.train_lines import add_lines
from etle_cli.commands.train_reader import add_quantize_reader, add_reader
from etle_cli.commands.train_vehicles import add_vehicles


def add(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    train = actions.add_parser("train", help="train weights").add_subparsers(dest="model", required=True, metavar="MODEL")
    add_reader(train)
    add_detector(train)
    add_lines(train)
    add_colours(train)
    add_lamps(train)
    add_heads(train)
    add_vehicles(train)
    add_attribute(train)
    quantize = actions.add_parser("quantize", help="quantize trained weights to 8 bits")
    add_quantize_reader(quantize.add_subparsers(dest="model", required=True, metavar="MODEL"))
