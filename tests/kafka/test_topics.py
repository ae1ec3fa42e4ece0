"""`etle topics` and `etle dead-letters` against a real Kafka, and what they say."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from demo_footage import etle
from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError, TopicAuthorizationFailedError

from etle.config.deployment import BrokerSecurity, BrokerSettings
from etle.errors import BrokerError, BrokerRefused, BrokerUnavailable, ConfigError
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaCompactedTopicReader, KafkaPublisher, broker_error
from etle.kafka.dead_letters import DeadLetterQueue, letters
from etle.kafka.security import BrokerConnection, security_settings
from etle.kafka.topic_plan import TopicPlan, check_topics, create_topics, differences, need_topics, planned
from etle.kafka.topics import TopicNames
from etle.testing import BEGIN, MemoryBroker

PLAN = planned(BrokerSettings())[0]


@pytest.mark.parametrize(
    "found, told",
    [
        pytest.param(PLAN, [], id="as planned"),
        pytest.param(None, ["is not there: `etle topics create`"], id="absent"),
        pytest.param(replace(PLAN, partitions=3), ["has 3 partitions and should have 12"], id="other partitions"),
        pytest.param(replace(PLAN, replication=0), ["has 0 copies"], id="too few copies"),
        pytest.param(replace(PLAN, settings={}), ["cleanup", "retention.ms is not set", "max.message", "min.insync"], id="no settings"),
    ],
)
def test_differences_are_told_with_the_way_out(found: TopicPlan | None, told: list[str]):
    said = differences(PLAN, found)
    assert len(said) == len(told)
    assert all(part in line for part, line in zip(told, said, strict=True))


def test_checkpoints_lie_like_the_frames_and_are_compacted():
    plans = {plan.name: plan for plan in planned(BrokerSettings())}
    frames, checkpoints = plans[TopicNames().frames], plans[TopicNames().checkpoints]
    assert frames.partitions == checkpoints.partitions
    assert checkpoints.settings["cleanup.policy"] == "compact"


def test_topics_are_made_checked_and_mended(connection: BrokerConnection):
    admin, plans = KafkaTopicAdmin(connection), planned(connection.broker)
    with pytest.raises(ConfigError, match="etle topics create"):
        need_topics(connection.broker, admin)
    assert create_topics(plans, admin) == tuple(plan.name for plan in plans)
    assert check_topics(plans, admin) == ()
    need_topics(connection.broker, admin)
    longer = connection.broker.model_copy(update={"frames": connection.broker.frames.model_copy(update={"retention_hours": 5})})
    assert len(check_topics(planned(longer), admin)) == 1
    assert create_topics(planned(longer), admin) == ()
    assert check_topics(planned(longer), admin) == ()


def test_a_broker_that_is_not_there_is_named_with_the_way_out(tmp_path: Path):
    camera = {"id": "cam-1", "view": "rear", "source": {"file": "a.mp4"}, "frame_size": [64, 48]}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": {"servers": ["127.0.0.1:1"], "timeout_s": 1}}))
    done = etle("topics", "check", path, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("etle: Kafka cannot be reached at 127.0.0.1:1")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "error, heard, kind, told",
    [
        pytest.param(KafkaTimeoutError("x"), "", BrokerUnavailable, "cannot be reached at k:1", id="away"),
        pytest.param(KafkaTimeoutError("x"), "ECONNREFUSED", BrokerUnavailable, "ECONNREFUSED", id="away, with the reason"),
        pytest.param(KafkaTimeoutError("x"), "SaslAuthenticationFailedError: Invalid", BrokerRefused, "broker.security", id="a password"),
        pytest.param(MessageSizeTooLargeError("x"), "", BrokerRefused, "largest_mb", id="too large"),
        pytest.param(TopicAuthorizationFailedError("x"), "", BrokerRefused, "broker.security", id="may not"),
    ],
)
def test_what_the_client_says_becomes_what_an_operator_can_act_on(error: KafkaError, heard: str, kind: type[BrokerError], told: str):
    made = broker_error(error, "k:1", heard)
    assert type(made) is kind
    assert told in str(made)


@pytest.fixture
def site(connection: BrokerConnection, tmp_path: Path) -> Path:
    camera = {"id": "cam-1", "view": "rear", "source": {"file": "a.mp4"}, "frame_size": [64, 48]}
    broker = {"servers": list(connection.servers), **json.loads(connection.broker.model_dump_json(exclude={"servers", "security"}))}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": broker}))
    return path


def test_a_dead_letter_is_listed_shown_and_replayed(connection: BrokerConnection, site: Path, tmp_path: Path):
    names = TopicNames(connection.broker.prefix)
    assert "made:" in etle("topics", "create", site).stdout
    memory = MemoryBroker({names.violations: 1})
    memory.publish(names.violations, b"the message", key=b"k", headers=[("a", b"\xff")])
    publisher = KafkaPublisher(connection, "test")
    DeadLetterQueue(publisher, names.dead_letters, "write").put(memory.messages(names.violations)[0], "no parcel", BEGIN)
    publisher.flush()
    publisher.close()

    assert "write" in etle("dead-letters", "list", "--site", site).stdout
    (listed,) = map(json.loads, etle("dead-letters", "list", "--json", "--site", site).stdout.splitlines())
    assert (listed["reason"], listed["key"], listed["replayed"]) == ("no parcel", "k", False)
    etle("dead-letters", "show", listed["id"], "--value", tmp_path / "value", "--site", site)
    assert (tmp_path / "value").read_bytes() == b"the message"
    assert etle("dead-letters", "replay", "9/9", "--site", site, check=False).returncode == 1
    assert "1 replayed" in etle("dead-letters", "replay", "--all", "--site", site).stdout
    assert "0 replayed" in etle("dead-letters", "replay", "--all", "--site", site).stdout

    reader = KafkaCompactedTopicReader(connection, "test")
    came = [message for number in range(3) for message in reader.messages(names.violations, number)]
    (letter,) = letters(message for number in range(3) for message in reader.messages(names.dead_letters, number))
    reader.close()
    assert [(message.key, message.value, message.headers) for message in came] == [(b"k", b"the message", (("a", b"\xff"),))]
    assert letter.replayed


def test_security_becomes_the_clients_settings(tmp_path: Path):
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
    with pytest.raises(ConfigError, match="there is no file"):
        security_settings(BrokerSecurity(tls=True, ca_file=tmp_path / "absent.pem"))
