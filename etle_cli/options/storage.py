"""Options that say where the data is, and the settings that they make with the environment and the site file."""

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.config.deployment import StorageSettings, database_url, evidence_place, heads_place, runs_place
from etle.errors import ConfigError

if TYPE_CHECKING:
    from etle.storage.database import Database
    from etle.storage.stores import StorageOptions, StoredCases, Stores

DATA_FOLDER: Final = "etle-data"


def add_storage_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help="folder for evidence, signing key and, without --database, an embedded PostgreSQL server "
        f"(default: ETLE_DATA, otherwise ./{DATA_FOLDER})",
    )
    add_database_option(parser)
    parser.add_argument(
        "--evidence",
        metavar="LOCATION",
        help="folder, or s3://bucket/prefix with keys from the AWS_* variables (default: ETLE_EVIDENCE, otherwise in the folder of --data)",
    )
    parser.add_argument(
        "--heads",
        metavar="LOCATION",
        help="file, or s3://bucket/prefix, to which signed heads of the audit log are exported; choose a place where the owner of the "
        "database cannot write (default: ETLE_HEADS, otherwise heads.jsonl in the folder of --data)",
    )


def add_database_option(parser: argparse.ArgumentParser) -> None:
    """The only storage option of commands that work on a database server alone."""
    parser.add_argument(
        "--database",
        metavar="URL",
        help="PostgreSQL, such as postgresql://user:password@host/etle (default: ETLE_DATABASE, otherwise an embedded server in --data)",
    )


def data_folder(given: Path | None) -> Path:
    """--data if given, else ETLE_DATA, else ./etle-data."""
    return Path(given or os.environ.get("ETLE_DATA") or DATA_FOLDER).absolute()


def storage_options(args: argparse.Namespace, settings: StorageSettings | None = None) -> "StorageOptions":
    """Command line before environment before site file (`settings`). Raises ConfigError if a secret file cannot be read."""
    from etle.storage.stores import StorageOptions

    configured = settings or StorageSettings()
    return StorageOptions(
        data=data_folder(args.data),
        database=args.database or database_url(configured, os.environ),
        evidence=args.evidence or evidence_place(configured, os.environ),
        signing_key=configured.signing_key,
        heads=args.heads or heads_place(configured, os.environ),
        heads_every_s=configured.heads_every_s,
        runs=runs_place(configured, os.environ),
    )


@contextmanager
def open_stores(args: argparse.Namespace) -> Iterator["Stores"]:
    """The stores that the options name, created if they do not exist. Raises StoreUnavailable, ConfigError, MissingExtra."""
    from etle.storage import stores

    with stores.open_stores(storage_options(args)) as opened:
        yield opened


@contextmanager
def open_existing_stores(args: argparse.Namespace) -> Iterator["StoredCases"]:
    """The cases and the evidence that the options name, to be read. Creates nothing. Raises StoreUnavailable, ConfigError, MissingExtra."""
    from etle.storage import stores

    with stores.open_existing_stores(storage_options(args)) as opened:
        yield opened


@contextmanager
def open_database(url: str | None) -> Iterator["Database"]:
    """The database server at `url` or ETLE_DATABASE, without migrating it. Raises ConfigError if neither is given."""
    from etle.storage.database import Database

    address = url or os.environ.get("ETLE_DATABASE")
    if not address:
        raise ConfigError("no database server is named: set ETLE_DATABASE, or give --database postgresql://owner:password@host/etle")
    database = Database(address)
    try:
        yield database
    finally:
        database.close()
