"""`etle database`: brings the database up to date, and sets up the roles that the parts of a deployment sign in with."""

import argparse
import sys

from etle_cli.options.storage import add_database_option, open_database


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("database", help="bring the database up to date, and set up the roles of a deployment in it")
    deeds = parser.add_subparsers(dest="deed", required=True, metavar="DEED")

    up = deeds.add_parser("migrate", help="bring it up to date; every command that may does so by itself")
    up.set_defaults(run=run_migrate)
    add_database_option(up)

    roles = deeds.add_parser(
        "roles",
        help="make etle_writer, etle_reviewer and etle_reader, and let each do what its part needs; again after every migration",
        description="Makes the roles etle_writer (`etle write`), etle_reviewer (`etle review`) and etle_reader (verifying, reports) "
        "where there are none, and sets what each may do. None of them may change or remove what was decided. "
        "Give them passwords with ALTER ROLE ... LOGIN PASSWORD.",
    )
    roles.add_argument("--print", action="store_true", dest="shown", help="only print the SQL, for somebody who may run it")
    roles.set_defaults(run=run_roles)
    add_database_option(roles)


def run_migrate(args: argparse.Namespace) -> int:
    from etle.storage.migrate import migrate

    with open_database(args.database) as database:
        done = migrate(database)
        sys.stdout.write("".join(f"applied {name}\n" for name in done) or "up to date\n")
    return 0


def run_roles(args: argparse.Namespace) -> int:
    from etle.storage.migrate import migrate
    from etle.storage.roles import ROLES, grant_roles, roles_sql

    if args.shown:
        sys.stdout.write(roles_sql())
        return 0
    with open_database(args.database) as database:
        migrate(database)
        grant_roles(database)
        sys.stdout.write(f"{', '.join(ROLES)}: may do what their parts need in {database.name}\n")
    return 0
