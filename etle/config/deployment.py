"""Settings of a distributed deployment: the broker, the stores, and the edge devices.

The embedded profile (`etle run`) needs none of them. An address in the environment overrides the one in the site file, so that all hosts of
a site can use the same file. A site file contains no secrets: it has `${NAME}`, or the path of a file with the secret.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from etle.config.instruments import Instrument
from etle.config.strict_yaml import Section
from etle.errors import ConfigError

_SERVER: Final = re.compile(r"[^\s:/@,]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}")
Server = Annotated[str, Field(pattern=r"^[^\s/@,]+:[0-9]{1,5}$")]
_SECRETS: Final = ("password", "token", "secret")


class BrokerSecurity(Section):
    """TLS and SASL to Kafka. Without both the connection is neither encrypted nor authenticated: for loopback and closed networks."""

    tls: bool = Field(False, description="Encrypt the connection, and verify the certificates of the servers.")
    ca_file: Path | None = Field(None, description="CA certificates that sign those of the servers (PEM); without it, the system's.")
    certificate_file: Path | None = Field(None, description="Client certificate (PEM), if the servers require one.")
    key_file: Path | None = Field(None, description="Private key of certificate_file (PEM).")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(None, description="SASL mechanism.")
    user: str | None = None
    password: str | None = Field(None, description="As ${NAME}, from the environment; or use password_file.")
    password_file: Path | None = Field(None, description="A file that contains only the password.")

    @model_validator(mode="after")
    def consistent(self) -> Self:
        files = [key for key in ("ca_file", "certificate_file", "key_file") if getattr(self, key) is not None]
        if files and not self.tls:
            raise ValueError(f"`{files[0]}` is for TLS: set `tls: true`, or remove it")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` belong together")
        if self.password is not None and self.password_file is not None:
            raise ValueError("`password` or `password_file`, not both")
        signs_in = self.user is not None and (self.password is not None or self.password_file is not None)
        if (self.mechanism is not None) != signs_in:
            raise ValueError("`mechanism`, `user` and one of `password`, `password_file` belong together")
        return self


class TopicSettings(Section):
    """How `etle topics create` creates a topic."""

    partitions: int = Field(ge=1, le=1000)
    retention_hours: float = Field(gt=0)
    largest_mb: float = Field(ge=1, le=100, description="Size of the largest message, in MB.")


class BrokerSettings(Section):
    """Kafka and its topics. ETLE_KAFKA overrides `servers`."""

    servers: tuple[Server, ...] = Field((), description="host:port of some of the brokers, from which the client learns of the others.")
    prefix: str = Field("etle", pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Prefix of the names of topics and consumer groups.")
    replication: int = Field(1, ge=1, le=9, description="Replicas of each topic, each on another broker.")
    frames: TopicSettings = Field(
        TopicSettings(partitions=12, retention_hours=24, largest_mb=8),
        description="The checkpoint topic has the same number of partitions.",
    )
    violations: TopicSettings = Field(TopicSettings(partitions=6, retention_hours=24 * 14, largest_mb=48))
    dead_letters: TopicSettings = Field(TopicSettings(partitions=1, retention_hours=24 * 30, largest_mb=48))
    events: TopicSettings = Field(
        TopicSettings(partitions=3, retention_hours=24 * 30, largest_mb=1), description="Events that vendors' devices report."
    )
    reprocess: TopicSettings = Field(
        TopicSettings(partitions=12, retention_hours=24 * 30, largest_mb=1),
        description="Work items of `etle reprocess --distribute`; at most as many workers as partitions have work.",
    )
    timeout_s: float = Field(30, gt=0, le=600, description="Seconds without an answer after which the broker counts as unavailable.")
    session_s: float = Field(10, ge=1, le=300, description="Seconds without a heartbeat after which the other workers take over.")
    security: BrokerSecurity = BrokerSecurity()


class StorageSettings(Section):
    """Where cases and evidence are stored. ETLE_DATABASE, ETLE_EVIDENCE, ETLE_RUNS and ETLE_HEADS override it."""

    database: str | None = Field(None, description="postgresql://user:${PASSWORD}@host/etle; or use database_file.")
    database_file: Path | None = Field(None, description="A file that contains only that address.")
    evidence: str | None = Field(None, description="A folder, or s3://bucket/prefix.")
    runs: str | None = Field(None, description="A folder, or s3://bucket/prefix, for the files of runs; without it, beside the evidence.")
    signing_key: Path | None = Field(None, description="Ed25519 key (PEM) that signs the manifests; created if it is missing.")
    heads: str | None = Field(
        None,
        description="A file, or s3://bucket/prefix, where the owner of the database cannot write: signed heads of the audit log go there.",
    )
    heads_every_s: float = Field(60, ge=1, le=86_400, description="Seconds between two exports of the head of the audit log.")

    @model_validator(mode="after")
    def one_database(self) -> Self:
        if self.database is not None and self.database_file is not None:
            raise ValueError("`database` or `database_file`, not both")
        return self

    @field_validator("database")
    @classmethod
    def is_postgresql(cls, value: str | None) -> str | None:
        if value is not None and not value.startswith(("postgresql://", "postgres://")):
            raise ValueError("`database` is an address that begins with postgresql://")
        return value


class ArchiveLimits(Section):
    """What is kept of one camera."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    keep_days: float = Field(30, gt=0, description="Age in days at which a segment is deleted.")
    max_gb: float | None = Field(
        None, gt=0, description="Size of the camera's footage, in GB, above which its oldest segments are deleted."
    )


