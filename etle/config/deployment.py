"""Where the parts of a distributed deployment find each other: the broker, the stores, and the boxes beside the cameras.

The embedded profile (`etle run`) needs none of it. An address in the environment goes before one in the site file, so that one site file
serves every host of a site. No secret stands in a site file: it is `${NAME}`, or the path of a file that holds it.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from etle.config.strict_yaml import Section
from etle.errors import ConfigError

_SERVER: Final = re.compile(r"[^\s:/@,]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}")
Server = Annotated[str, Field(pattern=r"^[^\s/@,]+:[0-9]{1,5}$")]
_SECRETS: Final = ("password", "token", "secret")


class BrokerSecurity(Section):
    """TLS and SASL to Kafka. Without `tls` and `mechanism` the connection is open: for loopback and closed networks."""

    tls: bool = Field(False, description="Encrypt, and check the servers' certificates.")
    ca_file: Path | None = Field(None, description="Certificates of who signs the servers' (PEM); without it, those of the system.")
    certificate_file: Path | None = Field(None, description="Our own certificate (PEM), where the servers want one.")
    key_file: Path | None = Field(None, description="The private key of certificate_file (PEM).")
    mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] | None = Field(None, description="How to sign in.")
    user: str | None = None
    password: str | None = Field(None, description="As ${NAME}, from the environment; or use password_file.")
    password_file: Path | None = Field(None, description="A file that holds the password and nothing else.")

    @model_validator(mode="after")
    def whole(self) -> Self:
        files = [key for key in ("ca_file", "certificate_file", "key_file") if getattr(self, key) is not None]
        if files and not self.tls:
            raise ValueError(f"`{files[0]}` is for TLS: set `tls: true` or take it out")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("`certificate_file` and `key_file` belong together")
        if self.password is not None and self.password_file is not None:
            raise ValueError("`password` or `password_file`, not both")
        signs_in = self.user is not None and (self.password is not None or self.password_file is not None)
        if (self.mechanism is not None) != signs_in:
            raise ValueError("`mechanism`, `user` and one of `password`, `password_file` belong together")
        return self


class TopicSettings(Section):
    """How a topic is made by `etle topics create`."""

    partitions: int = Field(ge=1, le=1000)
    retention_hours: float = Field(gt=0)
    largest_mb: float = Field(ge=1, le=100, description="The largest message, in MB.")


class BrokerSettings(Section):
    """Kafka, and the topics in it. ETLE_KAFKA goes before `servers`."""

    servers: tuple[Server, ...] = Field((), description="host:port of some of the brokers; they tell of the others.")
    prefix: str = Field("etle", pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$", description="Topics and groups begin with it.")
    replication: int = Field(1, ge=1, le=9, description="Copies of each message, on as many brokers.")
    frames: TopicSettings = Field(TopicSettings(partitions=12, retention_hours=24, largest_mb=8), description="Of the checkpoints too.")
    violations: TopicSettings = Field(TopicSettings(partitions=6, retention_hours=24 * 14, largest_mb=48))
    dead_letters: TopicSettings = Field(TopicSettings(partitions=1, retention_hours=24 * 30, largest_mb=48))
    events: TopicSettings = Field(
        TopicSettings(partitions=3, retention_hours=24 * 30, largest_mb=1), description="What vendors' boxes claim to have seen."
    )
    timeout_s: float = Field(30, gt=0, le=600, description="A broker that says nothing for so long is away.")
    session_s: float = Field(10, ge=1, le=300, description="A worker that is not heard of for so long is dead: the others take over.")
    security: BrokerSecurity = BrokerSecurity()


class StorageSettings(Section):
    """Where cases and evidence are kept. ETLE_DATABASE and ETLE_EVIDENCE go before."""

    database: str | None = Field(None, description="postgresql://user:${PASSWORD}@host/etle; or use database_file.")
    database_file: Path | None = Field(None, description="A file that holds that address and nothing else.")
    evidence: str | None = Field(None, description="A folder, or s3://bucket/prefix.")
    signing_key: Path | None = Field(None, description="Ed25519 key (PEM) that signs the manifests; made where there is none.")

    @model_validator(mode="after")
    def one_database(self) -> Self:
        if self.database is not None and self.database_file is not None:
            raise ValueError("`database` or `database_file`, not both")
        return self

    @field_validator("database")
    @classmethod
    def postgresql(cls, value: str | None) -> str | None:
        if value is not None and urlsplit(value).scheme not in ("postgresql", "postgres"):
            raise ValueError("`database` is an address that begins with postgresql://")
        return value


class EdgeDevice(Section):
    """A box beside cameras, known by the key that it signs its frames with."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    public_key: Path = Field(description="Ed25519 public key (PEM).")
    cameras: tuple[str, ...] = Field((), description="The cameras for which it may speak; none named: all of the site.")


