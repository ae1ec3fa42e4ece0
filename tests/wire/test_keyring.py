"""The life of a key: created once, rotated with its old public key kept, retired when nothing signs with it any more."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("cryptography", reason="needs the `ingest` extra")

from etle.errors import ConfigError
from etle.keyring import KeyRing
from etle.signing import PublicKeys, Signer
from etle_cli.main import main

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
LATER = NOW + timedelta(days=1)


def trusted(ring: KeyRing) -> PublicKeys:
    keys = PublicKeys()
    ring.trust(keys)
    return keys


def test_a_key_is_created_once(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path / "keys")
    signer = ring.create("manifest", NOW)
    assert Signer.read(tmp_path / "keys" / "manifest.pem").fingerprint == signer.fingerprint
    with pytest.raises(ConfigError, match="etle keys rotate manifest"):
        ring.create("manifest", LATER)
    (tmp_path / "keys" / "manifest.pem").unlink()
    with pytest.raises(ConfigError, match="Restore it from a backup"):
        ring.create("manifest", LATER)


def test_what_a_rotated_key_signed_is_still_verified(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    old = ring.create("manifest", NOW)
    signature = old.sign(b"evidence")
    new = ring.rotate("manifest", LATER)
    assert old.fingerprint != new.fingerprint
    assert trusted(ring).verify(old.fingerprint, b"evidence", signature)
    assert [(record.fingerprint, record.created_at) for record in ring.records()] == [
        (old.fingerprint, NOW),
        (new.fingerprint, LATER),
    ]
    assert [path.name for path in tmp_path.glob("*.pem")] == ["manifest.pem"]


def test_a_key_from_before_the_record_is_rotated_too(tmp_path: Path) -> None:
    old = Signer.from_file(tmp_path / "manifest.pem")
    ring = KeyRing(tmp_path)
    ring.rotate("manifest", NOW)
    assert old.fingerprint in trusted(ring)


def test_a_retired_key_is_trusted_for_what_it_signed_before(tmp_path: Path) -> None:
    ring = KeyRing(tmp_path)
    old = ring.create("manifest", NOW)
    with pytest.raises(ConfigError, match="is in use"):
        ring.retire(old.fingerprint, NOW)
    ring.rotate("manifest", NOW)
    ring.retire(old.fingerprint[:12], LATER)
    keys = trusted(ring)
    assert old.fingerprint in keys
    assert not keys.retired_before(old.fingerprint, NOW)
    assert keys.retired_before(old.fingerprint, LATER + timedelta(seconds=1))
    ring.retire(old.fingerprint, LATER, compromised=True)
    assert old.fingerprint not in trusted(ring)


@pytest.mark.parametrize("words", [["rotate", "manifest"], ["retire", "abcd"]])
def test_what_is_not_there_is_an_error(tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keys", *words, "--data", str(tmp_path)]) == 1
    assert "etle keys" in capsys.readouterr().err


def test_the_commands_create_rotate_retire_and_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path)]
    assert main(["keys", "create", "detect", *data]) == 0
    assert "signing_key: detect.pem" in capsys.readouterr().out
    old = Signer.read(tmp_path / "keys" / "detect.pem").fingerprint
    assert main(["keys", "rotate", "detect", *data]) == 0
    assert main(["keys", "retire", old[:10], *data]) == 0
    capsys.readouterr()
    assert main(["keys", "list", *data]) == 0
    printed = capsys.readouterr().out
    new, former = (line.split() for line in sorted(printed.splitlines(), key=lambda line: old in line))
    assert (new[0], former[0], former[1]) == ("detect", "detect", old)
    assert "not" in new and "not" not in former
