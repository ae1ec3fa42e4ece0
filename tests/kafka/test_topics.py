"""`etle topics` and `etle dead-letters` against a real Kafka, and their messages."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from demo_footage import etle
from kafka.errors import (
    InvalidTimestampError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
    UnknownError,
    UnsupportedCodecError,
)

from etle.config.deployment import BrokerSecurity, BrokerSettings
from etle.errors import BrokerError, BrokerRefused, BrokerUnavailable, ConfigError
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher, KafkaTopicReader, broker_error
from etle.kafka.dead_letters import DeadLetterQueue, parse_dead_letters
from etle.kafka.security import BrokerConnection, security_settings
from etle.kafka.topics import TopicNames, TopicSpec, check_topics, create_topics, differences, require_topics_exist, required_topics
from etle.testing import BEGIN, MemoryBroker

pytestmark = pytest.mark.server

REQUIRED = required_topics(BrokerSettings())[0]


@pytest.mark.parametrize(
    "found, messages",
    [
        pytest.param(REQUIRED, [], id="as required"),
        pytest.param(None, ["does not exist: create it with `etle topics create`"], id="missing"),
        pytest.param(replace(REQUIRED, partitions=3), ["has 3 partitions and should have 12"], id="other partitions"),
        pytest.param(replace(REQUIRED, replication=0), ["has 0 replicas"], id="too few replicas"),
        pytest.param(
            replace(REQUIRED, configs={}),
            ["cleanup", "LogAppendTime", "compression", "retention.ms is not set", "max.message", "min.insync"],
            id="no configs",
        ),
    ],
)
def test_differences_name_their_remedy(found: TopicSpec | None, messages: list[str]):
    lines = differences(REQUIRED, found)
    assert len(lines) == len(messages)
    assert all(part in line for part, line in zip(messages, lines, strict=True))


def test_checkpoints_are_partitioned_like_the_frames_and_compacted():
    topics = {topic.name: topic for topic in required_topics(BrokerSettings())}
    frames, checkpoints = topics[TopicNames().frames], topics[TopicNames().checkpoints]
    assert frames.partitions == checkpoints.partitions
    assert checkpoints.configs["cleanup.policy"] == "compact"


def test_topics_are_created_checked_and_corrected(connection: BrokerConnection):
    admin, topics = KafkaTopicAdmin(connection), required_topics(connection.broker)
    with pytest.raises(ConfigError, match="etle topics create"):
        require_topics_exist(connection.broker, admin)
    assert create_topics(topics, admin) == tuple(topic.name for topic in topics)
    assert check_topics(topics, admin) == ()
    require_topics_exist(connection.broker, admin)
    longer = connection.broker.model_copy(update={"frames": connection.broker.frames.model_copy(update={"retention_hours": 5})})
    assert len(check_topics(required_topics(longer), admin)) == 1
    assert create_topics(required_topics(longer), admin) == ()
    assert check_topics(required_topics(longer), admin) == ()


def test_an_unreachable_broker_is_named_without_a_traceback(tmp_path: Path):
    camera = {"id": "cam-1", "view": "rear", "source": {"file": "a.mp4"}, "frame_size": [64, 48]}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": {"servers": ["127.0.0.1:1"], "timeout_s": 1}}))
    done = etle("topics", "check", path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("etle: Kafka cannot be reached at 127.0.0.1:1")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "error, connect_error, kind, message",
    [
        pytest.param(KafkaTimeoutError("x"), "", BrokerUnavailable, "cannot be reached at k:1", id="unreachable"),
        pytest.param(KafkaTimeoutError("x"), "ECONNREFUSED", BrokerUnavailable, "ECONNREFUSED", id="unreachable with reason"),
        pytest.param(KafkaTimeoutError("x"), "SaslAuthenticationFailedError: Invalid", BrokerRefused, "broker.security", id="password"),
        pytest.param(UnsupportedCodecError("Libraries for zstd compression codec not found"), "", BrokerRefused, "zstandard", id="codec"),
        pytest.param(InvalidTimestampError("x"), "", BrokerRefused, "the clock of this host", id="clock"),
        pytest.param(UnknownError("Future not done"), "", BrokerRefused, "takes less than one batch", id="a batch that is too large"),
        pytest.param(MessageSizeTooLargeError("x"), "", BrokerRefused, "largest_mb", id="too large"),
        pytest.param(TopicAuthorizationFailedError("x"), "", BrokerRefused, "broker.security", id="not authorized"),
    ],
)
def test_errors_of_the_library_become_errors_with_a_remedy(error: KafkaError, connect_error: str, kind: type[BrokerError], message: str):
    translated = broker_error(error, "k:1", connect_error)
    assert type(translated) is kind
    assert message in str(translated)


@pytest.fixture
def site(connection: BrokerConnection, tmp_path: Path) -> Path:
    camera = {"id": "cam-1", "view": "rear", "source": {"file": "a.mp4"}, "frame_size": [64, 48]}
    broker = {"servers": list(connection.servers), **json.loads(connection.broker.model_dump_json(exclude={"servers", "security"}))}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": broker}))
    return path


def test_a_dead_letter_is_listed_shown_and_replayed(connection: BrokerConnection, site: Path, tmp_path: Path):
    names = TopicNames(connection.broker.prefix)
    assert "created:" in etle("topics", "create", site).stdout
    memory = MemoryBroker({names.violations: 1})
    memory.publish(names.violations, b"the message", key=b"k", headers=[("a", b"\xff")])
    publisher = KafkaPublisher(connection, "test")
    DeadLetterQueue(publisher, names.dead_letters, "write").put(memory.messages(names.violations)[0], "not a violation", BEGIN)
    publisher.flush()
    publisher.close()

    assert "write" in etle("dead-letters", "list", "--site", site).stdout
    (listed,) = map(json.loads, etle("dead-letters", "list", "--json", "--site", site).stdout.splitlines())
    assert (listed["reason"], listed["key"], listed["replayed"]) == ("not a violation", "k", False)
    etle("dead-letters", "show", listed["id"], "--value", tmp_path / "value", "--site", site)
    assert (tmp_path / "value").read_bytes() == b"the message"
    assert etle("dead-letters", "replay", "9/9", "--site", site, check=False).returncode == 1
    assert "1 replayed" in etle("dead-letters", "replay", "--all", "--site", site).stdout
    assert "0 replayed" in etle("dead-letters", "replay", "--all", "--site", site).stdout

    reader = KafkaTopicReader(connection, "test")
    replayed = [message for number in range(3) for message in reader.messages(names.violations, number)]
    (letter,) = parse_dead_letters(message for number in range(3) for message in reader.messages(names.dead_letters, number))
    reader.close()
    assert [(message.key, message.value, message.headers) for message in replayed] == [(b"k", b"the message", (("a", b"\xff"),))]
    assert letter.replayed


def test_security_settings_become_settings_of_the_client(tmp_path: Path):
    (tmp_path / "ca.pem").write_text("x")
    (tmp_path / "password").write_text("geheim\n")
    security = BrokerSecurity(
        tls=True, ca_file=tmp_path / "ca.pem", mechanism="SCRAM-SHA-512", user="etle", password_file=tmp_path / "password"
    )
    settings = security_settings(security)
    assert settings["security_protocol"] == "SASL_SSL"
    assert settings["ssl_cafile"] == str(tmp_path / "ca.pem")
    assert settings["sasl_plain_password"] == "geheim"
    assert security_settings(BrokerSecurity()) == {"security_protocol": "PLAINTEXT"}
    with pytest.raises(ConfigError, match="does not exist"):
        security_settings(BrokerSecurity(tls=True, ca_file=tmp_path / "absent.pem"))
