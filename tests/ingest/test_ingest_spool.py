"""The spool compared with a list, with kills, truncated files and damaged records."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from etle.errors import ConfigError, SpoolFull
from ingest.delivery.spool import Spool, SpoolRecord

ROOT = Path(__file__).parents[2]
RAM_DISK = Path("/dev/shm")
MB = 1_000_000
LABELS = ("masuk", "keluar", "kamera-3")


def record(number: int, size: int = 0) -> SpoolRecord:
    return SpoolRecord(LABELS[number % 3], (b"%d:" % number, b"x" * size))


def number_of(body: bytes) -> int:
    return int(body.split(b":")[0])


def read_all(spool: Spool, limit_bytes: int = 1000) -> list[int]:
    """Numbers of all records, which are removed."""
    found = []
    while removed := spool.peek(limit_bytes):
        found += [number_of(each.body) for each in removed]
        spool.remove_oldest(len(removed))
    return found


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


class SpoolAgainstAList(RuleBasedStateMachine):
    """A kill -9 leaves what was written, so opening the folder again without closing the spool must change nothing."""

    @initialize(limit=st.sampled_from([600, 3000, 100_000]))
    def open_spool(self, limit: int) -> None:
        self.folder = TemporaryDirectory(dir=RAM_DISK if RAM_DISK.is_dir() else None)  # a real disk takes milliseconds for each put
        self.limit = limit
        self.spool = self.opened()
        self.model: list[tuple[int, int]] = []
        self.next = 0

    def opened(self) -> Spool:
        return Spool(Path(self.folder.name), self.limit, on_damaged=self.fail)

    def fail(self, label: str, count: int) -> None:
        raise AssertionError(f"{count} records of {label} were reported as damaged, but none is")

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            assert read_all(self.spool) == [number for number, _ in self.model]
            self.spool.close()
            self.folder.cleanup()

    @rule(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=6))
    def put(self, sizes: list[int]) -> None:
        numbers = range(self.next, self.next + len(sizes))
        try:
            self.spool.put([record(*each) for each in zip(numbers, sizes, strict=True)])
        except SpoolFull:
            return
        self.model += zip(numbers, sizes, strict=True)
        self.next += len(sizes)

    @rule(limit=st.integers(1, 1000), part=st.floats(0, 1))
    def remove_some_of_what_was_read(self, limit: int, part: float) -> None:
        read = self.spool.peek(limit)
        assert [number_of(each.body) for each in read] == [number for number, _ in self.model[: len(read)]]
        assert bool(read) == bool(self.model)
        removed = read[: round(len(read) * part)]
        self.spool.remove_oldest(len(removed))
        self.model = self.model[len(removed) :]

    @precondition(lambda self: self.model)
    @rule()
    def drop_the_oldest(self) -> None:
        dropped = self.spool.drop_oldest()
        assert dropped == Counter(LABELS[number % 3] for number, _ in self.model[: dropped.total()])
        assert dropped
        self.model = self.model[dropped.total() :]

    @rule()
    def stop_and_start(self) -> None:
        self.spool.close()
        self.spool = self.opened()

    @rule()
    def lose_the_mark(self) -> None:
        """As after a power failure: removed records may be read again, but none may be missing."""
        self.spool.close()
        (Path(self.folder.name) / "mark").write_bytes(b"")
        again = Spool(Path(self.folder.name), self.limit, on_damaged=self.fail)
        numbers = read_all(again)
        again.close()
        self.spool = self.opened()
        wanted = [number for number, _ in self.model]
        assert numbers[len(numbers) - len(wanted) :] == wanted
        assert numbers == sorted(numbers)
        self.model = []

    @invariant()
    def counts_and_bound(self) -> None:
        if hasattr(self, "spool"):
            assert len(self.spool) == len(self.model)
            assert sum(path.stat().st_size for path in files(Path(self.folder.name))) == self.spool.size_bytes <= self.limit


TestSpoolAgainstAList = SpoolAgainstAList.TestCase
TestSpoolAgainstAList.settings = settings(max_examples=120, stateful_step_count=30, deadline=None)


def test_an_incomplete_last_record_is_discarded_and_the_others_are_kept(tmp_path):
    """For every length at which the last file may end."""
    with Spool(tmp_path / "whole", MB) as spool:
        spool.put([record(number, 20) for number in range(4)])
    (whole,) = files(tmp_path / "whole")
    data = whole.read_bytes()
    ends = [data.index(b"%d:" % number) + 22 for number in range(4)]
    assert ends[-1] == len(data)
    for length in range(len(data) + 1):
        folder = tmp_path / str(length)
        folder.mkdir()
        (folder / whole.name).write_bytes(data[:length])
        with Spool(folder, MB) as spool:
            survivors = sum(end <= length for end in ends)
            spool.put([record(9)])
            assert read_all(spool) == [*range(survivors), 9]


def test_a_damaged_body_loses_only_its_record_and_is_counted(tmp_path):
    lost: Counter[str] = Counter()
    with Spool(tmp_path, MB) as spool:
        spool.put([record(number, 100) for number in range(6)])
        (path,) = files(tmp_path)
        data = bytearray(path.read_bytes())
        for number in (0, 3):
            data[data.index(b"%d:" % number) + 50] ^= 1
        path.write_bytes(data)
    with Spool(tmp_path, MB, on_damaged=lambda label, count: lost.update({label: count})) as spool:
        assert len(spool) == 6
        assert read_all(spool) == [1, 2, 4, 5]
        assert (len(spool), files(tmp_path)) == (0, [])
    assert lost == {LABELS[0]: 2}


def test_a_file_with_a_damaged_header_is_discarded_from_there_and_counted(tmp_path):
    lost: Counter[str] = Counter()
    with Spool(tmp_path, MB, on_damaged=lambda label, count: lost.update({label: count})) as spool:
        spool.put([record(number, 100) for number in range(6)])
        (path,) = files(tmp_path)
        size = path.stat().st_size // 6
        path.write_bytes(path.read_bytes()[: 2 * size] + b"\0" * size + path.read_bytes()[3 * size :])
        assert read_all(spool) == [0, 1]
        spool.put([record(7)])
        assert read_all(spool) == [7]
    assert lost.total() == 4


def test_a_put_that_does_not_fit_changes_nothing(tmp_path):
    with Spool(tmp_path, 2000) as spool:
        spool.put([record(0, 900)])
        with pytest.raises(SpoolFull, match=r"holds 9\d\d of 2000 bytes"):
            spool.put([record(1, 100), record(2, 1900)])
        spool.put([record(3, 900)])
        assert read_all(spool) == [0, 3]


def test_the_reserved_disk_space_stays_free(tmp_path):
    disk = os.statvfs(tmp_path)
    with Spool(tmp_path, MB, keep_free_bytes=disk.f_blocks * disk.f_frsize) as spool:
        with pytest.raises(SpoolFull, match="must stay free"):
            spool.put([record(0)])
        assert files(tmp_path) == []


LIMITED_DISK = """
import sys
from resource import RLIMIT_FSIZE, setrlimit
from pathlib import Path
from etle.errors import SpoolFull
from ingest.delivery.spool import Spool, SpoolRecord
setrlimit(RLIMIT_FSIZE, (1_000_000, 1_000_000))
with Spool(Path(sys.argv[1]), 10**9) as spool:
    spool.put([SpoolRecord("masuk", (b"0:", b"x" * 400_000))])
    try:
        spool.put([SpoolRecord("masuk", (b"1:", b"x" * 300_000)), SpoolRecord("masuk", (b"2:", b"x" * 900_000))])
    except SpoolFull as error:
        sys.stdout.write(str(error))
    spool.put([SpoolRecord("masuk", (b"3:", b"x" * 900_000))])
