"""The write worker: what is away is waited for, what makes no sense is set aside, and each violation becomes one case."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from etle.errors import EvidenceFull, EvidenceUnavailable, StoreError, StoreUnavailable
from etle.kafka.dead_letters import parse_dead_letters, replay
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Metrics
from etle.testing import ListSink, ManualClock, MemoryBroker, MemoryCases, MemoryEvidence, a_file, a_violation_message
from etle.types import EvidenceFile, Violation, ViolationMessage
from etle.wire import violation_message_to_wire
from pipeline.evidence.writer import Writer
from pipeline.workers.write import WriteWorker

NAMES = TopicNames("t")
TROUBLE = [StoreUnavailable("PostgreSQL cannot be reached."), EvidenceFull("the disk is full.")]


class Moody(ListSink):
    """Raises what is in `troubles` first, one at each try."""

    def __init__(self, *troubles: StoreError) -> None:
        super().__init__()
        self.troubles = list(troubles)

    def put(self, parcel: ViolationMessage) -> bool:
        if self.troubles:
            raise self.troubles.pop(0)
        return super().put(parcel)


def listed(violation: Violation, files: tuple[EvidenceFile, ...]) -> EvidenceFile:
    return a_file(" ".join(file.sha256 for file in files).encode(), ".txt")


class Desk:
    """A broker with violations in it, and a writer."""

    def __init__(self, sink: ListSink | Writer) -> None:
        self.clock, self.metrics = ManualClock(), Metrics()
        self.broker = MemoryBroker({NAMES.violations: 2, NAMES.dead_letters: 1})
        self.sink = sink
        self.subscriber = self.broker.subscribe(NAMES.violations, NAMES.write_group)
        self.worker = self.another()

    def another(self) -> WriteWorker:
        return WriteWorker(self.subscriber, self.broker, self.sink, NAMES, self.clock, self.metrics)

    def send(self, *parcels: ViolationMessage) -> None:
        for parcel in parcels:
            self.broker.publish(NAMES.violations, violation_message_to_wire(parcel), key=str(parcel.violation.id).encode())

    def steps(self, count: int, seconds: float = 1.0) -> int:
        done = 0
        for _ in range(count):
            done += self.worker.step(0)
            self.clock.advance(seconds)
        return done

    @property
    def positions(self) -> int:
        return sum(position.offset for position in self.broker.groups[NAMES.violations, NAMES.write_group].positions.values())

    @property
    def dead(self) -> Iterator[tuple[str, str]]:
        return ((letter.stage, letter.reason) for letter in parse_dead_letters(self.broker.messages(NAMES.dead_letters)))


def parcels(count: int) -> list[ViolationMessage]:
    return [a_violation_message(str(number)) for number in range(count)]


def test_each_violation_becomes_a_case_and_the_position_follows():
    desk = Desk(Moody())
    desk.send(*parcels(20), *parcels(20))
    desk.steps(10)
    assert len(desk.sink.messages) == 20
    assert desk.positions == 40
    assert desk.metrics.value("etle_violations_total", rule="red_light", outcome="repeated") == 20


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda trouble: type(trouble).__name__)
def test_what_is_away_or_full_is_waited_for_at_the_same_parcel(trouble):
    desk = Desk(Moody(trouble, trouble, trouble))
    desk.send(*parcels(5))
    desk.steps(2)
    assert desk.worker.paused
    assert desk.positions == 0
    desk.steps(12)
    assert not desk.worker.paused
    assert len(desk.sink.messages) == 5
    assert not list(desk.dead)


@pytest.mark.parametrize(
    "trouble, target, kind",
    [
        (StoreUnavailable("PostgreSQL cannot be reached."), "database", None),
        (EvidenceUnavailable("the bucket cannot be reached."), "evidence", "unavailable"),
        (EvidenceFull("the disk is full."), "evidence", "full"),
    ],
)
def test_what_it_waits_for_is_shown(trouble, target, kind):
    desk = Desk(Moody(trouble))
    desk.send(*parcels(1))
    desk.steps(2, seconds=0)
    assert desk.metrics.value("etle_paused", target=target) == 1
    counted = {kind: desk.metrics.value("etle_evidence_errors_total", kind=kind) for kind in ("full", "unavailable", "corrupt")}
    assert counted == {one: float(one == kind) for one in counted}
    desk.steps(4)
    assert desk.metrics.value("etle_paused", target=target) == 0


def test_the_pauses_grow_and_begin_anew_after_a_success():
    desk = Desk(Moody(*TROUBLE * 3))
    desk.send(*parcels(1))
    tries = []
    for second in range(120):
        before = len(desk.sink.troubles)
        desk.worker.step(0)
        if len(desk.sink.troubles) < before:
            tries.append(second)
        desk.clock.advance(1)
    assert [after - before for before, after in pairwise(tries)] == [1, 2, 5, 10, 30]
    desk.sink.troubles = [TROUBLE[0]]
    desk.send(a_violation_message("another"))
    desk.steps(4)
    assert len(desk.sink.messages) == 2


def test_a_partition_that_comes_while_it_waits_is_written_afterwards():
    desk = Desk(Moody(*TROUBLE))
    other = desk.broker.subscribe(NAMES.violations, NAMES.write_group)
    desk.send(*parcels(8))
    desk.steps(2)
    other.close()
    desk.steps(20)
    assert len(desk.sink.messages) == 8


POISON = [
    pytest.param(b"hello", "violation message: ", id="not a violation message"),
    pytest.param(violation_message_to_wire(replace(a_violation_message("1"), files=())), "does not contain these files", id="without its files"),
    pytest.param(
        violation_message_to_wire(
            replace(
                a_violation_message("1"), files=(replace(a_violation_message("1").files[0], data=b"x"), *a_violation_message("1").files[1:])
            )
        ),
        "has another digest",
        id="with a changed file",
    ),
]


@pytest.mark.parametrize("value, reason", POISON)
def test_what_makes_no_sense_is_set_aside_and_the_rest_is_written(value, reason):
    desk = Desk(Writer(MemoryCases(), MemoryEvidence(), listed))
    desk.broker.publish(NAMES.violations, value, key=b"1")
    desk.send(a_violation_message("2"))
    desk.steps(4)
    ((stage, told),) = desk.dead
    assert stage == "write"
    assert reason in told
    assert desk.metrics.value("etle_violations_total", rule="red_light", outcome="written") == 1


def test_a_letter_that_is_replayed_becomes_a_case_and_is_marked():
    desk = Desk(Moody(StoreError("PostgreSQL refuses a value")))
    desk.send(a_violation_message("1"))
    desk.steps(4)
    (letter,) = parse_dead_letters(desk.broker.messages(NAMES.dead_letters))
    replay([letter], desk.broker, NAMES.dead_letters)
    desk.steps(4)
    assert [kept.violation.id for kept in desk.sink.messages] == [a_violation_message("1").violation.id]
    (letter,) = parse_dead_letters(desk.broker.messages(NAMES.dead_letters))
    assert letter.replayed


def test_killed_between_the_row_and_the_position_the_case_is_there_once():
    desk = Desk(Moody())
    desk.send(*parcels(3))
    desk.worker.step(0)
    desk.broker.groups[NAMES.violations, NAMES.write_group].positions.clear()
    desk.subscriber.close()
    desk.subscriber = desk.broker.subscribe(NAMES.violations, NAMES.write_group)
    desk.worker = desk.another()
    desk.steps(4)
    assert len(desk.sink.messages) == 3
