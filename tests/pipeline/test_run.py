"""Source, stage and sink together: whatever dies whenever, each violation is there once."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from drawn import MARK, RED_LIGHT, STOP_LINE, driving, frames, site, stage

from etle.errors import SourceBroken, StoreUnavailable
from etle.types import Frame, ViolationId, ViolationMessage
from pipeline.workers.embedded import CameraRun, RunCallbacks, last_checkpoint

WATCHED = site(RED_LIGHT, STOP_LINE)
STREET = frames([driving(5, 45, 40, 60), driving(30, 70, 40, 62)], 80)


class Killed(Exception):
    """The process is no more."""


class Footage:
    """Frames that can be read again; dies, or breaks off, before one of them."""

    live = False

    def __init__(self, dies_at: int | None = None, breaks_at: int | None = None) -> None:
        self._dies_at = dies_at
        self._breaks_at = breaks_at
        self.read_from: int | None = None

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        for frame in STREET:
            if after is not None and frame.sequence <= after:
                continue
            if self.read_from is None:
                self.read_from = frame.sequence
            if frame.sequence == self._dies_at:
                raise Killed
            if frame.sequence == self._breaks_at:
                raise SourceBroken("clip.mp4: breaks off")
            yield frame


class Shelf:
    """A sink that knows what it has; dies before or after the n-th parcel is safe, or is away for a while."""

    def __init__(self) -> None:
        self.kept: dict[ViolationId, ViolationMessage] = {}
        self.dies_before: int | None = None
        self.dies_after: int | None = None
        self.away = 0

    def put(self, parcel: ViolationMessage) -> bool:
        if self.away:
            self.away -= 1
            raise StoreUnavailable("PostgreSQL cannot be reached.")
        if len(self.kept) == self.dies_before:
            raise Killed
        new = parcel.violation.id not in self.kept
        assert new or self.kept[parcel.violation.id] == parcel, "a replay gives the same parcel, byte for byte"
        self.kept[parcel.violation.id] = parcel
        if len(self.kept) == self.dies_after:
            self.dies_after = None
            raise Killed
        return new


class Notes:
    """Checkpoints in memory."""

    def __init__(self) -> None:
        self.saved: dict[str, tuple[int, bytes]] = {}

    def save(self, stream: str, position: int, state: bytes) -> None:
        self.saved[stream] = (position, state)

    def load(self, stream: str) -> tuple[int, bytes] | None:
        return self.saved.get(stream)


class Patience:
    def __init__(self) -> None:
        self.slept: list[float] = []

    def now(self) -> datetime:
        return datetime(2026, 11, 25, tzinfo=UTC)

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


class Told:
    def __init__(self) -> None:
        self.done: list[int] = []
        self.broken: list[str] = []
        self.new: list[bool] = []

    def reports(self) -> RunCallbacks:
        return RunCallbacks(
            frame=lambda frame: self.done.append(frame.sequence),
            broken=lambda frame, reason: self.broken.append(reason),
            violation=lambda violation, new: self.new.append(new),
        )


def run(source: Footage, shelf: Shelf, notes: Notes, told: Told | None = None, clock: Patience | None = None) -> None:
    start = last_checkpoint(notes, "tes/cam-1", MARK)
    made = stage(WATCHED, start.memory)
    CameraRun(made, source, shelf, notes, clock or Patience(), "tes/cam-1", start.after, (told or Told()).reports()).run()


@pytest.fixture(scope="module")
def undisturbed() -> dict[ViolationId, ViolationMessage]:
    shelf = Shelf()
    run(Footage(), shelf, Notes())
    assert len(shelf.kept) == 2
    return shelf.kept


def without_run(kept):
    """What was kept, without the run's own name."""
    return {name: (parcel.violation.pictures, parcel.violation.clip, parcel.files) for name, parcel in kept.items()}


@pytest.mark.parametrize("dies_at", [0, 1, 22, 26, 35, 36, 41, 47, 62, 79])
def test_killed_at_any_frame_the_violations_are_those_of_an_undisturbed_run(dies_at, undisturbed):
    shelf, notes = Shelf(), Notes()
    with pytest.raises(Killed):
        run(Footage(dies_at=dies_at), shelf, notes)
    run(Footage(), shelf, notes)
    assert without_run(shelf.kept) == without_run(undisturbed)


@pytest.mark.parametrize("dies_at", [36, 41, 62])
def test_killed_again_while_it_reads_again_what_it_needs_it_still_has_all_its_pictures(dies_at, undisturbed):
    shelf, notes = Shelf(), Notes()
    with pytest.raises(Killed):
        run(Footage(dies_at=dies_at), shelf, notes)
    for again in (3, 8, 15):
        with pytest.raises(Killed):
            run(Footage(dies_at=(notes.saved["tes/cam-1"][0] + again)), shelf, notes)
    run(Footage(), shelf, notes)
    assert without_run(shelf.kept) == without_run(undisturbed)


@pytest.mark.parametrize("moment", ["dies_before", "dies_after"])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_killed_around_any_write_nothing_is_lost_and_nothing_doubled(moment, count, undisturbed):
    shelf, notes = Shelf(), Notes()
    setattr(shelf, moment, count)
    try:
        run(Footage(), shelf, notes)
    except Killed:
        shelf.dies_before = shelf.dies_after = None
        run(Footage(), shelf, notes)
    assert without_run(shelf.kept) == without_run(undisturbed)


def test_a_second_run_looks_at_nothing_again():
    shelf, notes, told = Shelf(), Notes(), Told()
    run(Footage(), shelf, notes)
    run(Footage(), shelf, notes, told)
    assert told.done == []
    assert told.new == []


def test_after_a_kill_only_what_evidence_needs_is_read_again():
    notes, source = Notes(), Footage()
    with pytest.raises(Killed):
        run(Footage(dies_at=79), Shelf(), notes)
    run(source, Shelf(), notes)
    assert source.read_from is not None and source.read_from > 0


def test_the_database_away_is_waited_for():
    shelf, clock, told = Shelf(), Patience(), Told()
    shelf.away = 3
    run(Footage(), shelf, Notes(), told, clock)
    assert clock.slept == [1.0, 2.0, 5.0]
    assert told.new == [True, True]


def test_a_source_that_breaks_off_still_gives_what_was_complete():
    shelf, notes = Shelf(), Notes()
    with pytest.raises(SourceBroken):
        run(Footage(breaks_at=50), shelf, notes)
    assert len(shelf.kept) == 1


def test_another_configuration_begins_anew():
    notes = Notes()
    run(Footage(), Shelf(), notes)
    other = last_checkpoint(notes, "tes/cam-1", type(MARK)("b" * 64))
    assert other.after is None
    assert other.memory.processed == -1
