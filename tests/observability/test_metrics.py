"""Metrics, liveness and logs as the tools of an operator read them."""

import argparse
import io
import json
import logging
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

pytest.importorskip("prometheus_client", reason="needs the `ingest` extra")

from prometheus_client.parser import text_string_to_metric_families

from etle.errors import ConfigError
from etle.observability.health import Health
from etle.observability.logs import LogFormat, configure_logging
from etle.observability.metrics import Dependency, EvidenceError, FrameOutcome, Metrics, ViolationOutcome
from etle.observability.server import serve
from etle_cli.options.observability import add_observability_options, open_observability


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def health(seconds: Seconds) -> Health:
    return Health(seconds)


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture
def port(metrics: Metrics, health: Health) -> Iterator[int]:
    with serve(0, metrics, health, host="127.0.0.1") as chosen:
        yield chosen


def test_every_metric_has_its_documented_name(metrics: Metrics) -> None:
    metrics.frame("cam-1", FrameOutcome.SENT, 3)
    metrics.frame("cam-1", FrameOutcome.LOST)
    metrics.last_frame("cam-1", datetime(2026, 11, 25, tzinfo=UTC))
    metrics.clock_skew("cam-1", -1.5)
    metrics.camera_awaited("cam-1", True)
    metrics.camera_trouble("cam-1", "gap", 2)
    metrics.lag("etle.frames.v1", 2.5)
    metrics.inference("yolo", 0.03)
    metrics.violation("red_light", ViolationOutcome.WRITTEN)
    metrics.spool(frames=7, bytes_=700, limit_bytes=1000)
    metrics.dead_letter("detect")
    metrics.evidence_error(EvidenceError.FULL)
    metrics.evidence_stored(250)
    metrics.vendor_message("acme", "refused")
    metrics.signal_reading("cam-1", "barat", known=False)
    metrics.judged("cam-1", "red_light", "signal_unknown")
    metrics.view_checked("cam-1", {"dark": True, "moved": False})
    expected = [
        ("etle_frames_total", {"camera": "cam-1", "outcome": "sent"}, 3),
        ("etle_frames_total", {"camera": "cam-1", "outcome": "lost"}, 1),
        ("etle_last_frame_timestamp_seconds", {"camera": "cam-1"}, 1795564800),
        ("etle_clock_skew_seconds", {"camera": "cam-1"}, -1.5),
        ("etle_camera_awaited", {"camera": "cam-1"}, 1),
        ("etle_camera_troubles_total", {"camera": "cam-1", "kind": "gap"}, 2),
        ("etle_lag_seconds", {"topic": "etle.frames.v1"}, 2.5),
        ("etle_inference_seconds_count", {"model": "yolo"}, 1),
        ("etle_violations_total", {"rule": "red_light", "outcome": "written"}, 1),
        ("etle_spool_frames", {}, 7),
        ("etle_spool_bytes", {}, 700),
        ("etle_spool_limit_bytes", {}, 1000),
        ("etle_dead_letters_total", {"stage": "detect"}, 1),
        ("etle_evidence_errors_total", {"kind": "full"}, 1),
        ("etle_evidence_bytes_total", {}, 250),
        ("etle_vendor_messages_total", {"vendor": "acme", "outcome": "refused"}, 1),
        ("etle_signal_readings_total", {"camera": "cam-1", "signal": "barat", "known": "no"}, 1),
        ("etle_judged_vehicles_total", {"camera": "cam-1", "rule": "red_light", "reason": "signal_unknown"}, 1),
        ("etle_view_fault", {"camera": "cam-1", "fault": "dark"}, 1),
        ("etle_view_fault", {"camera": "cam-1", "fault": "moved"}, 0),
    ]
    for name, labels, value in expected:
        assert metrics.value(name, **labels) == value, name
        assert name in metrics.names()


def test_the_number_of_rule_labels_is_bounded(metrics: Metrics) -> None:
    for rule in ("", "Red Light", "x" * 1000, *(f"rule_{number}" for number in range(60))):
        metrics.violation(rule, ViolationOutcome.WRITTEN)
    assert metrics.value("etle_violations_total", rule="rule_49", outcome="written") == 1
    assert metrics.value("etle_violations_total", rule="rule_50", outcome="written") is None
    assert metrics.value("etle_violations_total", rule="unknown", outcome="written") == 13


def test_counters_exist_with_zero_before_the_first_event(metrics: Metrics) -> None:
    metrics.init_frames("cam-1", FrameOutcome.LOST)
    metrics.init_dead_letters("detect")
    assert metrics.value("etle_frames_total", camera="cam-1", outcome="lost") == 0
    assert metrics.value("etle_dead_letters_total", stage="detect") == 0
    assert metrics.value("etle_evidence_errors_total", kind="corrupt") == 0
    assert metrics.value("etle_paused", target="broker") == 0


def test_a_pause_is_shown_while_it_lasts_and_counted_once(metrics: Metrics) -> None:
    with metrics.waiting_for(Dependency.DATABASE):
        assert metrics.value("etle_paused", target="database") == 1
    assert metrics.value("etle_paused", target="database") == 0
    assert metrics.value("etle_pauses_total", target="database") == 1


def test_two_registries_in_one_process_do_not_mix() -> None:
    one, other = Metrics(), Metrics()
    one.dead_letter("write")
    assert other.value("etle_dead_letters_total", stage="write") is None