class VendorSettings(Section):
    """A vendor whose boxes push frames and events to the door (`etle vendor serve`)."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    secret: str | None = Field(None, description="What its boxes sign in with, as ${NAME} from the environment; or use secret_file.")
    secret_file: Path | None = Field(None, description="A file that holds the secret and nothing else.")
    requests_per_s: float = Field(100, gt=0, le=100_000, description="Quota: frames and events a second, over all its boxes.")
    burst: int = Field(200, ge=1, le=1_000_000, description="So many at once, after a pause.")

    @model_validator(mode="after")
    def one_secret(self) -> Self:
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError(f"vendor {self.id!r}: give one of `secret` (as ${{NAME}}) and `secret_file`")
        return self


class IngestSettings(Section):
    """The edge devices, which read cameras on site and send their frames."""

    renamed_keys: ClassVar[Mapping[str, str]] = {"boxes": "devices"}

    devices: tuple[EdgeDevice, ...] = Field(
        (), description="With a device here, frames without the signature of one go to the dead letters."
    )
    signing_key: Path | None = Field(
        None, description="This box's private Ed25519 key (PEM); without it, keys/ingest.pem in the data folder."
    )
    spool_mb: int = Field(4096, ge=64, description="Room on the box's disk for frames that wait for the broker, in MB.")
    keep_free_mb: int = Field(512, ge=0, description="So much of the disk is left free, whatever spool_mb says.")
    vendors: tuple[VendorSettings, ...] = Field((), description="Who may push frames and events over HTTP.")
    vendor_clock_s: float = Field(5.0, gt=0, le=3600, description="A vendor's box whose clock is further off is refused.")

    @model_validator(mode="after")
    def devices_once(self) -> Self:
        names = [device.id for device in self.devices]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"devices: the id {doubled[0]!r} is there twice")
        return self

    @model_validator(mode="after")
    def vendors_once(self) -> Self:
        names = [vendor.id for vendor in self.vendors]
        doubled = sorted({name for name in names if names.count(name) > 1})
        if doubled:
            raise ValueError(f"vendors: the id {doubled[0]!r} is there twice")
        return self


def broker_servers(broker: BrokerSettings, environment: Mapping[str, str]) -> tuple[str, ...]:
    """Raises ConfigError if nothing names one."""
    given = environment.get("ETLE_KAFKA")
    if not given:
        if not broker.servers:
            raise ConfigError("no Kafka is named: set ETLE_KAFKA=host:port,host:port or `broker.servers` in the site file")
        return broker.servers
    servers = tuple(server.strip() for server in given.split(",") if server.strip())
    wrong = [server for server in servers if not _SERVER.fullmatch(server)]
    if wrong or not servers:
        raise ConfigError(f"ETLE_KAFKA is host:port,host:port; here: {(wrong or [given])[0]!r}")
    return servers


def database_url(store: StorageSettings, environment: Mapping[str, str]) -> str | None:
    """None if nothing names a database. Raises ConfigError."""
    if given := environment.get("ETLE_DATABASE"):
        return given
    return secret_in(store.database_file) if store.database_file is not None else store.database


def evidence_place(store: StorageSettings, environment: Mapping[str, str]) -> str | None:
    """A folder or an s3:// address; None if nothing names one."""
    return environment.get("ETLE_EVIDENCE") or store.evidence


def broker_password(security: BrokerSecurity) -> str | None:
    return secret_in(security.password_file) if security.password_file is not None else security.password


def secret_in(path: Path) -> str:
    """What the file holds, without the newline at its end. Raises ConfigError."""
    try:
        secret = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the secret in it cannot be read: {error}") from error
    if not secret:
        raise ConfigError(f"{path}: is empty, and should hold a secret")
    return secret


def refuse_secrets(document: Any, where: str, place: str = "") -> None:
    """Raises ConfigError if a password stands in the document itself. Called before `${NAME}` is filled in."""
    if isinstance(document, list):
        for number, value in enumerate(document):
            refuse_secrets(value, where, f"{place}[{number}]")
    if not isinstance(document, dict):
        return
    for key, value in document.items():
        inside = f"{place}.{key}".lstrip(".")
        if isinstance(value, str) and _holds_secret(str(key), value):
            raise ConfigError(f"{where}: {inside}: no secret stands in a site file: write ${{NAME}} and export it, or use {key}_file")
        refuse_secrets(value, where, inside)


def _holds_secret(key: str, value: str) -> bool:
    if key == "database":
        return "${" not in (urlsplit(value).password or "${")
    return key in _SECRETS and "${" not in value
