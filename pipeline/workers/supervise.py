"""A server that is away is a normal day: wait, longer each time, and go on where the broker says that we were."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event
from typing import Final, Protocol

from etle.errors import BrokerUnavailable
from etle.observability.health import Health
from etle.observability.metrics import Dependency, Metrics

log = logging.getLogger(__name__)
_PAUSES_S: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
_STEP_S: Final = 0.5
STUCK_S: Final = 120.0
"""A loop that has not turned for so long is stuck; plates of a crowded frame take a few seconds."""


class Pauses:
    """How long to wait next."""

    def __init__(self) -> None:
        self._times = 0

    def next_s(self) -> float:
        pause_s = _PAUSES_S[min(self._times, len(_PAUSES_S) - 1)]
        self._times += 1
        return pause_s

    def reset(self) -> None:
        self._times = 0


class Worker(Protocol):
    def step(self, timeout_s: float) -> int: ...

    def save(self) -> None:
        """Makes what was done count."""
        ...


def run_worker(open_worker: Callable[[], AbstractContextManager[Worker]], loop: str, stop: Event, health: Health, metrics: Metrics) -> None:
    """Until told to stop, with a new worker each time that the broker was away: what the last one had not made count is done once more.

    Raises what no waiting can mend: ConfigError, BrokerRefused, InferenceError ...
    """
    pauses = Pauses()
    health.watch(loop, STUCK_S)
    while not stop.is_set():
        try:
            with open_worker() as worker:
                _work(worker, loop, stop, health, pauses)
        except BrokerUnavailable as error:
            pause_s = pauses.next_s()
            log.warning("%s. Trying again in %g s", error, pause_s)
            with metrics.waiting_for(Dependency.BROKER):
                stop.wait(pause_s)
            health.turned(loop)


def _work(worker: Worker, loop: str, stop: Event, health: Health, pauses: Pauses) -> None:
    while not stop.is_set():
        if worker.step(_STEP_S):
            pauses.reset()
        health.turned(loop)
    worker.save()
