"""How we reach a Kafka: where it is, and how we show who we are. The settings of kafka-python that every client of ours shares."""

from dataclasses import dataclass
from typing import Any

from etle.config.deployment import BrokerSecurity, BrokerSettings, broker_password
from etle.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConnection:
    """A broker's settings with the servers that count (`etle.config.deployment.broker_servers`)."""

    servers: tuple[str, ...]
    broker: BrokerSettings

    @property
    def where(self) -> str:
        return ", ".join(self.servers)

    @property
    def largest_bytes(self) -> int:
        """Of any message in any topic, with some room for keys and headers."""
        topics = (self.broker.frames, self.broker.violations, self.broker.dead_letters)
        return round(max(topic.largest_mb for topic in topics) * 1_000_000) + 65_536

    def settings(self) -> dict[str, Any]:
        """Raises ConfigError if a secret's file cannot be read."""
        timeout_ms = round(self.broker.timeout_s * 1000)
        return {
            "bootstrap_servers": list(self.servers),
            "bootstrap_timeout_ms": timeout_ms,
            "request_timeout_ms": timeout_ms,
            "reconnect_backoff_max_ms": 1000,
            **security_settings(self.broker.security),
        }


def security_settings(security: BrokerSecurity) -> dict[str, Any]:
    for path in (security.ca_file, security.certificate_file, security.key_file):
        if path is not None and not path.is_file():
            raise ConfigError(f"broker.security: there is no file {path}")
    protocol = ("SASL_" if security.mechanism else "") + ("SSL" if security.tls else "PLAINTEXT")
    settings: dict[str, Any] = {"security_protocol": protocol}
    if security.tls:
        settings |= {
            "ssl_cafile": _text(security.ca_file),
            "ssl_certfile": _text(security.certificate_file),
            "ssl_keyfile": _text(security.key_file),
        }
    if security.mechanism:
        settings |= {
            "sasl_mechanism": security.mechanism,
            "sasl_plain_username": security.user,
            "sasl_plain_password": broker_password(security),
        }
    return settings


def _text(path: object) -> str | None:
    return None if path is None else str(path)