class ArchiveSettings(Section):
    """The archive of all frames, for `etle reprocess`. Without this section `etle run` archives nothing."""

    location: str | None = Field(None, description="A folder, or s3://bucket/prefix; without it, the folder `archive` in the data folder.")
    keep_days: float = Field(30, gt=0, description="Age in days at which a segment is deleted.")
    max_gb: float | None = Field(None, gt=0, description="Size per camera, in GB, above which its oldest segments are deleted.")
    cameras: tuple[ArchiveLimits, ...] = Field((), description="Cameras with other limits.")
    when_full: Literal["delete_oldest", "stop"] = Field(
        "delete_oldest", description="What happens when the disk is full: delete the oldest segments of all cameras, or archive no more."
    )
    keep_free_mb: int = Field(2048, ge=0, description="Free space on the disk, in MB, below which it counts as full.")

    def limits(self, camera: str) -> ArchiveLimits:
        general = ArchiveLimits.model_construct(id=camera, keep_days=self.keep_days, max_gb=self.max_gb)
        return next((own for own in self.cameras if own.id == camera), general)


class CustodySettings(Section):
    """Who vouches for a violation on its way from the detect worker to the writer."""

    signing_key: Path | None = Field(
        None, description="Private Ed25519 key (PEM) with which detect workers sign violation messages; `etle keys create` generates it."
    )
    detect_keys: tuple[Path, ...] = Field((), description="Public keys (PEM) of the detect workers, for the writer.")
    unsigned: Literal["refuse", "mark"] = Field(
        "refuse",
        description="What the writer does with a violation that none of `detect_keys` signed: dead letters, or a mark on the case.",
    )


class EdgeDevice(Section):
    """A device on site that reads cameras and signs their frames."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    public_key: Path = Field(description="Ed25519 public key (PEM).")
    cameras: tuple[str, ...] = Field((), description="The cameras for which it may sign; empty: all cameras of the site.")


class VendorSettings(Section):
    """A vendor whose devices push frames and events over HTTP (`etle vendor serve`)."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    secret: str | None = Field(None, description="The token of its devices, as ${NAME} from the environment; or use secret_file.")
    secret_file: Path | None = Field(None, description="A file that contains only the secret.")
    requests_per_s: float = Field(100, gt=0, le=100_000, description="Quota: frames and events per second, of all its devices together.")
    burst: int = Field(200, ge=1, le=1_000_000, description="Requests allowed at once after a pause (token bucket).")
    instruments: tuple[Instrument, ...] = Field((), description="Its measuring devices whose events become cases.")
    pictures_mb: int = Field(2048, ge=1, description="Largest size of the pictures of events that wait on the server, in MB.")

    @model_validator(mode="after")
    def one_secret(self) -> Self:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError(f"vendor {self.id!r}: give one of `secret` (as ${{NAME}}) and `secret_file`")
        return self

    @model_validator(mode="after")
    def unique_instruments(self) -> Self:
        serials = [instrument.serial for instrument in self.instruments]
        if repeated := sorted({serial for serial in serials if serials.count(serial) > 1}):
            raise ValueError(f"vendor {self.id!r}: the instrument {repeated[0]!r} is given twice")
        return self


