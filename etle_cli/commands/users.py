"""`etle users`: manage the accounts of the review application."""

import argparse
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.errors import ConfigError
from etle_cli.options.operator import operator
from etle_cli.options.storage import add_storage_options, open_stores

if TYPE_CHECKING:
    from etle.storage.users import Users

ROLES = ("reviewer", "supervisor", "auditor", "admin", "ops")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("users", help="add, list and disable accounts of the review application")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    new = actions.add_parser("add", help="add an account")
    new.add_argument("name", help="lower-case letters, digits, dot, hyphen, underscore")
    new.add_argument(
        "--role",
        choices=ROLES,
        required=True,
        help="reviewer decides cases from the queue; supervisor decides and browses all cases; "
        "auditor reads all cases and the access log; admin sees accounts and the access log, but no evidence; "
        "ops draws and calibrates sites (`etle calibrate serve`)",
    )
    _add_password_option(new)
    new.set_defaults(run=run_add)

    listed = actions.add_parser("list", help="list accounts with role and last activity")
    listed.set_defaults(run=run_list)

    password = actions.add_parser("password", help="set a new password and end the account's sessions")
    password.add_argument("name")
    _add_password_option(password)
    password.set_defaults(run=run_password)

    role = actions.add_parser("role", help="change an account's role and end its sessions")
    role.add_argument("name")
    role.add_argument("role", choices=ROLES)
    role.set_defaults(run=run_role)

    disable = actions.add_parser("disable", help="disable an account and end its sessions; its decisions remain")
    disable.add_argument("name")
    disable.set_defaults(run=run_disable)

    for action in (new, listed, password, role, disable):
        add_storage_options(action)


def _add_password_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--password-stdin", action="store_true", help="read the password from the first line of standard input instead of asking"
    )


def run_add(args: argparse.Namespace) -> int:
    from etle.storage.users import UserRole
    from review.passwords import Passwords

    hashed = Passwords().hash(password_from(args))
    with _administration(args) as users:
        users.add(args.name, UserRole(args.role), hashed, SystemClock().now(), by=operator())
    _say(f"{args.name} may sign in as {args.role}.")
    return 0


def run_list(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    from etle.storage.users import Users

    with open_stores(args) as stores:
        found = Users(stores.database).users()
    table = Table("name", "role", "added", "last active", "state")
    for user in found:
        last_seen = f"{user.last_seen_at:%Y-%m-%d %H:%M} UTC" if user.last_seen_at else ""
        table.add_row(user.name, user.role, f"{user.created_at:%Y-%m-%d}", last_seen, "disabled" if user.disabled_at else "active")
    Console().print(table if found else "No accounts yet. Add one: etle users add NAME --role reviewer")
    return 0


def run_password(args: argparse.Namespace) -> int:
    from review.passwords import Passwords

    hashed = Passwords().hash(password_from(args))
    with _administration(args) as users:
        users.set_password(args.name, hashed, SystemClock().now(), by=operator())
    _say(f"{args.name} has a new password and is signed out.")
    return 0


def run_role(args: argparse.Namespace) -> int:
    from etle.storage.users import UserRole

    with _administration(args) as users:
        users.set_role(args.name, UserRole(args.role), SystemClock().now(), by=operator())
    _say(f"{args.name} is now {args.role} and is signed out.")
    return 0


def run_disable(args: argparse.Namespace) -> int:
    with _administration(args) as users:
        users.disable(args.name, SystemClock().now(), by=operator())
    _say(f"{args.name} is signed out and can no longer sign in.")
    return 0


def password_from(args: argparse.Namespace) -> str:
    """Read from standard input or a prompt, never from an argument: process lists show arguments to every user of the host."""
    if args.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    password = getpass.getpass(f"Password of {args.name}: ")
    if getpass.getpass("Once more: ") != password:
        raise ConfigError("the two passwords differ; nothing was changed")
    return password


@contextmanager
def _administration(args: argparse.Namespace) -> Iterator["Users"]:
    """The accounts, to be changed: what is changed is signed, and the head of the audit log is exported afterwards."""
    from etle.storage.users import Users

    with open_stores(args) as stores:
        signer = stores.row_signer
        with stores.exporting_heads(signer):
            yield Users(stores.database, signer)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
