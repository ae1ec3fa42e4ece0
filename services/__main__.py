"""`scripts/services start|stop|status`: the servers of a distributed deployment on loopback, for as long as somebody wants them."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from etle.errors import EtleError
from services.field import NAMES, start, status, stop

FOLDER: Final = Path("etle-services")
CLIP: Final = Path(__file__).parents[1] / "configs" / "demo" / "masuk.mp4"


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/services", description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True, metavar="start|stop|status")
    for name, text in (
        ("start", "start what is not running, and wait until it answers"),
        ("stop", "stop what is running; the data stays, and the ports, for the next start"),
        ("status", "what runs and where; the exit code is 1 if something does not answer"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--dir", type=Path, default=FOLDER, metavar="DIR", help="data, logs and process numbers (default: %(default)s)")
        if name == "start":
            action.add_argument("--json", type=Path, metavar="FILE", help="write the addresses there")
            action.add_argument("--only", nargs="+", choices=NAMES, metavar="NAME", help=f"not all of: {', '.join(NAMES)}")
            action.add_argument(
                "--clip", type=Path, default=CLIP, metavar="FILE", help="for the camera, H.264 in MP4 (default: the demo's)"
            )
            action.add_argument("--s3", choices=("versitygw", "minio"), default="versitygw", help="which S3 server (default: %(default)s)")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> int:
    args = arguments(words)
    try:
        return _act(args)
    except EtleError as error:
        sys.stderr.write(f"services: {error}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _act(args: argparse.Namespace) -> int:
    if args.action == "stop":
        for name in stop(args.dir):
            sys.stdout.write(f"{name} stopped\n")
        return 0
    if args.action == "status":
        found = status(args.dir)
        for one in found:
            sys.stdout.write(f"{one.name:10} {'answers' if one.answers else 'does not answer'}, process {one.pid}, {one.address}\n")
        return 0 if found and all(one.answers for one in found) else 1
    field = start(args.dir, args.only or NAMES, clip=args.clip, s3_kind=args.s3, optional=() if args.only else ("s3", "rtsp"))
    for name, reason in field.missing.items():
        sys.stderr.write(f"services: goes on without {name}: {reason}\n")
    if args.json:
        field.write(args.json)
    sys.stdout.write(_told(field.variables))
    return 0


def _told(variables: Mapping[str, str]) -> str:
    """For `eval`, or to paste into a shell."""
    return "".join(f"export {name}={value}\n" for name, value in variables.items())


if __name__ == "__main__":
    sys.exit(main())
