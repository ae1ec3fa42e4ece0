"""Sends batches of messages to the broker and reports the delivery status of each message.

After a failed batch nothing else is sent until the same batch succeeds, so that the frames of a camera stay in order. A frame that arrives
twice has the same sequence number, and consumers drop it. A publisher that failed is closed, because messages that it still holds could
arrive after later ones.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from etle.errors import BrokerError, BrokerRefused
from etle.kafka.protocols import Delivery, Publisher
from ingest.delivery.queued_message import DeliveryStatus, OutgoingMessage

log = logging.getLogger(__name__)


class ClosablePublisher(Publisher, Protocol):
    """A Publisher that holds a connection."""

    def close(self) -> None:
        """When it returns, the outcome of every delivery is known."""
        ...


@dataclass(frozen=True, slots=True)
class BatchResult:
    """Status of each message of a batch; None: not sent, must be sent again. `error`: why the broker did not accept all of them."""

    statuses: tuple[DeliveryStatus | None, ...]
    error: BrokerError | None = None

    @property
    def settled(self) -> tuple[DeliveryStatus, ...]:
        """The statuses before the first message that must be sent again."""
        unsent = next((number for number, status in enumerate(self.statuses) if status is None), len(self.statuses))
        return tuple(status for status in self.statuses[:unsent] if status is not None)


class Sender:
    """For one thread. `connect` raises BrokerError; it is called again after every failure."""

    def __init__(self, connect: Callable[[], ClosablePublisher]) -> None:
        self._connect = connect
        self._publisher: ClosablePublisher | None = None

    def send(self, messages: Sequence[OutgoingMessage]) -> BatchResult:
        """A message is lost if the broker rejects it and accepts others. If it rejects all, the configuration is wrong: none is lost."""
        result = self._send_batch(messages)
        if isinstance(result.error, BrokerRefused) and len(messages) > 1:
            return self._send_one_by_one(messages)
        return result

    def close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _send_batch(self, messages: Sequence[OutgoingMessage]) -> BatchResult:
        deliveries: list[Delivery] = []
        try:
            publisher = self._publisher = self._publisher or self._connect()
            for message in messages:
                deliveries.append(publisher.publish(message.topic, message.value, key=message.key, headers=message.headers))
            publisher.flush()
        except BrokerError as error:
            self.close()
            return BatchResult(_statuses(messages, deliveries), error)
        return BatchResult((DeliveryStatus.SENT,) * len(messages))

    def _send_one_by_one(self, messages: Sequence[OutgoingMessage]) -> BatchResult:
        statuses: list[DeliveryStatus | None] = []
        rejected: BrokerError | None = None
        for message in messages:
            result = self._send_batch([message])
            if result.error is not None and not isinstance(result.error, BrokerRefused):
                return BatchResult((*statuses, *(None for _ in messages[len(statuses) :])), result.error)
            rejected = result.error or rejected
            statuses.append(DeliveryStatus.LOST if result.error else DeliveryStatus.SENT)
        if DeliveryStatus.SENT not in statuses:
            return BatchResult((None,) * len(messages), rejected)
        log.error("%d of %d messages are lost: %s", statuses.count(DeliveryStatus.LOST), len(statuses), rejected)
        return BatchResult(tuple(statuses))


def _statuses(messages: Sequence[OutgoingMessage], deliveries: Sequence[Delivery]) -> tuple[DeliveryStatus | None, ...]:
    """Statuses after a failed batch. An unacknowledged message is lost if a later one of its camera was acknowledged: consumers would drop
    it by its sequence number."""
    acked = [delivery.acked is True for delivery in deliveries] + [False] * (len(messages) - len(deliveries))
    last_acked = {message.key: number for number, message in enumerate(messages) if acked[number]}
    return tuple(
        DeliveryStatus.SENT if acked[number] else DeliveryStatus.LOST if number < last_acked.get(message.key, -1) else None
        for number, message in enumerate(messages)
    )
