"""The command `etle`. Each subcommand is a file in `etle_cli/commands/` and imports what it needs when it runs."""

import argparse
import faulthandler
import logging
import sys
from collections.abc import Sequence

from etle import __version__
from etle.errors import EtleError
from etle.observability.logs import LogFormat, configure_logging
from etle_cli.commands import (
    check,
    database,
    dead_letters,
    demo,
    detect,
    evaluate,
    evidence,
    explain,
    ingest,
    init,
    keys,
    models,
    review,
    run,
    schema,
    topics,
    users,
    vendor,
    violations,
    write,
)
from etle_cli.deprecation import with_new_names
from etle_cli.shutdown import sigterm_as_interrupt

COMMANDS = (
    run,
    init,
    check,
    explain,
    violations,
    review,
    users,
    evidence,
    models,
    evaluate,
    ingest,
    vendor,
    detect,
    write,
    topics,
    database,
    dead_letters,
    keys,
    demo,
    schema,
)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="etle",
        description="Camera enforcement of traffic law in Indonesia: from a camera's frames to cases that a reviewer decides.",
    )
    top.add_argument("--version", action="version", version=f"etle {__version__}")
    top.add_argument("-v", "--verbose", action="store_true", help="log more")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return top


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit codes: 0 success, 1 a reported error or problem, 2 wrong command line, 130 interrupted (Ctrl-C, SIGTERM)."""
    words, notices = with_new_names(sys.argv[1:] if arguments is None else arguments)
    sys.stderr.write("".join(f"{notice}\n" for notice in notices))
    args = parser().parse_args(words)
    role = getattr(args, "log", None)
    configure_logging(LogFormat(role or LogFormat.TEXT), logging.INFO if args.verbose or role else logging.WARNING)
    try:
        with sigterm_as_interrupt():
            code: int = args.run(args)
    except EtleError as error:
        sys.stderr.write(f"etle: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def console_script() -> int:
    """The entry point of the process. A crash in a native library then prints the Python stack of every thread to standard error."""
    faulthandler.enable()
    return main()


if __name__ == "__main__":
    sys.exit(console_script())