def test_prometheus_can_parse_the_response(port: int, metrics: Metrics) -> None:
    metrics.frame("cam-1", FrameOutcome.PROCESSED)
    status, text = get(port, "/metrics")
    families = {family.name for family in text_string_to_metric_families(text)}
    assert status == 200
    assert {"etle_frames", "etle_build_info", "process_resident_memory_bytes", "process_open_fds"} <= families


def test_a_role_whose_loop_sends_heartbeats_is_healthy(port: int, health: Health, seconds: Seconds) -> None:
    health.register("capture", 30)
    seconds.now += 29
    health.heartbeat("capture")
    seconds.now += 29
    status, text = get(port, "/healthz")
    assert status == 200
    expected = {"ok": True, "state": "ok", "problems": [], "degraded": [], "seconds_since_turn": {"capture": 29.0}}
    assert json.loads(text) == expected


def test_a_camera_that_moved_degrades_the_role_and_restarts_nothing(port: int, metrics: Metrics) -> None:
    metrics.view_checked("cam-1", {"moved": True}, paused=True)
    metrics.view_checked("cam-2", {"moved": False})
    status, text = get(port, "/healthz")
    answer = json.loads(text)
    assert (status, answer["ok"], answer["state"]) == (200, False, "degraded")
    assert answer["degraded"] == ["camera cam-1 looks elsewhere: its rules pause"]
    metrics.view_checked("cam-1", {"moved": False})
    metrics.view_checked("cam-2", {"moved": True}, paused=True)
    metrics.camera_left("cam-2")
    assert json.loads(get(port, "/healthz")[1])["state"] == "ok"


def test_a_stuck_loop_is_named_with_the_time_since_its_heartbeat(port: int, health: Health, seconds: Seconds) -> None:
    health.register("capture", 30)
    health.register("send", 60)
    seconds.now += 31
    status, text = get(port, "/healthz")
    assert status == 503
    assert json.loads(text)["problems"] == ["capture has made no progress for 31 s (limit: 30 s)"]


def test_a_failed_loop_is_named_with_its_reason_until_it_is_forgotten(health: Health, seconds: Seconds) -> None:
    health.register("detect", 10)
    health.failed("detect", "the model failed")
    seconds.now += 11
    health.heartbeat("detect")
    assert health.problems() == ("detect failed: the model failed",)
    health.forget("detect")
    assert health.problems() == ()


def test_a_loop_that_is_not_registered_is_not_checked(health: Health, seconds: Seconds) -> None:
    health.heartbeat("idle")
    seconds.now += 1e6
    assert health.problems() == ()


def test_other_paths_are_not_found(port: int) -> None:
    assert get(port, "/")[0] == 404


def test_a_port_in_use_is_an_error(metrics: Metrics, health: Health) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"127\.0\.0\.1:{taken}.*--metrics"), serve(taken, metrics, health, host="127.0.0.1"):
            pass


@pytest.fixture
def log_output() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    root.handlers = []
    yield io.StringIO()
    root.handlers = before
    root.setLevel(level)


def test_a_json_log_has_one_object_per_line_with_the_extra_fields(log_output: io.StringIO) -> None:
    configure_logging(LogFormat.JSON, logging.INFO, log_output)
    logging.getLogger("etle.x").info("camera %s is\nsilent", "cam-1", extra={"camera": "cam-1", "silent_s": 12.5})
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("etle.x").exception("it failed", extra={"message_key": b"k"})
    logging.getLogger("etle.x").debug("not at this level")
    first, second = (json.loads(line) for line in log_output.getvalue().splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("info", "etle.x", "camera cam-1 is\nsilent")
    assert (first["camera"], first["silent_s"]) == ("cam-1", 12.5)
    assert datetime.fromisoformat(first["at"]).tzinfo is not None
    assert "ValueError: broken" in second["exception"]


def test_a_text_log_has_the_extra_fields_after_the_message(log_output: io.StringIO) -> None:
    configure_logging(LogFormat.TEXT, logging.WARNING, log_output)
    logging.getLogger("etle.x").warning("silent", extra={"camera": "cam-1"})
    logging.getLogger("etle.x").info("not at this level")
    assert log_output.getvalue() == "WARNING silent camera=cam-1\n"


def test_the_options_open_metrics_and_health() -> None:
    own = argparse.ArgumentParser()
    add_observability_options(own)
    with open_observability(own.parse_args([]).metrics) as seen:
        seen.metrics.dead_letter("detect")
        assert seen.metrics.value("etle_dead_letters_total", stage="detect") == 1
    with open_observability(own.parse_args(["--metrics", "0", "--log", "json"]).metrics) as seen:
        assert seen.health.problems() == ()
    with pytest.raises(SystemExit):
        own.parse_args(["--metrics", "70000"])


def test_paused_rules_are_shown_by_camera_and_not_among_the_servers(metrics: Metrics):
    metrics.view_checked("cam-1", {"moved": True}, paused=True)
    assert metrics.value("etle_rules_paused", camera="cam-1") == 1 and metrics.value("etle_paused", target="cam-1") is None
    metrics.view_checked("cam-1", {"moved": False})
    assert metrics.value("etle_rules_paused", camera="cam-1") == 0
