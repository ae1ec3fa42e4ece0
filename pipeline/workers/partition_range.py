"""Where a worker may continue in a partition, and what that says: messages that expired unread, or another log under the same name.

An offset is only valid in the log in which it was counted. When a topic is deleted and made again, or a broker lost its end, positions and
checkpoints of before point to other messages, or to none.
"""

import logging
from dataclasses import dataclass
from typing import Final

from etle.kafka.protocols import Subscriber
from etle.observability.metrics import Metrics

log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PartitionRange:
    """The offsets that exist now."""

    topic: str
    number: int
    first: int
    end: int
    """Offset of the next message."""

    @classmethod
    def of(cls, subscriber: Subscriber, topic: str, number: int) -> "PartitionRange":
        return cls(topic, number, subscriber.first(number), subscriber.end(number))

    def is_beyond(self, *offsets: int) -> bool:
        """Whether one of the offsets cannot have been counted in this log."""
        return any(offset > self.end for offset in offsets)

    def warn_of_another_log(self) -> None:
        log.warning(
            "%s, partition %d: positions of an earlier log do not fit this one, which ends at %d: the topic was deleted and created again,"
            " or the broker lost messages. All of its messages are processed",
            self.topic, self.number, self.end,
        )  # fmt: skip

    def count_expired(self, since: int, metrics: Metrics) -> None:
        """`since`: the offset up to which messages were handled."""
        count_expired(self.topic, self.number, self.first - since, metrics)


def count_expired(topic: str, number: int, messages: int, metrics: Metrics) -> None:
    """Does nothing if none expired."""
    if messages > 0:
        log.warning("%s, partition %d: %d messages were deleted by the broker before they were processed", topic, number, messages)
        metrics.expired(topic, messages)
