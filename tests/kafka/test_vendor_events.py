"""`etle vendor events` over a real Kafka: each event that the push service published is listed once."""

import json
from pathlib import Path

import pytest

from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaPublisher
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.testing import ManualClock
from etle.types import digest_of
from etle_cli.main import main
from ingest.push_api.samples import RequestSamples

pytestmark = pytest.mark.server


@pytest.fixture
def site(connection: BrokerConnection, tmp_path: Path) -> Path:
    broker = {"servers": list(connection.servers), **json.loads(connection.broker.model_dump_json(exclude={"servers", "security"}))}
    camera = {"id": "utara", "view": "rear", "source": {"file": "a.mp4"}, "frame_size": [64, 48]}
    path = tmp_path / "site.yaml"
    path.write_text(json.dumps({"site": "tes", "cameras": [camera], "broker": broker}))
    return path


def test_events_are_listed_once_in_their_order(connection: BrokerConnection, site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
    clock = ManualClock()
    samples = {camera: RequestSamples(camera, (64, 48), "secret", clock) for camera in ("utara", "barat")}
    first = samples["utara"].event(id="1")
    clock.advance(1)
    second = samples["barat"].event(id="2", plate={"text": "D4321ABC", "confidence": 0.5})
    publisher = KafkaPublisher(connection, "test")
    for vendor, event in (("umbrella", second), ("acme", first), ("acme", first)):
        body = json.dumps(event).encode()
        fields = {"vendor": vendor, "received_at": clock.now().isoformat(), "clock_error_s": "0.100000", "sha256": digest_of(body)}
        headers = [(name, value.encode()) for name, value in fields.items()]
        publisher.publish(TopicNames(connection.broker.prefix).events, body, key=event["camera"].encode(), headers=headers)
    publisher.publish(TopicNames(connection.broker.prefix).events, b"no event", key=b"utara")  # not an event: reported and skipped
    publisher.close()

    assert main(["vendor", "events", "--site", str(site)]) == 0
    assert [line.split()[1:] for line in capsys.readouterr().out.splitlines()] == [
        ["acme", "utara", "red_light", "B1234XYZ", "1"],
        ["umbrella", "barat", "red_light", "D4321ABC", "2"],
    ]
    assert main(["vendor", "events", "--site", str(site), "--vendor", "umbrella", "--json"]) == 0
    (event,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert {key: event[key] for key in second} == second
    assert event["clock_error_s"] == "0.100000"


def test_a_missing_topic_is_named_with_its_remedy(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["vendor", "events", "--site", str(site)]) == 1
    assert "etle topics create" in capsys.readouterr().err
