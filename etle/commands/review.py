"""`etle review`: the web pages of the reviewers."""

import argparse

from etle.commands.store_options import add_store_options, open_stores


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("review", help="serve the pages in which cases are decided")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    parser.add_argument("--behind-proxy", metavar="ADDRESS", help="the proxy that ends TLS in front: its word on the visitor is taken")
    parser.set_defaults(run=run)
