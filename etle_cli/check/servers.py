"""Whether Kafka, PostgreSQL and the evidence store answer, and are what this version works with."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etle.config.deployment import database_url, evidence_place
from etle.config.site import Site
from etle.errors import ConfigError, EtleError, StoreUnavailable
from etle_cli.check.result import CheckResult, looked, note, ok, problem
from etle_cli.options.broker import broker_connection

_GB: Final = 1_000_000_000


def check_broker(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    """Reachable, signed in, and every topic as planned."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.reachability import require_reachable
    from etle.kafka.topic_plan import check_topics, planned

    broker = site.broker.model_copy(update={"timeout_s": timeout_s})
    try:
        connection = broker_connection(broker)
        require_reachable(connection.servers, timeout_s)
        differences = check_topics(planned(broker), KafkaTopicAdmin(connection))
    except EtleError as error:
        yield problem("Kafka", str(error))
        return
    yield ok("Kafka", f"answers at {connection.where}")
    for difference in differences:
        yield problem("topics", difference)
    if not differences:
        yield ok("topics", "as the site file wants them")
    if not broker.security.tls and not all(server.startswith(("127.", "localhost", "[::1]")) for server in connection.servers):
        yield note("broker.security", "the line to Kafka is open: frames of the road travel unencrypted. See docs/configuration.md")


def check_database(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    url = database_url(site.store, os.environ)
    if url is None:
        yield problem("database", "no database is named: set ETLE_DATABASE, or `store.database` in the site file")
        return
    yield looked("database", lambda: _database(url, timeout_s))


def _database(url: str, timeout_s: float) -> str:
    from etle.storage.database import Database
    from etle.storage.migrate import pending_migrations

    database = Database(url, most=1, wait_s=timeout_s)
    try:
        pending = pending_migrations(database)
    finally:
        database.close()
    if pending:
        raise ConfigError(f"{database.name} lacks {', '.join(pending)}: `etle database migrate` brings it up to date")
    return f"{database.name} answers, of this version's shape"


def check_evidence(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    place = evidence_place(site.store, os.environ)
    if place is None:
        yield problem("evidence", "no place is named: set ETLE_EVIDENCE, or `store.evidence` in the site file")
    elif "://" in place:
        yield looked("evidence", lambda: _bucket(place))
    else:
        yield looked("evidence", lambda: _folder(Path(place)))


def _bucket(place: str) -> str:
    from etle.storage.evidence.backend import open_evidence

    open_evidence(place)
    return f"{place} answers, and may be listed (what was put there could not be taken away again, so writing is not tried)"


def _folder(folder: Path) -> str:
    """A file is written and taken away again."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"etle check")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreUnavailable(f"{folder} cannot be written: {error.strerror}. Make it the writer's, or name another") from error
    return f"{folder} can be written, {shutil.disk_usage(folder).free / _GB:.1f} GB free"
