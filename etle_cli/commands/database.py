"""`etle database`: migrate the schema and create the database roles of a distributed deployment."""

import argparse
import sys

from etle_cli.options.storage import add_database_option, open_database


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("database", help="migrate the database and create its roles")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    migrated = actions.add_parser("migrate", help="apply pending migrations; commands that connect as owner do this themselves")
    migrated.set_defaults(run=run_migrate)
    add_database_option(migrated)

    roles = actions.add_parser(
        "roles",
        help="create etle_writer, etle_reviewer, etle_reader and etle_reprocess and grant their rights; repeat after every migration",
        description="Creates the roles etle_writer (`etle write`), etle_reviewer (`etle review`), etle_reader (verification, reports) and "
        "etle_reprocess (`etle reprocess-worker`) if they do not exist, and grants their rights. None may change or delete a decision. "
        "Set passwords with ALTER ROLE ... LOGIN PASSWORD.",
    )
    roles.add_argument("--print", action="store_true", dest="print_sql", help="only print the SQL, to be run by a database administrator")
    roles.set_defaults(run=run_roles)
    add_database_option(roles)


def run_migrate(args: argparse.Namespace) -> int:
    from etle.storage.migrate import migrate

    with open_database(args.database) as database:
        applied = migrate(database)
        sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "up to date\n")
    return 0


def run_roles(args: argparse.Namespace) -> int:
    from etle.storage.migrate import migrate
    from etle.storage.roles import ROLES, grant_roles, roles_sql

    if args.print_sql:
        sys.stdout.write(roles_sql())
        return 0
    with open_database(args.database) as database:
        migrate(database)
        grant_roles(database)
        sys.stdout.write(f"{', '.join(ROLES)}: rights granted in {database.name}\n")
    return 0
