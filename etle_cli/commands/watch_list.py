"""`etle watch-list`: maintain the list of vehicles that are searched for, and write it for the detect workers."""

import argparse
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etle.clock import SystemClock
from etle.errors import ConfigError
from etle_cli.options.storage import add_storage_options, storage_options
from etle_cli.tables.violations import wide_console

if TYPE_CHECKING:
    from etle.storage.users import Users
    from etle.storage.watch_list import PostgresWatchList


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("watch-list", help="plates of vehicles that are searched for: import, list, remove, export")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    imported = actions.add_parser(
        "import",
        help="add the entries of a CSV file",
        description="Columns: plate, reason (stolen, blocked, cloned), source (the report or order), valid_until (YYYY-MM-DD) and, for"
        " cloned plates, vehicle (the register's class: car, motorcycle, bus, truck). All lines or none: an entry that is there again"
        " replaces the one of that plate.",
    )
    imported.add_argument("file", metavar="CSV", type=Path)
    imported.set_defaults(run=run_import)

    listed = actions.add_parser("list", help="show the entries that are valid today, or the history of a plate")
    listed.add_argument("--plate", metavar="PLATE", help="all that was ever listed or removed of this plate")
    listed.set_defaults(run=run_list)

    removed = actions.add_parser("remove", help="remove a plate")
    removed.add_argument("plate", metavar="PLATE")
    removed.add_argument("--source", metavar="TEXT", required=True, help="on whose word, such as the report that the vehicle was found")
    removed.set_defaults(run=run_remove)

    exported = actions.add_parser(
        "export",
        help="write the list for detect workers",
        description="The file has digests of the plates, reasons, numbers and last days of the entries; no plate, source or name. Copy it"
        " to the hosts of `etle detect` at least daily: an old list reports nobody.",
    )
    exported.add_argument("file", metavar="FILE", type=Path)
    exported.set_defaults(run=run_export)

    for action in (imported, listed, removed, exported):
        action.add_argument("--as", dest="user", metavar="NAME", required=True, help="account of a supervisor, or of the operations (ops)")
        action.add_argument(
            "--password-stdin", action="store_true", help="read the password from the first line of standard input instead of asking"
        )
        add_storage_options(action)


def run_import(args: argparse.Namespace) -> int:
    from etle.storage.watch_list import read_watch_csv

    try:
        entries = read_watch_csv(args.file.read_text(encoding="utf-8-sig").splitlines(), str(args.file))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{args.file}: cannot be read: {error}") from error
    with _opened(args, "watch_list_imported", f"{args.file.name}: {len(entries)}") as watched:
        added = watched.add(entries, args.user)
    _say(f"{added} of {len(entries)} entries are new or changed. Write the list for the detect workers: etle watch-list export FILE")
    return 0


def run_list(args: argparse.Namespace) -> int:
    from rich.table import Table

    plate = _plate(args.plate) if args.plate else None
    with _opened(args, "watch_list_read", plate or "") as watched:
        changes = watched.history(plate) if plate else watched.listed(SystemClock().now().date())
    table = Table("number", "plate", "change", "reason", "vehicle", "valid until", "source", "by", "at (UTC)")
    for change in changes:
        entry = change.entry
        change_name, changed_at = "listed" if change.listed else "removed", f"{change.changed_at:%Y-%m-%d %H:%M}"
        facts = (entry.plate, change_name, entry.reason, entry.vehicle or "", str(entry.valid_until), entry.source)
        table.add_row(str(change.id), *facts, change.changed_by, changed_at)
    wide_console().print(table if changes else "Nothing is listed.")
    return 0


def run_remove(args: argparse.Namespace) -> int:
    plate = _plate(args.plate)
    with _opened(args, "watch_list_removed", plate) as watched:
        removed = watched.remove(plate, args.source, args.user)
    _say(f"{removed.plate}, listed as {removed.reason}, is removed. Write the list for the detect workers: etle watch-list export FILE")
    return 0


def run_export(args: argparse.Namespace) -> int:
    from etle.plates.watch_file import WatchFile, WatchHit

    now = SystemClock().now()
    with _opened(args, "watch_list_exported", args.file.name) as watched:
        listed = watched.listed(now.date())
    hits = (
        (
            change.entry.plate,
            WatchHit(
                number=change.id,
                reason=change.entry.reason,
                listed_at=change.changed_at,
                valid_until=change.entry.valid_until,
                vehicle=change.entry.vehicle,
            ),
        )
        for change in listed
    )
    WatchFile.of(hits, now).write(args.file)
    _say(f"{args.file}: {len(listed)} entries, as digests.")
    return 0


@contextmanager
def _opened(args: argparse.Namespace, action: str, detail: str) -> Iterator["PostgresWatchList"]:
    """The list, once the account is proven. A look is recorded before it, a change when it is made. Raises ConfigError."""
    from etle.storage.stores import open_stores, require_stores
    from etle.storage.users import Users
    from etle.storage.watch_list import PostgresWatchList

    storage = storage_options(args)
    require_stores(storage)
    with open_stores(storage) as stores, stores.exporting_heads(stores.signer):
        users = Users(stores.database, stores.row_signer)
        _authenticate(users, args)
        changes = action in ("watch_list_imported", "watch_list_removed")
        if not changes:
            _record(users, args.user, action, detail)
        yield PostgresWatchList(stores.database, stores.row_signer)
        if changes:
            _record(users, args.user, action, detail)


def _authenticate(users: "Users", args: argparse.Namespace) -> None:
    """Raises ConfigError unless name and password are those of an account that maintains the list."""
    from etle.storage.users import UserRole
    from review.passwords import Passwords

    password = sys.stdin.readline().rstrip("\r\n") if args.password_stdin else getpass.getpass(f"Password of {args.user}: ")
    role = next((user.role for user in users.users() if user.name == args.user), None)
    is_right = Passwords().verify(password, users.password_hash(args.user))
    if not is_right or role not in (UserRole.SUPERVISOR, UserRole.OPS):
        _record(users, args.user, "sign_in_failed", f"watch-list {args.action}")
        raise ConfigError(f"{args.user!r} is no supervisor, nor of the operations (ops), with this password")


def _record(users: "Users", who: str, action: str, detail: str) -> None:
    from etle.storage.users import COMMAND_LINE, AccessEntry

    users.record(AccessEntry(at=SystemClock().now(), who=who, address=COMMAND_LINE, action=action, detail=detail))


def _plate(text: str) -> str:
    from etle.storage.watch_list import plate_of

    try:
        return plate_of(text)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
