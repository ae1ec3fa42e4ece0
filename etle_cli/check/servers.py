"""Checks of Kafka, PostgreSQL and the evidence store: reachable, and set up for this version."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from etle.config.deployment import database_url, evidence_place
from etle.config.site import Site
from etle.errors import ConfigError, EtleError, StoreUnavailable
from etle.storage.archive.files import FOLDER_MODE
from etle_cli.check.result import CheckResult, note, ok, problem, run_check
from etle_cli.options.broker import broker_connection

_GB: Final = 1_000_000_000
_MB: Final = 1_000_000


def check_broker(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    """Broker reachable, authentication accepted, every topic as configured."""
    from etle.kafka.admin import KafkaTopicAdmin
    from etle.kafka.client import require_reachable
    from etle.kafka.topics import check_topics, required_topics

    broker = site.broker.model_copy(update={"timeout_s": timeout_s})
    try:
        connection = broker_connection(broker)
        require_reachable(connection.servers, timeout_s)
        differences = check_topics(required_topics(broker), KafkaTopicAdmin(connection))
    except EtleError as error:
        yield problem("Kafka", str(error))
        return
    yield ok("Kafka", f"answers at {connection.where}")
    for difference in differences:
        yield problem("topics", difference)
    if not differences:
        yield ok("topics", "match the site file")
    if not broker.security.tls and not all(server.startswith(("127.", "localhost", "[::1]")) for server in connection.servers):
        yield note("broker.security", "the connection to Kafka has no TLS: frames travel unencrypted. See docs/configuration.md")


def check_database(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    url = database_url(site.store, os.environ)
    if url is None:
        yield problem("database", "no database is configured: set ETLE_DATABASE, or `store.database` in the site file")
        return
    yield run_check("database", lambda: _database(url, timeout_s))


def _database(url: str, timeout_s: float) -> str:
    from etle.storage.database import Database
    from etle.storage.migrate import pending_migrations

    database = Database(url, max_connections=1, wait_s=timeout_s)
    try:
        database.check_usable()
        pending = pending_migrations(database)
    finally:
        database.close()
    if pending:
        raise ConfigError(f"{database.name} lacks migrations {', '.join(pending)}: apply them with `etle database migrate`")
    return f"{database.name} answers and has this version's schema"


def check_evidence(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    location = evidence_place(site.store, os.environ)
    if location is None:
        yield problem("evidence", "no location is configured: set ETLE_EVIDENCE, or `store.evidence` in the site file")
    elif "://" in location:
        yield run_check("evidence", lambda: _bucket(location))
    else:
        yield run_check("evidence", lambda: _folder(Path(location)))


def check_archive(site: Site, data: Path) -> Iterator[CheckResult]:
    """Nothing if the site has no archive."""
    if site.archive is not None:
        yield run_check("archive", lambda: _archive(site, data))


def _archive(site: Site, data: Path) -> str:
    from etle.storage.archive.opening import ArchivePlace, archive_settings, refuse_shared_folder

    settings = archive_settings(site)
    place = ArchivePlace.of(settings, data)
    refuse_shared_folder(place, evidence_place(site.store, os.environ) or data / "evidence")
    said = _folder(place.folder, mode=FOLDER_MODE)
    free_mb = shutil.disk_usage(place.folder).free / _MB
    if free_mb < settings.keep_free_mb:
        raise ConfigError(
            f"{place.folder} has {free_mb:.0f} MB free, and `archive.keep_free_mb` are {settings.keep_free_mb}: it counts as full"
        )
    if place.bucket is not None:
        place.files()[-1].sizes(f"{site.site}.holds")
        said = f"{place.bucket} answers; {said}"
    return said


def _bucket(location: str) -> str:
    """Only lists the bucket: the writer may not delete, so a test object could not be removed."""
    from etle.storage.evidence.backend import open_evidence

    open_evidence(location)
    return f"{location} answers and can be listed (writing was not tested, because a test object could not be deleted again)"


def _folder(folder: Path, mode: int = 0o777) -> str:
    """Writes a temporary file, syncs it and deletes it. `mode`: permissions of the folder, if it is created."""
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"etle check")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StoreUnavailable(
            f"{folder} is not writable: {error.strerror}. Give the writer access to it, or choose another folder"
        ) from error
    return f"{folder} is writable, {shutil.disk_usage(folder).free / _GB:.1f} GB free"
