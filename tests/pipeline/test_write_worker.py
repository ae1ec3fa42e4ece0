"""The write worker: it waits for stores, turns malformed messages into dead letters, and stores each violation once."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pytest

from etle.errors import EvidenceFull, EvidenceUnavailable, StoreError, StoreUnavailable
from etle.kafka.dead_letters import parse_dead_letters, replay
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Metrics
from etle.signing import Signer, message_verifier, public_file
from etle.testing import ListSink, ManualClock, MemoryBroker, MemoryCases, MemoryEvidence, a_file, a_violation_message
from etle.types import EvidenceFile, Violation, ViolationMessage
from etle.wire import Sign, violation_headers, violation_message_to_wire
from pipeline.evidence.writer import Writer
from pipeline.workers.write import SignaturePolicy, WriteWorker

NAMES = TopicNames("t")
FAILURES = [StoreUnavailable("PostgreSQL cannot be reached."), EvidenceFull("the disk is full.")]


class FailingSink(ListSink):
    """Raises the given errors first, one per call."""

    def __init__(self, *errors: StoreError) -> None:
        super().__init__()
        self.errors = list(errors)

    def put(self, message: ViolationMessage) -> bool:
        if self.errors:
            raise self.errors.pop(0)
        return super().put(message)


def unsigned_manifest(violation: Violation, files: tuple[EvidenceFile, ...]) -> EvidenceFile:
    return a_file(" ".join(file.sha256 for file in files).encode(), ".txt")


class Rig:
    """A broker with violations, and a write worker on it."""

    def __init__(self, sink: ListSink | Writer, policy: SignaturePolicy | None = None) -> None:
        self.policy = policy
        self.clock, self.metrics = ManualClock(), Metrics()
        self.broker = MemoryBroker({NAMES.violations: 2, NAMES.dead_letters: 1})
        self.sink = sink
        self.subscriber = self.broker.subscribe(NAMES.violations, NAMES.write_group)
        self.worker = self.new_worker()

    def new_worker(self) -> WriteWorker:
        return WriteWorker(self.subscriber, self.broker, self.sink, NAMES, self.clock, self.metrics, self.policy)

    def send(self, *messages: ViolationMessage, sign: Sign | None = None) -> None:
        for message in messages:
            value = violation_message_to_wire(message)
            self.broker.publish(NAMES.violations, value, key=str(message.violation.id).encode(), headers=violation_headers(value, sign))

    def steps(self, count: int, seconds: float = 1.0) -> int:
        handled = 0
        for _ in range(count):
            handled += self.worker.step(0)
            self.clock.advance(seconds)
        return handled

    @property
    def committed(self) -> int:
        return sum(position.offset for position in self.broker.groups[NAMES.violations, NAMES.write_group].positions.values())

    @property
    def dead_letters(self) -> Iterator[tuple[str, str]]:
        return ((letter.stage, letter.reason) for letter in parse_dead_letters(self.broker.messages(NAMES.dead_letters)))


def messages(count: int) -> list[ViolationMessage]:
    return [a_violation_message(str(number)) for number in range(count)]


def test_each_violation_is_stored_once_and_the_position_is_committed():
    rig = Rig(FailingSink())
    rig.send(*messages(20), *messages(20))
    rig.steps(10)
    assert len(rig.sink.messages) == 20
    assert rig.committed == 40
    assert rig.metrics.value("etle_violations_total", rule="red_light", outcome="repeated") == 20


@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_it_waits_at_the_same_message_while_a_store_is_unavailable_or_full(error):
    rig = Rig(FailingSink(error, error, error))
    rig.send(*messages(5))
    rig.steps(2)
    assert rig.worker.paused
    assert rig.committed == 0
    rig.steps(12)
    assert not rig.worker.paused
    assert len(rig.sink.messages) == 5
    assert not list(rig.dead_letters)


@pytest.mark.parametrize(
    "error, target, kind",
    [
        (StoreUnavailable("PostgreSQL cannot be reached."), "database", None),
        (EvidenceUnavailable("the bucket cannot be reached."), "evidence", "unavailable"),
        (EvidenceFull("the disk is full."), "evidence", "full"),
    ],
)
def test_the_metrics_show_what_it_waits_for(error, target, kind):
    rig = Rig(FailingSink(error))
    rig.send(*messages(1))
    rig.steps(2, seconds=0)
    assert rig.metrics.value("etle_paused", target=target) == 1
    counted = {kind: rig.metrics.value("etle_evidence_errors_total", kind=kind) for kind in ("full", "unavailable", "corrupt")}
    assert counted == {one: float(one == kind) for one in counted}
    rig.steps(4)
    assert rig.metrics.value("etle_paused", target=target) == 0


def test_the_delays_grow_and_are_reset_after_a_success():
    rig = Rig(FailingSink(*FAILURES * 3))
    rig.send(*messages(1))
    tries = []
    for second in range(120):
        before = len(rig.sink.errors)
        rig.worker.step(0)
        if len(rig.sink.errors) < before:
            tries.append(second)
        rig.clock.advance(1)
    assert [after - before for before, after in pairwise(tries)] == [1, 2, 5, 10, 30]
    rig.sink.errors = [FAILURES[0]]
    rig.send(a_violation_message("another"))
    rig.steps(4)
    assert len(rig.sink.messages) == 2


def test_a_partition_that_is_assigned_while_it_waits_is_stored_afterwards():
    rig = Rig(FailingSink(*FAILURES))
    other = rig.broker.subscribe(NAMES.violations, NAMES.write_group)
    rig.send(*messages(8))
    rig.steps(2)
    other.close()
    rig.steps(20)
    assert len(rig.sink.messages) == 8


MALFORMED = [
    pytest.param(b"hello", "violation message: ", id="not a violation message"),
    pytest.param(
        violation_message_to_wire(replace(a_violation_message("1"), files=())), "does not contain these files", id="without its files"
    ),
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


@pytest.mark.parametrize("value, reason", MALFORMED)
def test_a_malformed_message_becomes_a_dead_letter_and_the_others_are_stored(value, reason):
    rig = Rig(Writer(MemoryCases(), MemoryEvidence(), unsigned_manifest))
    rig.broker.publish(NAMES.violations, value, key=b"1")
    rig.send(a_violation_message("2"))
    rig.steps(4)
    ((stage, reason_found),) = rig.dead_letters
    assert stage == "write"
    assert reason in reason_found
    assert rig.metrics.value("etle_violations_total", rule="red_light", outcome="written") == 1


def test_a_replayed_dead_letter_is_stored_and_marked():
    rig = Rig(FailingSink(StoreError("PostgreSQL refuses a value")))
    rig.send(a_violation_message("1"))
    rig.steps(4)
    (letter,) = parse_dead_letters(rig.broker.messages(NAMES.dead_letters))
    replay([letter], rig.broker, NAMES.dead_letters)
    rig.steps(4)
    assert [kept.violation.id for kept in rig.sink.messages] == [a_violation_message("1").violation.id]
    (letter,) = parse_dead_letters(rig.broker.messages(NAMES.dead_letters))
    assert letter.replayed


def test_killed_between_row_and_commit_the_case_is_stored_once():
    rig = Rig(FailingSink())
    rig.send(*messages(3))
    rig.worker.step(0)
    rig.broker.groups[NAMES.violations, NAMES.write_group].positions.clear()
    rig.subscriber.close()
    rig.subscriber = rig.broker.subscribe(NAMES.violations, NAMES.write_group)
    rig.worker = rig.new_worker()
    rig.steps(4)
    assert len(rig.sink.messages) == 3


@pytest.mark.parametrize("unsigned", ["refuse", "mark"])
def test_only_violations_that_a_detect_worker_signed_are_believed(tmp_path: Path, unsigned: Literal["refuse", "mark"]) -> None:
    ours, rogue = Signer.from_file(tmp_path / "ours.pem"), Signer.from_file(tmp_path / "rogue.pem")
    policy = SignaturePolicy(verify=message_verifier([public_file(tmp_path / "ours.pem")]), unsigned=unsigned)
    rig = Rig(FailingSink(), policy)
    signed, forged, bare = messages(3)
    rig.send(signed, sign=ours.sign)
    rig.send(forged, sign=rogue.sign)
    rig.send(bare)
    rig.steps(3)
    stored = {message.violation.id: message.violation.marks for message in rig.sink.messages}  # type: ignore[union-attr]
    reasons = [reason for _, reason in rig.dead_letters]
    if unsigned == "refuse":
        assert stored == {signed.violation.id: ()}
        assert len(reasons) == 2 and all("has no signature of a detect worker" in reason for reason in reasons)
    else:
        assert stored == {signed.violation.id: (), forged.violation.id: ("unsigned",), bare.violation.id: ("unsigned",)}
        assert reasons == []


def test_a_signature_of_another_message_is_none(tmp_path: Path) -> None:
    ours = Signer.from_file(tmp_path / "ours.pem")
    rig = Rig(FailingSink(), SignaturePolicy(verify=message_verifier([public_file(tmp_path / "ours.pem")])))
    one, two = (violation_message_to_wire(message) for message in messages(2))
    rig.broker.publish(NAMES.violations, two, key=b"2", headers=violation_headers(one, ours.sign))
    rig.steps(2)
    assert len(list(rig.dead_letters)) == 1


def test_a_second_violation_of_the_same_plate_and_rule_within_a_minute_is_marked():
    cases = MemoryCases()
    rig = Rig(Writer(cases, MemoryEvidence(), unsigned_manifest))
    rig.send(*messages(2))  # as after frames were published again: the same moment under another id
    rig.steps(3)
    assert sorted(case.violation.marks for case in cases.cases()) == [(), ("repeated",)]


@pytest.mark.parametrize("committed", [pytest.param(False, id="before it had a position"), pytest.param(True, id="while it was away")])
def test_messages_that_expired_unread_are_counted(committed: bool, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(ListSink())
    rig.broker.topics[NAMES.violations] = [[], []]
    rig.send(*messages(6))
    if committed:
        rig.steps(3)
        rig.send(*(a_violation_message(f"later {number}") for number in range(6)))
    read = [len(partition) for partition in rig.broker.topics[NAMES.violations]]
    handled = [position.offset for _, position in sorted(rig.broker.groups[NAMES.violations, NAMES.write_group].positions.items())] or [
        0,
        0,
    ]
    for number, end in enumerate(read):
        rig.broker.expired[NAMES.violations, number] = max(0, end - 1)
    rig.subscriber.close()
    rig.subscriber = rig.broker.subscribe(NAMES.violations, NAMES.write_group)
    stored = len(rig.sink.messages)
    rig.worker = rig.new_worker()
    rig.steps(3)
    lost = sum(max(0, end - 1 - offset) for end, offset in zip(read, handled, strict=True))
    assert lost > 0 and len(rig.sink.messages) - stored == sum(end > 0 for end in read)
    assert rig.metrics.value("etle_expired_messages_total", topic=NAMES.violations) == lost
    assert "messages were deleted by the broker before they were processed" in caplog.text


def test_messages_that_expire_while_it_waits_are_counted() -> None:
    rig = Rig(FailingSink(*[StoreUnavailable("away")] * 2))
    rig.send(*messages(12))
    rig.steps(1)
    for number in range(2):
        rig.broker.expired[NAMES.violations, number] = 2
    rig.steps(20)
    assert len(rig.sink.messages) == 8
    assert rig.metrics.value("etle_expired_messages_total", topic=NAMES.violations) == 4


@pytest.mark.parametrize("running", [True, False])
def test_a_topic_that_was_made_again_is_read_from_its_beginning(running: bool, caplog: pytest.LogCaptureFixture) -> None:
    rig = Rig(ListSink())
    rig.send(*messages(12))
    rig.steps(3)
    rig.broker.topics[NAMES.violations] = [[], []]
    rig.send(*(a_violation_message(f"new {number}") for number in range(2)))
    if not running:
        rig.subscriber.close()
        rig.subscriber = rig.broker.subscribe(NAMES.violations, NAMES.write_group)
        rig.worker = rig.new_worker()
    rig.steps(3)
    assert len(rig.sink.messages) == 14
    assert "another log" in caplog.text or "an earlier log" in caplog.text
