"""Keeps a worker running while the broker is unavailable: wait with growing delays, then open a new worker at the committed position."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import Event
from typing import Final, Protocol, TypeVar

from etle.backoff import Backoff
from etle.errors import BrokerUnavailable, EvidenceUnavailable, StoreUnavailable
from etle.observability.health import Health
from etle.observability.metrics import Dependency, EvidenceError, Metrics

log = logging.getLogger(__name__)
T = TypeVar("T")
_STEP_S: Final = 0.5
STUCK_S: Final = 120.0
"""A loop without a heartbeat for this long is stuck; reading the plates of a crowded frame takes a few seconds."""


class Worker(Protocol):
    def step(self, timeout_s: float) -> int:
        """Wait up to `timeout_s` for messages and handle them; returns their number."""
        ...

    def save(self) -> None:
        """Flush outputs and commit the position."""
        ...


def run_worker(open_worker: Callable[[], AbstractContextManager[Worker]], loop: str, stop: Event, health: Health, metrics: Metrics) -> None:
    """Run until `stop` is set. Each time the broker is unavailable, open a new worker; it repeats what was not committed.

    `loop` is the name in the health check. Raises errors that waiting does not solve: ConfigError, BrokerRefused, InferenceError ...
    """
    backoff = Backoff()
    health.register(loop, STUCK_S)
    while not stop.is_set():
        try:
            with open_worker() as worker:
                _steps(worker, loop, stop, health, backoff)
        except BrokerUnavailable as error:
            delay_s = backoff.next_s()
            log.warning("%s. Next attempt in %g s", error, delay_s)
            with metrics.waiting_for(Dependency.BROKER):
                stop.wait(delay_s)
            health.heartbeat(loop)


def _steps(worker: Worker, loop: str, stop: Event, health: Health, backoff: Backoff) -> None:
    while not stop.is_set():
        if worker.step(_STEP_S):
            backoff.reset()
        health.heartbeat(loop)
    worker.save()


def open_when_available(open_stores: Callable[[], T], loop: str, stop: Event, health: Health, metrics: Metrics) -> T | None:
    """The opened stores, as soon as database and evidence store are available; None if `stop` was set before."""
    backoff = Backoff()
    health.register(loop, STUCK_S)
    while not stop.is_set():
        try:
            return open_stores()
        except StoreUnavailable as error:
            delay_s = backoff.next_s()
            log.warning("%s Next attempt in %g s.", error, delay_s)
            if isinstance(error, EvidenceUnavailable):
                metrics.evidence_error(EvidenceError.UNAVAILABLE)
            with metrics.waiting_for(Dependency.EVIDENCE if isinstance(error, EvidenceUnavailable) else Dependency.DATABASE):
                stop.wait(delay_s)
            health.heartbeat(loop)
    return None
