"""Open all stores of one deployment: database, evidence, checkpoints, signing key."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from etle.protocols import Clock, EvidenceStore
from etle.storage.cases import PostgresCases
from etle.storage.checkpoints import PostgresCheckpoints, PostgresLosses
from etle.storage.database import Database
from etle.storage.evidence.backend import open_evidence
from etle.storage.evidence.manifest import Signer
from etle.storage.migrate import migrate


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """Where the data is. What is None is kept inside the folder `data`."""

    data: Path
    database: str | None = None
    """PostgreSQL URL; None: an embedded server in `data`/postgres."""
    evidence: str | Path | None = None
    """Folder or s3:// address."""
    signing_key: Path | None = None
    """Private key (PEM) for manifests; generated if the file does not exist."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The open stores, with the database at this version's schema."""

    data: Path
    database: Database
    cases: PostgresCases
    evidence: EvidenceStore
    checkpoints: PostgresCheckpoints
    losses: PostgresLosses
    signer: Signer


@contextmanager
def open_stores(options: StorageOptions, clock: Clock | None = None) -> Iterator[Stores]:
    """Open the stores, create those that do not exist, and migrate the database. Closes the database on exit.

    Raises StoreUnavailable, ConfigError, MissingExtra.
    """
    with ExitStack() as opened:
        database = Database(options.database or opened.enter_context(_embedded(options.data / "postgres")))
        opened.callback(database.close)
        migrate(database)
        yield Stores(
            data=options.data,
            database=database,
            cases=PostgresCases(database, clock),
            evidence=open_evidence(options.evidence or options.data / "evidence"),
            checkpoints=PostgresCheckpoints(database),
            losses=PostgresLosses(database),
            signer=Signer.from_file(options.signing_key or options.data / "keys" / "manifest.pem"),
        )


@contextmanager
def _embedded(folder: Path) -> Iterator[str]:
    from etle.storage.embedded import EmbeddedPostgres

    with EmbeddedPostgres(folder) as server:
        yield server.url
