"""Open all stores of one deployment: database, evidence, checkpoints, signing key. Or open existing ones without creating anything."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from etle.clock import SystemClock
from etle.errors import ConfigError, StoreUnavailable
from etle.protocols import Clock, EvidenceStore
from etle.storage.audit.heads import HeadExporter, open_heads, regular_exports
from etle.storage.cases import PostgresCases
from etle.storage.checkpoints import PostgresCheckpoints, PostgresLosses
from etle.storage.database import Database
from etle.storage.evidence.backend import open_evidence
from etle.storage.evidence.manifest import Signer
from etle.storage.migrate import migrate, pending_migrations


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageOptions:
    """Where the data is. What is None is kept inside the folder `data`."""

    data: Path
    database: str | None = None
    """PostgreSQL URL; None: an embedded server in `data`/postgres."""
    evidence: str | Path | None = None
    """Folder or s3:// address."""
    signing_key: Path | None = None
    """Private key (PEM) for manifests; generated for a new deployment. None: `data`/keys/manifest.pem."""
    heads: str | Path | None = None
    """File or s3:// address to which the heads of the audit log are exported. None: `data`/heads.jsonl."""
    heads_every_s: float = 60.0
    runs: str | None = None
    """Folder or s3:// address of the files of runs; None: beside the evidence."""

    @property
    def heads_address(self) -> str | Path:
        return self.heads or self.data / "heads.jsonl"

    @property
    def key_file(self) -> Path:
        return self.signing_key or self.data / "keys" / "manifest.pem"

    @property
    def evidence_address(self) -> str | Path:
        return self.evidence or self.data / "evidence"

    def results_address(self, run: str) -> str | Path:
        """Where the files of a run are: beside the evidence, never in it. In the data folder if the evidence fills a whole bucket."""
        if self.runs:
            return f"{self.runs.rstrip('/')}/{run}" if self.runs.startswith("s3://") else Path(self.runs) / run
        address = str(self.evidence_address).rstrip("/")
        if not address.startswith("s3://"):
            return Path(f"{address}-runs") / run
        return f"{address}-runs/{run}" if "/" in address.removeprefix("s3://") else self.data / "evidence-runs" / run

    def require_shared_results(self) -> None:
        """Raises ConfigError if the files of runs would stay on this host although the evidence is in a bucket."""
        if str(self.evidence_address).startswith("s3://") and not str(self.results_address("run")).startswith("s3://"):
            raise ConfigError(
                f"{self.evidence_address} is all evidence, so that the files of runs have no place that other hosts can read: name one with"
                " ETLE_RUNS=s3://bucket/prefix or `store.runs`"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """The open stores, with the database at this version's schema."""

    data: Path
    database: Database
    database_url: str
    cases: PostgresCases
    evidence: EvidenceStore
    evidence_address: str | Path
    checkpoints: PostgresCheckpoints
    losses: PostgresLosses
    options: StorageOptions
    clock: Clock

    @property
    def key_file(self) -> Path:
        """Private key for manifests."""
        return self.options.key_file

    @property
    def signer(self) -> Signer:
        """The key for manifests. It is generated only while nothing is stored that another key may have signed; else ConfigError is raised.

        Commands that sign nothing do not ask for it.
        """
        if not self.key_file.exists() and (self.cases.any_stored() or next(self.evidence.digests(), None) is not None):
            raise ConfigError(
                f"the signing key {self.key_file} does not exist, and there is evidence that it signed. Restore the file from a backup,"
                " or name it in `store.signing_key`. If it is lost, generate a new one with `etle keys manifest`: new evidence is signed"
                " with that, and `etle evidence verify` needs the fingerprint or the public key of the lost one for the old evidence."
            )
        return Signer.from_file(self.key_file)

    @property
    def row_signer(self) -> Signer:
        """The key for decisions, accounts and the access log: that of the manifests where this host has it or may create it. A host of
        the review application that has none gets its own, keys/review.pem, whose public key `etle evidence verify` needs."""
        if self.key_file.exists() or self.options.database is None:
            return self.signer
        return Signer.from_file(self.data / "keys" / "review.pem")

    def exporting_heads(self, signer: Signer, on_failure: Callable[[], None] | None = None) -> AbstractContextManager[None]:
        """Seals the audit log and exports its head, signed with that key, at intervals and when the block ends."""
        exporter = HeadExporter(self.database, open_heads(self.options.heads_address), signer, self.clock)
        return regular_exports(exporter, self.options.heads_every_s, on_failure)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCases:
    """Cases and evidence of an existing deployment, to be read."""

    database: Database
    cases: PostgresCases
    evidence: EvidenceStore


@contextmanager
def open_stores(options: StorageOptions, clock: Clock | None = None) -> Iterator[Stores]:
    """Open the stores, create those that do not exist, and migrate the database. Closes the database on exit.

    Raises StoreUnavailable, ConfigError, MissingExtra.
    """
    with open_migrated_database(options) as (database, url):
        yield Stores(
            data=options.data,
            database=database,
            database_url=url,
            cases=PostgresCases(database, clock),
            evidence=open_evidence(options.evidence_address),
            evidence_address=options.evidence_address,
            checkpoints=PostgresCheckpoints(database),
            losses=PostgresLosses(database),
            options=options,
            clock=clock or SystemClock(),
        )


@contextmanager
def open_migrated_database(options: StorageOptions) -> Iterator[tuple[Database, str]]:
    """The database and its URL, created if it does not exist, for roles that need no evidence. Raises StoreUnavailable, ConfigError."""
    with ExitStack() as opened:
        url = options.database or opened.enter_context(_embedded(options.data / "postgres"))
        database = Database(url)
        opened.callback(database.close)
        migrate(database)
        yield database, url


@contextmanager
def open_existing_stores(options: StorageOptions) -> Iterator[StoredCases]:
    """Open stores that exist, to read them: creates no folder, key or database. Closes the database on exit.

    An embedded database of an older version is migrated, because only etle can do that. Raises StoreUnavailable if there is no store,
    ConfigError if a server has another schema than this version, MissingExtra.
    """
    with ExitStack() as opened:
        evidence = open_evidence(options.evidence_address, read_only=True)
        require_stores(options)
        database = Database(options.database or opened.enter_context(_embedded(options.data / "postgres")))
        opened.callback(database.close)
        if options.database is None:
            migrate(database)
        elif pending := pending_migrations(database):
            raise ConfigError(f"{database.name} lacks migrations {', '.join(pending)}: apply them with `etle database migrate`")
        yield StoredCases(database=database, cases=PostgresCases(database), evidence=evidence)


def require_stores(options: StorageOptions) -> None:
    """Raises StoreUnavailable if the data folder should have an embedded database and has none."""
    if options.database is None and not (options.data / "postgres" / "data" / "PG_VERSION").exists():
        raise StoreUnavailable(f"there is no database in {options.data}. Name another folder with --data, or a server with --database.")


@contextmanager
def _embedded(folder: Path) -> Iterator[str]:
    from etle.storage.embedded import EmbeddedPostgres

    with EmbeddedPostgres(folder) as server:
        yield server.url
