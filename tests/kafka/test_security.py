"""TLS and SASL against a real Kafka that requires both: with password and CA messages pass, otherwise the error names the reason."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from demo_footage import etle

from etle.config.deployment import BrokerSecurity, BrokerSettings, TopicSettings
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from services import ServiceMissing, free_port, kafka_server
from services.process import data_folder, running

pytestmark = pytest.mark.server

PASSWORD = "geheim-42"
_TRIES = 3
"""On a busy machine the broker may close the connection before the client has read the reason; a repeated attempt shows it."""


@dataclass(frozen=True, slots=True)
class SecureBroker:
    address: str
    ca_file: Path


def certificate(folder: Path) -> Path:
    """Self-signed, for 127.0.0.1; `kafka.pem` holds the key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "kafka.pem").write_bytes(secret + pem)
    return folder / "ca.pem"


@pytest.fixture(scope="module")
def secured() -> Iterator[SecureBroker]:
    """A broker with a listener that requires TLS, a user name and a password."""
    with data_folder(None) as folder:
        try:
            server = kafka_server(folder)
        except ServiceMissing as error:
            pytest.skip(str(error))
        port, ca_file = free_port(), certificate(folder)
        settings = folder / "server.properties"
        lines = [
            f"{line},SECURE://127.0.0.1:{port}" if line.startswith(("listeners=", "advertised.listeners=")) else line
            for line in settings.read_text().splitlines()
        ]
        login = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_etle="{PASSWORD}";'
        lines += [
            "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
            "listener.name.secure.sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-512",
            f"listener.name.secure.plain.sasl.jaas.config={login}",
            "listener.name.secure.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
            "ssl.keystore.type=PEM",
            f"ssl.keystore.location={folder / 'kafka.pem'}",
        ]
        settings.write_text("\n".join(lines) + "\n")
        with running(server):
            yield SecureBroker(f"127.0.0.1:{port}", ca_file)


def connection(secured: SecureBroker, prefix: str, **security: object) -> BrokerConnection:
    small = TopicSettings(partitions=1, retention_hours=1, largest_mb=1)
    settings = BrokerSecurity.model_validate({"tls": True, "ca_file": secured.ca_file, **security})
    broker = BrokerSettings(prefix=prefix, frames=small, violations=small, dead_letters=small, timeout_s=20, security=settings)
    return BrokerConnection(servers=(secured.address,), broker=broker)


def assert_messages_pass(connection: BrokerConnection) -> None:
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    publisher = KafkaPublisher(connection, "test")
    delivery = publisher.publish(TopicNames(connection.broker.prefix).frames, b"x", key=b"k")
    publisher.flush()
    publisher.close()
    assert delivery.acked


def test_with_the_password_and_the_certificate_messages_pass(secured: SecureBroker):
    assert_messages_pass(connection(secured, "plain", mechanism="PLAIN", user="etle", password=PASSWORD))


def test_messages_pass_with_scram(secured: SecureBroker):
    from kafka import KafkaAdminClient
    from kafka.admin import UserScramCredentialUpsertion

    admin = KafkaAdminClient(**connection(secured, "x", mechanism="PLAIN", user="etle", password=PASSWORD).settings())
    admin.alter_user_scram_credentials([UserScramCredentialUpsertion("etle-detect", "SCRAM-SHA-512", "noch-geheimer")])
    admin.close()
    assert_messages_pass(connection(secured, "scram", mechanism="SCRAM-SHA-512", user="etle-detect", password="noch-geheimer"))


@pytest.mark.parametrize(
    "trusts_ca, message",
    [
        pytest.param(True, "Invalid username or password. See broker.security", id="a wrong password"),
        pytest.param(False, "self-signed certificate", id="an untrusted server certificate"),
    ],
)
def test_a_refused_login_names_the_reason_and_never_the_password(secured: SecureBroker, tmp_path: Path, trusts_ca: bool, message: str):
    (tmp_path / "password").write_text("falsch-4711")
    camera = {"id": "cam-1", "view": "rear", "source": {"file": "a.mp4"}, "frame_size": [64, 48]}
    security = {"tls": True, "mechanism": "PLAIN", "user": "etle", "password_file": "password"}
    security |= {"ca_file": str(secured.ca_file)} if trusts_ca else {}
    broker = {"servers": [secured.address], "timeout_s": 15, "security": security}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": broker}))
    for _ in range(_TRIES):
        done = etle("topics", "check", path, check=False)
        assert done.returncode == 1
        assert "falsch-4711" not in done.stderr + done.stdout
        if message in done.stderr:
            break
    assert message in done.stderr
