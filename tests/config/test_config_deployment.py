"""The sections `broker`, `store` and `ingest` of a site file, and the environment variables that override them."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from etle.config.deployment import (
    BrokerSecurity,
    BrokerSettings,
    StorageSettings,
    broker_password,
    broker_servers,
    database_url,
    evidence_place,
)
from etle.config.site import load_site
from etle.errors import ConfigError


def site(tmp_path: Path, **sections: Any) -> Path:
    camera = {"id": "cam-1", "view": "rear", "source": {"file": "a.mp4"}, "frame_size": [64, 48]}
    path = tmp_path / "site.yaml"
    path.write_text(yaml.safe_dump({"site": "tes", "cameras": [camera], **sections}))
    return path


@pytest.mark.parametrize(
    "sections, message",
    [
        pytest.param({"broker": {"servers": ["kafka"]}}, "broker.servers", id="a server without a port"),
        pytest.param({"broker": {"server": ["kafka:9092"]}}, "did you mean 'servers'", id="a misspelt key"),
        pytest.param({"broker": {"security": {"ca_file": "a.pem"}}}, "set `tls: true`", id="a certificate without TLS"),
        pytest.param({"broker": {"security": {"tls": True, "key_file": "a"}}}, "belong together", id="a key without a certificate"),
        pytest.param({"broker": {"security": {"mechanism": "PLAIN", "user": "a"}}}, "belong together", id="a user without a password"),
        pytest.param({"broker": {"security": {"password": "geheim"}}}, "must not contain secrets", id="a password"),
        pytest.param({"store": {"database": "postgresql://a:geheim@h/e"}}, "must not contain secrets", id="a password in an address"),
        pytest.param({"store": {"database": "mysql://h/e"}}, "postgresql://", id="another database"),
        pytest.param({"store": {"database": "postgresql://h/e", "database_file": "f"}}, "not both", id="two databases"),
        pytest.param({"ingest": {"devices": [{"id": "a", "public_key": "k"}] * 2}}, "is given twice", id="a device twice"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_place(tmp_path: Path, sections: dict[str, Any], message: str):
    with pytest.raises(ConfigError) as refused:
        load_site(site(tmp_path, **sections), {})
    assert message in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_secrets_come_from_the_environment_or_a_file(tmp_path: Path):
    (tmp_path / "password").write_text("geheim\n")
    security = {"mechanism": "SCRAM-SHA-256", "user": "etle"}
    by_name = site(tmp_path, broker={"security": security | {"password": "${SECRET}"}}, store={"database": "postgresql://a:${SECRET}@h/e"})
    loaded = load_site(by_name, {"SECRET": "geheim"})
    assert broker_password(loaded.broker.security) == "geheim"
    assert database_url(loaded.store, {}) == "postgresql://a:geheim@h/e"
    by_file = load_site(site(tmp_path, broker={"security": security | {"password_file": "password"}}), {})
    assert broker_password(by_file.broker.security) == "geheim"


def test_the_environment_overrides_the_site_file():
    broker = BrokerSettings(servers=("a:1",))
    store = StorageSettings(database="postgresql://file/e", evidence="files")
    assert broker_servers(broker, {}) == ("a:1",)
    assert broker_servers(broker, {"ETLE_KAFKA": "b:2, c:3"}) == ("b:2", "c:3")
    assert database_url(store, {"ETLE_DATABASE": "postgresql://env/e"}) == "postgresql://env/e"
    assert evidence_place(store, {"ETLE_EVIDENCE": "s3://bucket/a"}) == "s3://bucket/a"
    assert evidence_place(store, {}) == "files"


@pytest.mark.parametrize("given", ["", ",", "b", "b:2,c"])
def test_a_missing_or_wrong_server_is_refused(given: str):
    with pytest.raises(ConfigError, match="ETLE_KAFKA"):
        broker_servers(BrokerSettings(), {"ETLE_KAFKA": given})


def test_paths_are_relative_to_the_site_file_and_a_bucket_is_left_alone(tmp_path: Path):
    sections = {"store": {"evidence": "files", "signing_key": "keys/a.pem"}, "ingest": {"devices": [{"id": "a", "public_key": "b.pem"}]}}
    loaded = load_site(site(tmp_path, **sections), {})
    assert loaded.store.evidence == str(tmp_path / "files")
    assert loaded.store.signing_key == tmp_path / "keys" / "a.pem"
    assert loaded.ingest.devices[0].public_key == tmp_path / "b.pem"
    assert load_site(site(tmp_path, store={"evidence": "s3://b/p"}), {}).store.evidence == "s3://b/p"


def test_the_digest_does_not_depend_on_broker_store_and_devices(tmp_path: Path):
    plain = load_site(site(tmp_path), {})
    moved = load_site(site(tmp_path, broker={"servers": ["a:1"]}, store={"evidence": "x"}, ingest={"devices": []}), {})
    assert plain.digest == moved.digest


def test_without_security_there_is_no_password():
    assert broker_password(BrokerSecurity()) is None
