"""Where the data is: the options that every command with a store has, and the stores that they open."""

import argparse
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.errors import ConfigError
from etle.protocols import Clock, EvidenceStore

if TYPE_CHECKING:
    from etle.storage.cases import PostgresCases
    from etle.storage.checkpoints import PostgresCheckpoints, PostgresLosses
    from etle.storage.database import Database
    from etle.storage.evidence.manifest import Signer

DATA_FOLDER: Final = "etle-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """All that is kept, opened and of the shape that this version works with."""

    data: Path
    database: "Database"
    cases: "PostgresCases"
    evidence: EvidenceStore
    checkpoints: "PostgresCheckpoints"
    losses: "PostgresLosses"
    signer: "Signer"


def add_store_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        help=f"folder of evidence, signing key and, without --database, the database (default: ETLE_DATA, otherwise ./{DATA_FOLDER})",
    )
    add_database_option(parser)
    parser.add_argument(
        "--evidence",
        metavar="PLACE",
        help="folder, or s3://bucket/prefix with keys from the AWS_* variables (default: ETLE_EVIDENCE, otherwise in the folder of --data)",
    )


def add_database_option(parser: argparse.ArgumentParser) -> None:
    """Alone for what is done to a database server only."""
    parser.add_argument(
        "--database",
        metavar="URL",
        help="PostgreSQL, such as postgresql://user:password@host/etle (default: ETLE_DATABASE, otherwise one of our own in the folder)",
    )


def data_folder(args: argparse.Namespace) -> Path:
    return Path(args.data or os.environ.get("ETLE_DATA") or DATA_FOLDER).absolute()


@contextmanager
def open_stores(args: argparse.Namespace, clock: Clock | None = None) -> Iterator[Stores]:
    """Opens what the options name, makes it where there is none, and brings the database up to date. Closes it all at the end.

    Raises StoreUnavailable, ConfigError, MissingExtra.
    """
    from etle.storage.cases import PostgresCases
    from etle.storage.checkpoints import PostgresCheckpoints, PostgresLosses
    from etle.storage.database import Database
    from etle.storage.evidence.backend import open_evidence
    from etle.storage.evidence.manifest import Signer
    from etle.storage.migrate import migrate

    data = data_folder(args)
    with ExitStack() as opened:
        url = args.database or os.environ.get("ETLE_DATABASE") or opened.enter_context(_embedded(data / "postgres"))
        database = Database(url)
        opened.callback(database.close)
        migrate(database)
        yield Stores(
            data=data,
            database=database,
            cases=PostgresCases(database, clock),
            evidence=open_evidence(args.evidence or os.environ.get("ETLE_EVIDENCE") or data / "evidence"),
            checkpoints=PostgresCheckpoints(database),
            losses=PostgresLosses(database),
            signer=Signer.from_file(getattr(args, "signing_key", None) or data / "keys" / "manifest.pem"),
        )


@contextmanager
def open_database(args: argparse.Namespace) -> Iterator["Database"]:
    """The database server that the options name, as it is. Raises ConfigError if they name none."""
    from etle.storage.database import Database

    url = args.database or os.environ.get("ETLE_DATABASE")
    if not url:
        raise ConfigError("no database server is named: set ETLE_DATABASE, or give --database postgresql://owner:password@host/etle")
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


@contextmanager
def _embedded(folder: Path) -> Iterator[str]:
    from etle.storage.embedded import EmbeddedPostgres

    with EmbeddedPostgres(folder) as server:
        yield server.url
