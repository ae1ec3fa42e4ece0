"""Metric that shows whether the gateway is waiting for the broker."""

from contextlib import ExitStack

from etle.observability.metrics import Dependency, Metrics


class BrokerPauseMetrics:
    """For one sender: called after each batch with the reason why the broker accepted nothing, or None if it accepted something."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pause = ExitStack()
        self._waiting = False

    def __call__(self, reason: str | None) -> None:
        if (reason is not None) == self._waiting:
            return
        self._waiting = reason is not None
        if self._waiting:
            self._pause.enter_context(self._metrics.waiting_for(Dependency.BROKER))
        else:
            self._pause.close()
