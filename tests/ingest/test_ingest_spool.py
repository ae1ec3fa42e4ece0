"""The spool against a list that can do the same, killed and cut in between."""

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
MEMORY = Path("/dev/shm")
MB = 1_000_000
LABELS = ("masuk", "keluar", "kamera-3")


def record(number: int, size: int = 0) -> SpoolRecord:
    return SpoolRecord(LABELS[number % 3], (b"%d:" % number, b"x" * size))


def number_of(body: bytes) -> int:
    return int(body.split(b":")[0])


def all_of(spool: Spool, at_once: int = 1000) -> list[int]:
    """Takes everything out."""
    found = []
    while taken := spool.peek(at_once):
        found += [number_of(each.body) for each in taken]
        spool.forget(len(taken))
    return found


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


class SpoolAgainstAList(RuleBasedStateMachine):
    """A kill -9 leaves what was written, so opening it again without a close must change nothing."""

    @initialize(limit=st.sampled_from([600, 3000, 100_000]))
    def begin(self, limit: int) -> None:
        self.folder = TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)  # a true disk takes milliseconds for each put
        self.limit = limit
        self.spool = self.opened()
        self.model: list[tuple[int, int]] = []
        self.next = 0

    def opened(self) -> Spool:
        return Spool(Path(self.folder.name), self.limit, lost=self.lost)

    def lost(self, label: str, count: int) -> None:
        raise AssertionError(f"{count} of {label} were lost, and nobody damaged them")

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            assert all_of(self.spool) == [number for number, _ in self.model]
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
    def take_some_of_what_is_read(self, limit: int, part: float) -> None:
        read = self.spool.peek(limit)
        assert [number_of(each.body) for each in read] == [number for number, _ in self.model[: len(read)]]
        assert bool(read) == bool(self.model)
        taken = read[: round(len(read) * part)]
        self.spool.forget(len(taken))
        self.model = self.model[len(taken) :]

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
        """As when the power fails before it reached the disk: what was taken may come again, nothing may be missing."""
        self.spool.close()
        (Path(self.folder.name) / "mark").write_bytes(b"")
        again = Spool(Path(self.folder.name), self.limit, lost=self.lost)
        numbers = all_of(again)
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


def test_what_the_power_cut_off_goes_and_the_rest_is_whole(tmp_path):
    """Every length at which the last file may end."""
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
            assert all_of(spool) == [*range(survivors), 9]


def test_a_damaged_picture_costs_that_picture_and_is_counted(tmp_path):
    lost: Counter[str] = Counter()
    with Spool(tmp_path, MB) as spool:
        spool.put([record(number, 100) for number in range(6)])
        (path,) = files(tmp_path)
        data = bytearray(path.read_bytes())
        for number in (0, 3):
            data[data.index(b"%d:" % number) + 50] ^= 1
        path.write_bytes(data)
    with Spool(tmp_path, MB, lost=lambda label, count: lost.update({label: count})) as spool:
        assert len(spool) == 6
        assert all_of(spool) == [1, 2, 4, 5]
        assert (len(spool), files(tmp_path)) == (0, [])
    assert lost == {LABELS[0]: 2}


def test_a_file_that_is_damaged_while_it_is_read_is_given_up_and_counted(tmp_path):
    lost: Counter[str] = Counter()
    with Spool(tmp_path, MB, lost=lambda label, count: lost.update({label: count})) as spool:
        spool.put([record(number, 100) for number in range(6)])
        (path,) = files(tmp_path)
        size = path.stat().st_size // 6
        path.write_bytes(path.read_bytes()[: 2 * size] + b"\0" * size + path.read_bytes()[3 * size :])
        assert all_of(spool) == [0, 1]
        spool.put([record(7)])
        assert all_of(spool) == [7]
    assert lost.total() == 4


def test_a_put_that_does_not_fit_leaves_everything_as_it_was(tmp_path):
    with Spool(tmp_path, 2000) as spool:
        spool.put([record(0, 900)])
        with pytest.raises(SpoolFull, match=r"holds 9\d\d of 2000 bytes"):
            spool.put([record(1, 100), record(2, 1900)])
        spool.put([record(3, 900)])
        assert all_of(spool) == [0, 3]


def test_the_space_that_is_to_stay_free_stays_free(tmp_path):
    disk = os.statvfs(tmp_path)
    with Spool(tmp_path, MB, keep_free_bytes=disk.f_blocks * disk.f_frsize) as spool:
        with pytest.raises(SpoolFull, match="stay free"):
            spool.put([record(0)])
        assert files(tmp_path) == []


CRAMPED = """
import sys
from resource import RLIMIT_FSIZE, setrlimit
from pathlib import Path
from etle.errors import SpoolFull
from ingest.delivery.spool import Record, Spool
setrlimit(RLIMIT_FSIZE, (1_000_000, 1_000_000))
with Spool(Path(sys.argv[1]), 10**9) as spool:
    spool.put([Record("masuk", (b"0:", b"x" * 400_000))])
    try:
        spool.put([Record("masuk", (b"1:", b"x" * 300_000)), Record("masuk", (b"2:", b"x" * 900_000))])
    except SpoolFull as error:
        sys.stdout.write(str(error))
    spool.put([Record("masuk", (b"3:", b"x" * 900_000))])
"""


def test_a_disk_that_fills_up_in_the_middle_of_a_write_keeps_what_was_there(tmp_path):
    """The system writes what fits and refuses the rest, as a full disk does."""
    done = subprocess.run([sys.executable, "-c", CRAMPED, tmp_path], capture_output=True, text=True, cwd=ROOT, check=True)
    assert "cannot be written" in done.stdout
    with Spool(tmp_path, 10**9) as spool:
        assert all_of(spool) == [0, 3]


def test_one_process_has_it(tmp_path):
    with Spool(tmp_path, MB), pytest.raises(ConfigError, match="another process uses this spool"):
        Spool(tmp_path, MB)
    Spool(tmp_path, MB).close()


WRITER = """
import sys
from pathlib import Path
from ingest.delivery.spool import Record, Spool
spool = Spool(Path(sys.argv[1]), 10**9)
for number in range(10**9):
    spool.put([Record("masuk", (b"%d:" % number, b"x" * 5000))])
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    if number % 3 == 2:
        taken = spool.peek(1)
        spool.forget(len(taken))
        sys.stdout.write(f"taken {taken[0].body.split(b':')[0].decode()}\\n")
        sys.stdout.flush()
"""


@pytest.mark.parametrize("lines", [10, 27, 60])
def test_killed_while_it_writes_it_has_what_it_said_it_had(tmp_path, lines):
    with subprocess.Popen([sys.executable, "-c", WRITER, tmp_path], stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        said += writer.stdout.read().splitlines(keepends=True)
    told = [line.strip() for line in said if line.endswith("\n")]
    put = [int(line) for line in told if line.isdecimal()]
    taken = [int(line.split()[1]) for line in told if line.startswith("taken")]
    with Spool(tmp_path, 10**9) as spool:
        left = all_of(spool, 100_000)
    assert left == list(range(left[0], left[-1] + 1))
    assert left[0] in (taken[-1] + 1, taken[-1] + 2)
    assert left[-1] in (put[-1], put[-1] + 1)
