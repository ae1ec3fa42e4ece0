"""The connection to a Kafka cluster: its servers, TLS and SASL, as the settings that all kafka-python clients share."""

from dataclasses import dataclass
from typing import Any

from etle.config.deployment import BrokerSecurity, BrokerSettings, broker_password
from etle.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConnection:
    """The broker settings of the site file with the servers in effect (`etle.config.deployment.broker_servers`)."""

    servers: tuple[str, ...]
    broker: BrokerSettings

    @property
    def where(self) -> str:
        return ", ".join(self.servers)

    @property
    def max_message_bytes(self) -> int:
        """Size limit of a message in any topic, plus 64 KiB for key and headers."""
        topics = (self.broker.frames, self.broker.violations, self.broker.dead_letters)
        return round(max(topic.largest_mb for topic in topics) * 1_000_000) + 65_536

    def settings(self) -> dict[str, Any]:
        """Keyword arguments of every kafka-python client. Raises ConfigError if a file with a secret cannot be read."""
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
            raise ConfigError(f"broker.security: the file {path} does not exist")
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
