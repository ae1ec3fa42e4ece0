"""A worker's life: a new one each time that the broker was away, until it is told to stop."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from etle.errors import BrokerUnavailable, InferenceError
from etle.observability.health import Health
from etle.observability.metrics import Metrics
from pipeline.workers.supervise import Pauses, run_worker

AWAY = BrokerUnavailable("Kafka cannot be reached at k:1")


class Diary(threading.Event):
    """An event that writes down what happens, and lets no time pass."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.lines.append(f"waits {timeout:g}")
        return self.is_set()


class Scripted:
    """What happens at each step: a number of messages, an error, or None for "now stop"."""

    def __init__(self, script: list[int | Exception | None], diary: Diary) -> None:
        self._script = script
        self._diary = diary

    def step(self, timeout_s: float) -> int:
        happens = self._script.pop(0)
        if isinstance(happens, Exception):
            raise happens
        if happens is None:
            self._diary.set()
        self._diary.lines.append("step")
        return happens or 0

    def save(self) -> None:
        self._diary.lines.append("save")


def lived(script: list[int | Exception | None]) -> Diary:
    diary = Diary()

    @contextmanager
    def opened() -> Iterator[Scripted]:
        diary.lines.append("open")
        yield Scripted(script, diary)
        diary.lines.append("close")

    run_worker(opened, "detect", diary, Health(), Metrics())
    return diary


@pytest.mark.parametrize(
    "script, lines",
    [
        pytest.param([1, None], ["open", "step", "step", "save", "close"], id="told to stop, it saves"),
        pytest.param(
            [AWAY, 1, None], ["open", "waits 1", "open", "step", "step", "save", "close"], id="a new one when the broker was away"
        ),
        pytest.param([AWAY, AWAY, None], ["open", "waits 1", "open", "waits 2", "open", "step", "save", "close"], id="the pauses grow"),
        pytest.param(
            [AWAY, AWAY, 1, AWAY, None],
            ["open", "waits 1", "open", "waits 2", "open", "step", "waits 1", "open", "step", "save", "close"],
            id="work done begins them anew",
        ),
    ],
)
def test_a_workers_life(script, lines):
    assert lived(script).lines == lines


def test_what_no_waiting_can_mend_is_raised():
    with pytest.raises(InferenceError):
        lived([1, InferenceError("the weights are damaged")])


def test_pauses_have_an_upper_end():
    pauses = Pauses()
    assert [pauses.next_s() for _ in range(7)] == [1, 2, 5, 10, 30, 30, 30]
