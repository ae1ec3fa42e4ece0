"""`run_worker`: a new worker after each failure of the broker, until the stop event is set."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from etle.errors import BrokerUnavailable, EvidenceUnavailable, InferenceError, StoreUnavailable
from etle.observability.health import Health
from etle.observability.metrics import Metrics
from pipeline.workers.supervise import open_when_available, run_worker


def test_an_evidence_store_that_is_away_at_the_start_is_named_and_counted():
    stop, metrics, errors = RecordingEvent(), Metrics(), [EvidenceUnavailable("503 SlowDown")]
    seen: list[float | None] = []

    def wait(timeout: float | None = None) -> bool:
        seen.extend(metrics.value("etle_paused", target=target) for target in ("evidence", "database"))
        return False

    stop.wait = wait  # type: ignore[method-assign]

    def open_stores() -> str:
        if errors:
            raise errors.pop()
        return "stores"

    assert open_when_available(open_stores, "write", stop, Health(), metrics) == "stores"
    assert seen == [1, 0]
    assert metrics.value("etle_pauses_total", target="evidence") == 1
    assert metrics.value("etle_evidence_errors_total", kind="unavailable") == 1


UNAVAILABLE = BrokerUnavailable("Kafka cannot be reached at k:1")


class RecordingEvent(threading.Event):
    """A stop event that records waits and returns from them at once."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.lines.append(f"waits {timeout:g}")
        return self.is_set()


class ScriptedWorker:
    """Result of each step: a number of messages, an error, or None to set the stop event."""

    def __init__(self, script: list[int | Exception | None], stop: RecordingEvent) -> None:
        self._script = script
        self._stop = stop

    def step(self, timeout_s: float) -> int:
        result = self._script.pop(0)
        if isinstance(result, Exception):
            raise result
        if result is None:
            self._stop.set()
        self._stop.lines.append("step")
        return result or 0

    def save(self) -> None:
        self._stop.lines.append("save")


def run_script(script: list[int | Exception | None]) -> list[str]:
    stop = RecordingEvent()

    @contextmanager
    def open_worker() -> Iterator[ScriptedWorker]:
        stop.lines.append("open")
        yield ScriptedWorker(script, stop)
        stop.lines.append("close")

    run_worker(open_worker, "detect", stop, Health(), Metrics())
    return stop.lines


@pytest.mark.parametrize(
    "script, lines",
    [
        pytest.param([1, None], ["open", "step", "step", "save", "close"], id="saves when it is stopped"),
        pytest.param(
            [UNAVAILABLE, 1, None],
            ["open", "waits 1", "open", "step", "step", "save", "close"],
            id="opens a new worker after the broker was unavailable",
        ),
        pytest.param(
            [UNAVAILABLE, UNAVAILABLE, None], ["open", "waits 1", "open", "waits 2", "open", "step", "save", "close"], id="delays grow"
        ),
        pytest.param(
            [UNAVAILABLE, UNAVAILABLE, 1, UNAVAILABLE, None],
            ["open", "waits 1", "open", "waits 2", "open", "step", "waits 1", "open", "step", "save", "close"],
            id="a step with messages resets the delay",
        ),
    ],
)
def test_a_worker_is_replaced_until_it_is_stopped(script, lines):
    assert run_script(script) == lines


def test_an_error_that_waiting_does_not_solve_is_raised():
    with pytest.raises(InferenceError):
        run_script([1, InferenceError("the weights are damaged")])


def test_stores_are_opened_once_the_database_is_available():
    stop, results = RecordingEvent(), iter([StoreUnavailable("PostgreSQL cannot be reached."), "stores"])

    def open_stores() -> str:
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    assert open_when_available(open_stores, "write", stop, Health(), Metrics()) == "stores"
    assert stop.lines == ["waits 1"]