"""


def test_a_disk_that_fills_up_during_a_write_keeps_the_records_before(tmp_path):
    """The size limit of the process acts like a full disk: the system writes what fits and rejects the rest."""
    done = subprocess.run([sys.executable, "-c", LIMITED_DISK, tmp_path], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "cannot be written" in done.stdout
    with Spool(tmp_path, 10**9) as spool:
        assert read_all(spool) == [0, 3]


def test_only_one_process_can_use_a_spool(tmp_path):
    with Spool(tmp_path, MB), pytest.raises(ConfigError, match="another process uses this spool"):
        Spool(tmp_path, MB)
    Spool(tmp_path, MB).close()


WRITER = """
import sys
from pathlib import Path
from ingest.delivery.spool import Spool, SpoolRecord
spool = Spool(Path(sys.argv[1]), 10**9)
for number in range(10**9):
    spool.put([SpoolRecord("masuk", (b"%d:" % number, b"x" * 5000))])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    if number % 3 == 2:
        removed = spool.peek(1)
        spool.remove_oldest(len(removed))
        sys.stdout.write(f"removed {removed[0].body.split(b':')[0].decode()}\\n")
        sys.stdout.flush()
"""


@pytest.mark.parametrize("lines", [10, 27, 60])
def test_a_killed_writer_leaves_every_record_that_it_acknowledged(tmp_path, lines):
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        output = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        output += writer.stdout.read().splitlines(keepends=True)
    lines_read = [line.strip() for line in output if line.endswith("\n")]
    put = [int(line) for line in lines_read if line.isdecimal()]
    removed = [int(line.split()[1]) for line in lines_read if line.startswith("removed")]
    with Spool(tmp_path, 10**9) as spool:
        left = read_all(spool, 100_000)
    assert left == list(range(left[0], left[-1] + 1))
    assert left[0] in (removed[-1] + 1, removed[-1] + 2)
    assert left[-1] in (put[-1], put[-1] + 1)