class IngestSettings(Section):
    """The edge devices, which read cameras on site and send their frames."""

    renamed_keys: ClassVar[Mapping[str, str]] = {"boxes": "devices"}

    devices: tuple[EdgeDevice, ...] = Field(
        (), description="With a device here, frames without the signature of one go to the dead letters."
    )
    signing_key: Path | None = Field(
        None, description="Private Ed25519 key of this device (PEM); without it, keys/ingest.pem in the data folder."
    )
    spool_mb: int = Field(4096, ge=64, description="Largest size of the spool of frames that wait for the broker, in MB.")
    keep_free_mb: int = Field(512, ge=0, description="Free space that the spool leaves on the disk, in MB, whatever spool_mb is.")
    vendors: tuple[VendorSettings, ...] = Field((), description="Vendors that may push frames and events over HTTP.")
    vendor_clock_s: float = Field(
        5.0, gt=0, le=3600, description="Largest clock error of a vendor's device, in seconds; beyond it, requests are refused."
    )

    @model_validator(mode="after")
    def unique_devices(self) -> Self:
        names = [device.id for device in self.devices]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"devices: the id {repeated[0]!r} is given twice")
        return self

    @model_validator(mode="after")
    def unique_vendors(self) -> Self:
        names = [vendor.id for vendor in self.vendors]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"vendors: the id {repeated[0]!r} is given twice")
        return self


def broker_servers(broker: BrokerSettings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Raises ConfigError if neither the environment nor the site file names a server."""
    value = environment.get("ETLE_KAFKA")
    if not value:
        if not broker.servers:
            raise ConfigError("no Kafka server is configured: set ETLE_KAFKA=host:port,host:port or `broker.servers` in the site file")
        return broker.servers
    servers = tuple(server.strip() for server in value.split(",") if server.strip())
    wrong = [server for server in servers if not _SERVER.fullmatch(server)]
    if wrong or not servers:
        raise ConfigError(f"ETLE_KAFKA has the form host:port,host:port; here: {(wrong or [value])[0]!r}")
    return servers


def database_url(store: StorageSettings, environment: Mapping[str, str]) -> str | None:
    """None if no database is configured. Raises ConfigError."""
    if given := environment.get("ETLE_DATABASE"):
        return given
    return secret_in(store.database_file) if store.database_file is not None else store.database


def evidence_place(store: StorageSettings, environment: Mapping[str, str]) -> str | None:
    """A folder or an s3:// address; None if none is configured."""
    return environment.get("ETLE_EVIDENCE") or store.evidence


def runs_place(store: StorageSettings, environment: Mapping[str, str]) -> str | None:
    """A folder or an s3:// address for the files of runs; None: beside the evidence."""
    return environment.get("ETLE_RUNS") or store.runs


def heads_place(store: StorageSettings, environment: Mapping[str, str]) -> str | None:
    """A file or an s3:// address for the heads of the audit log; None if none is configured."""
    return environment.get("ETLE_HEADS") or store.heads


def broker_password(security: BrokerSecurity) -> str | None:
    return secret_in(security.password_file) if security.password_file is not None else security.password


def secret_in(path: Path) -> str:
    """The content of the file without the newline at its end. Raises ConfigError."""
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the secret cannot be read: {error}") from error
    if not secret:
        raise ConfigError(f"{path}: is empty, but should contain a secret")
    return secret


def refuse_secrets(document: Any, where: str, place: str = "") -> None:
    """Raises ConfigError if the document contains a password. Call it before `${NAME}` is replaced."""
    if isinstance(document, list):
        for number, value in enumerate(document):
            refuse_secrets(value, where, f"{place}[{number}]")
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        inside = f"{place}.{key}".lstrip(".")
        if isinstance(value, str) and _is_secret(str(key), value):
            raise ConfigError(f"{where}: {inside}: a site file must not contain secrets: write ${{NAME}} and export it, or use {key}_file")
        refuse_secrets(value, where, inside)


def _is_secret(key: str, value: str) -> bool:
    if key == "database":
        user_info, at, _ = value.partition("://")[2].rpartition("@")
        return bool(at) and ":" in user_info and "${" not in user_info.partition(":")[2]
    return key in _SECRETS and "${" not in value
