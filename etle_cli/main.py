"""The command `etle`. Each subcommand is a file in `etle_cli/commands/` and imports what it needs when it runs."""

import argparse
import faulthandler
import logging
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from pathlib import Path

from etle import __version__
from etle.errors import ConfigError, EtleError
from etle.observability.logs import LogFormat, configure_logging
from etle.redaction import redacted
from etle_cli.commands import (
    archive,
    calibrate,
    campaigns,
    capacity,
    check,
    database,
    dataset,
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
    reprocess,
    reprocess_worker,
    review,
    run,
    runs,
    schema,
    shadow,
    topics,
    users,
    vendor,
    violations,
    watch_list,
    write,
)
from etle_cli.deprecation import with_new_names
from etle_cli.shutdown import sigterm_as_interrupt

COMMANDS = (
    run,
    reprocess,
    reprocess_worker,
    runs,
    init,
    calibrate,
    check,
    explain,
    violations,
    review,
    users,
    watch_list,
    campaigns,
    evidence,
    models,
    evaluate,
    dataset,
    shadow,
    ingest,
    vendor,
    detect,
    write,
    archive,
    topics,
    database,
    dead_letters,
    keys,
    capacity,
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
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # prints the names of files that are not UTF-8
    role = getattr(args, "log", None)
    configure_logging(LogFormat(role or LogFormat.TEXT), logging.INFO if args.verbose or role else logging.WARNING)
    try:
        _check_names((*words, str(Path.cwd())))
        with sigterm_as_interrupt():
            code: int = args.run(args)
    except (EtleError, OSError) as error:
        sys.stderr.write(f"etle: {redacted(str(error))}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return code


def _check_names(names: Sequence[str]) -> None:
    """Raises ConfigError for a name that is not UTF-8: neither the database nor a site file can hold it."""
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError as error:
            shown = os.fsencode(name).decode(errors="backslashreplace")
            raise ConfigError(f"{shown}: this name is not UTF-8; rename the file or folder (`convmv -f latin1 -t utf8`)") from error


def console_script() -> int:
    """The entry point of the process. A crash in a native library then prints the Python stack of every thread to standard error."""
    faulthandler.enable()
    return main()


if __name__ == "__main__":
    sys.exit(console_script())
