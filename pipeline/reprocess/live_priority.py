"""Live traffic first: whether frames of live cameras wait in Kafka for longer than they should.

What counts is how long the oldest frame that the group of detect workers has not handled has been in the topic, by the broker's clock. A
frame that comes after a quiet minute is new, however old the frame before it is. How far the group is stands in the metadata of its
position: the position itself is the oldest frame that a camera still needs for its evidence, seconds behind.

A worker of detect that keeps up commits every two seconds, so that it has handled what is older than about three.
"""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from etle.clock import seconds_between
from etle.kafka.protocols import GroupProgress, PartitionProgress
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Metrics
from etle.protocols import Clock
from pipeline.workers.partition import handled_offset

log = logging.getLogger(__name__)
DEFAULT_LAG_S: Final = 5.0
CHECK_EVERY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class LiveTraffic:
    """Where the frames of live cameras are, and who processes them."""

    topic: str
    group: str

    @classmethod
    def of(cls, names: TopicNames) -> "LiveTraffic":
        return cls(names.frames, names.detect_group)


class LivePriority:
    """Asks the broker once a second. Not thread-safe."""

    def __init__(self, progress: GroupProgress, traffic: LiveTraffic, max_lag_s: float, clock: Clock, metrics: Metrics) -> None:
        """`max_lag_s`: how long a live frame may wait; 0: for ever."""
        self._progress = progress
        self._traffic = traffic
        self._max_lag_s = max_lag_s
        self._clock = clock
        self._metrics = metrics
        self._checked_at = clock.now() - timedelta(seconds=CHECK_EVERY_S)
        self._must_wait = False

    def must_wait(self) -> bool:
        """Whether a run has to leave the machine to live traffic now. Raises BrokerUnavailable."""
        now = self._clock.now()
        if self._max_lag_s > 0 and seconds_between(self._checked_at, now) >= CHECK_EVERY_S:
            self._checked_at = now
            self._check(overdue(self._progress_since(self._max_lag_s)))
        return self._must_wait

    def _progress_since(self, seconds: float) -> Iterable[PartitionProgress]:
        since = self._clock.now() - timedelta(seconds=seconds)
        return self._progress.of(self._traffic.topic, self._traffic.group, since).values()

    def _check(self, messages: int) -> None:
        if bool(messages) != self._must_wait:
            if messages:
                log.info("%d live frames wait for more than %g s: the run pauses", messages, self._max_lag_s)
            else:
                log.info("live traffic has caught up: the run goes on")
        self._must_wait = bool(messages)
        self._metrics.live_overdue(messages, yields=self._must_wait)


def overdue(partitions: Iterable[PartitionProgress]) -> int:
    """Number of messages that are older than the recent ones and not handled. A partition that the group never read does not count."""
    read = [each for each in partitions if each.committed is not None]
    return sum(max(0, each.recent - max(each.first, handled_offset(each.committed, 0))) for each in read)
