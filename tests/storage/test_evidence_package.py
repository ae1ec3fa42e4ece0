"""An evidence package verifies offline with the script inside it and Python alone, and nothing in it can be changed."""

import json
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import TestDatabases

pytest.importorskip("psycopg2", reason="needs the `store` extra")

from benchmark.tamper.office import Office, open_office
from etle.signing import Signer, public_file
from etle.storage.evidence import verify_package
from etle.storage.evidence.manifest import SUFFIX
from etle.storage.evidence.package import log_extract, package_of
from etle.storage.stores import StorageOptions, open_stores
from etle.testing import a_violation_message
from etle.types import Case
from etle_cli.main import main
from pipeline.evidence.writer import Writer


@pytest.fixture(scope="module")
def office(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with databases.create() as url, open_office(url, tmp_path_factory.mktemp("office"), random.Random(9), cases=8) as opened:
        opened.export_head()
        yield opened


@pytest.fixture
def package(office: Office, tmp_path: Path) -> Path:
    """The unpacked package of the case with most decisions."""
    case: Case = max(office.cases.cases(), key=lambda each: len(each.decisions))
    stored = {(digest, suffix): office.evidence.get(digest) for digest, suffix in office.cases.files_of(case.violation.id)}
    (manifest,) = (data for (_, suffix), data in stored.items() if suffix == SUFFIX)
    files = {f"{digest}{suffix}": data for (digest, suffix), data in stored.items() if suffix != SUFFIX}
    extract = log_extract(office.database, office.heads, case.violation.id)
    assert extract.covered == len(extract.entries) > 3
    unpacked = tmp_path / "package"
    (tmp_path / "package.zip").write_bytes(package_of(files, manifest, extract, office.trusted(), b"%PDF-1.4"))
    zipfile.ZipFile(tmp_path / "package.zip").extractall(unpacked)
    return unpacked


def verified(package: Path, *options: str) -> tuple[bool, str]:
    """Run the script as a third party does: without this project, its packages, and its environment."""
    done = subprocess.run([sys.executable, "-I", "-S", "verify.py", *options], cwd=package, check=False, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.endswith("NOT VERIFIED\n" if done.returncode else "VERIFIED\n")
    return done.returncode == 0, done.stdout


@pytest.mark.server
def test_a_package_is_verified_with_the_published_key(package: Path, office: Office) -> None:
    valid, printed = verified(package, "--fingerprint", office.signer.fingerprint)
    assert valid, printed
    assert "4 files are those of the manifest" in printed
    assert verified(package, "--fingerprint", office.rogue.fingerprint)[0] is False


def _json(name: str, change: Callable[[object], None]) -> Callable[[Path], None]:
    def apply(package: Path) -> None:
        content = json.loads((package / name).read_text("utf-8"))
        change(content)
        (package / name).write_text(json.dumps(content), "utf-8")

    return apply


def _other_verdict(decisions: object) -> None:
    decisions[0]["verdict"] = "warn" if decisions[0]["verdict"] == "confirm" else "confirm"  # type: ignore[index]


def _other_entry(log: object) -> None:
    log["entries"][-1]["entry"] = log["entries"][-1]["entry"].replace('"row"', '"row" ')  # type: ignore[index]


def _other_link(log: object) -> None:
    log["segments"][0]["entries"][0] = "0" * 64  # type: ignore[index]


CHANGES: dict[str, Callable[[Path], None]] = {
    "a picture": lambda package: next((package / "files").glob("*.jpg")).write_bytes(b"another"),
    "a missing picture": lambda package: next((package / "files").glob("*.jpg")).unlink(),
    "a file more": lambda package: (package / "files" / "more.jpg").write_bytes(b"more") and None,
    "the manifest": lambda package: (
        (package / "manifest.json").write_text(
            (package / "manifest.json").read_text().replace("red_light", "stop_line").replace("wrong_way", "stop_line").replace("B", "D")
        )
        and None
    ),
    "a decision": _json("decisions.json", _other_verdict),
    "a decision removed": _json("decisions.json", lambda decisions: decisions.pop()),  # type: ignore[attr-defined]
    "an entry": _json("log.json", _other_entry),
    "a link of the chain": _json("log.json", _other_link),
    "the keys": _json("keys.json", lambda keys: keys.clear()),  # type: ignore[attr-defined]
    "a head": lambda package: (
        (package / "heads.jsonl").write_text((package / "heads.jsonl").read_text().replace("position", "Position")) and None
    ),
    "a file lost": lambda package: (package / "log.json").unlink(),
    "no JSON": lambda package: (package / "decisions.json").write_text("{") and None,
}

FAST = ("a picture", "a decision", "a link of the chain")


@pytest.mark.server
@pytest.mark.parametrize("changed", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in CHANGES])
def test_a_changed_package_is_not_verified(package: Path, changed: str) -> None:
    CHANGES[changed](package)
    valid, printed = verified(package)
    assert not valid and "PROBLEM" in printed


@pytest.mark.server
def test_the_command_exports_a_case_and_logs_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message, data = a_violation_message(), tmp_path / "data"
    device = Signer.from_file(tmp_path / "device.pem")
    with open_stores(StorageOptions(data=data)) as stores:
        Writer.with_signer(stores.cases, stores.evidence, stores.signer).put(message)
        words = ["evidence", "export", str(message.violation.id), "--data", str(data), "--out", str(tmp_path / "case.zip")]
        assert main([*words, "--public-key", str(public_file(tmp_path / "device.pem"))]) == 0
        assert main(["evidence", "export", "6f0a3d7e-3b0c-5f43-9c0e-0d6a4f1c2b11", "--data", str(data)]) == 1
        assert "there is no case" in capsys.readouterr().err
    zipfile.ZipFile(tmp_path / "case.zip").extractall(tmp_path / "case")
    valid, printed = verified(tmp_path / "case")
    assert valid, printed
    assert device.fingerprint in printed
    assert "evidence_exported" in (tmp_path / "case" / "log.json").read_text()
    assert (tmp_path / "case" / "laporan.pdf").read_bytes().startswith(b"%PDF-1.4")


def test_the_script_verifies_signatures_as_the_library_does(tmp_path: Path) -> None:
    signer = Signer.from_file(tmp_path / "key.pem")
    for size in (0, 1, 300):
        message = os.urandom(size)
        signature = signer.sign(message)
        assert verify_package.ed25519_is_valid(signer.public_key, message, signature)
        changed = bytes([signature[0] ^ 1]) + signature[1:]
        beyond = signature[:32] + (int.from_bytes(signature[32:], "little") + verify_package.ORDER).to_bytes(32, "little")
        assert not verify_package.ed25519_is_valid(signer.public_key, message + b"x", signature)
        for wrong in (changed, beyond, signature[:-1], b""):
            assert not verify_package.ed25519_is_valid(signer.public_key, message, wrong)
