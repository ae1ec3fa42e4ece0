"""Shows on the box's metrics that it waits for the broker."""

from contextlib import ExitStack

from etle.observability.metrics import Dependency, Metrics


class BrokerPauseMetrics:
    """For one outlet's sender: told each time why the broker takes nothing, or None if it took something."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._pause = ExitStack()
        self._waits = False

    def __call__(self, reason: str | None) -> None:
        if (reason is not None) == self._waits:
            return
        self._waits = reason is not None
        if self._waits:
            self._pause.enter_context(self._metrics.waiting_for(Dependency.BROKER))
        else:
            self._pause.close()
