"""`scripts/services start|stop|status`: run the servers of a distributed deployment on loopback."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from etle.errors import EtleError
from services.lifecycle import NAMES, start, status, stop

FOLDER: Final = Path("etle-services")
CLIP: Final = Path(__file__).parents[1] / "configs" / "demo" / "masuk.mp4"


def parse_args(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/services", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="start|stop|status")
    for name, text in (
        ("start", "start the servers that are not running, and wait until they are ready"),
        ("stop", "stop the running servers; data and ports are kept for the next start"),
        ("status", "show state, process id and address of each server; the exit code is 1 if one is not ready"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument(
            "--dir", type=Path, default=FOLDER, metavar="DIR", help="folder for data, logs and process ids (default: %(default)s)"
        )
        if name == "start":
            action.add_argument("--json", type=Path, metavar="FILE", help="write the addresses to this file")
            action.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"start only these of: {', '.join(NAMES)}")
            action.add_argument(
                "--clip", type=Path, default=CLIP, metavar="FILE", help="video that the camera plays, H.264 in MP4 (default: the demo's)"
            )
            action.add_argument("--s3", choices=("versitygw", "minio"), default="versitygw", help="S3 server to run (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    try:
        return _run(args)
    except EtleError as error:
        sys.stderr.write(f"services: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _run(args: argparse.Namespace) -> int:
    if args.action == "stop":
        for name in stop(args.dir):
            sys.stdout.write(f"{name} stopped\n")
        return 0
    if args.action == "status":
        states = status(args.dir)
        for state in states:
            sys.stdout.write(f"{state.name:10} {'ready' if state.ready else 'not ready'}, process {state.pid}, {state.address}\n")
        return 0 if states and all(state.ready for state in states) else 1
    services = start(args.dir, args.only or NAMES, clip=args.clip, s3_kind=args.s3, optional=() if args.only else ("s3", "rtsp"))
    for name, reason in services.missing.items():
        sys.stderr.write(f"services: {name} is not started: {reason}\n")
    if args.json:
        services.write(args.json)
    sys.stdout.write(_shell_exports(services.environment))
    return 0


def _shell_exports(environment: Mapping[str, str]) -> str:
    """Lines for `eval` or a shell script."""
    return "".join(f"export {name}={value}\n" for name, value in environment.items())


if __name__ == "__main__":
    sys.exit(main())
