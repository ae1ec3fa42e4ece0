"""The PostgreSQL roles of a deployment; `roles.sql` grants the rights of each."""

from importlib import resources
from typing import Final

from etle.storage.database import Database

ROLES: Final = ("etle_writer", "etle_reviewer", "etle_reader", "etle_reprocess")


def roles_sql() -> str:
    return resources.files("etle.storage").joinpath("roles.sql").read_text(encoding="utf-8")


def grant_roles(database: Database) -> None:
    """Create missing roles, and grant each its rights. Raises ConfigError if the connected user is not allowed to."""
    with database.transaction() as cursor:
        cursor.execute(roles_sql())
