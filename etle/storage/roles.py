"""The roles that the parts of a deployment sign in to PostgreSQL with; what each may do stands in `roles.sql`."""

from importlib import resources
from typing import Final

from etle.storage.database import Database

ROLES: Final = ("etle_writer", "etle_reviewer", "etle_reader")


def roles_sql() -> str:
    return resources.files("etle.storage").joinpath("roles.sql").read_text(encoding="utf-8")


def grant_roles(database: Database) -> None:
    """Makes the roles where there are none, and lets each do what it may. Raises ConfigError if we may not do that ourselves."""
    with database.transaction() as cursor:
        cursor.execute(roles_sql())
