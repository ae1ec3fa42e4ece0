"""Messages into the broker, a batch at a time, so that it is known of each whether the broker has it.

Nothing goes out behind a batch that failed until the same batch went through: a camera's frames keep their order. What arrives twice has
the same sequence and is left out by the reader. A publisher that failed is closed, because what it still holds might overtake.
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
        """When it returns, every receipt that it gave is settled."""
        ...


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of each message of a batch; None: not sent, and to be sent again. With an error the broker did not take all."""

    fates: tuple[DeliveryStatus | None, ...]
    error: BrokerError | None = None

    @property
    def settled(self) -> tuple[DeliveryStatus, ...]:
        """The fates up to the first message that is to be sent again."""
        unsent = next((number for number, fate in enumerate(self.fates) if fate is None), len(self.fates))
        return tuple(fate for fate in self.fates[:unsent] if fate is not None)


class Sender:
    """For one thread. `connect` raises BrokerError; it is called again after every failure."""

    def __init__(self, connect: Callable[[], ClosablePublisher]) -> None:
        self._connect = connect
        self._publisher: ClosablePublisher | None = None

    def send(self, messages: Sequence[OutgoingMessage]) -> BatchResult:
        """A message is lost that the broker refuses while it takes others. If it refuses all, the fault is in the settings."""
        delivery = self._try(messages)
        if isinstance(delivery.error, BrokerRefused) and len(messages) > 1:
            return self._one_by_one(messages)
        return delivery

    def close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None

    def _try(self, messages: Sequence[OutgoingMessage]) -> BatchResult:
        receipts: list[Delivery] = []
        try:
            publisher = self._publisher = self._publisher or self._connect()
            for message in messages:
                receipts.append(publisher.publish(message.topic, message.value, key=message.key, headers=message.headers))
            publisher.flush()
        except BrokerError as error:
            self.close()
            return BatchResult(_fates(messages, receipts), error)
        return BatchResult((DeliveryStatus.SENT,) * len(messages))

    def _one_by_one(self, messages: Sequence[OutgoingMessage]) -> BatchResult:
        fates: list[DeliveryStatus | None] = []
        refused: BrokerError | None = None
        for message in messages:
            delivery = self._try([message])
            if delivery.error is not None and not isinstance(delivery.error, BrokerRefused):
                return BatchResult((*fates, *(None for _ in messages[len(fates) :])), delivery.error)
            refused = delivery.error or refused
            fates.append(DeliveryStatus.LOST if delivery.error else DeliveryStatus.SENT)
        if DeliveryStatus.SENT not in fates:
            return BatchResult((None,) * len(messages), refused)
        log.error("%d of %d messages are lost: %s", fates.count(DeliveryStatus.LOST), len(fates), refused)
        return BatchResult(tuple(fates))


def _fates(messages: Sequence[OutgoingMessage], receipts: Sequence[Delivery]) -> tuple[DeliveryStatus | None, ...]:
    """Of a batch that failed. One that a later one of its camera has overtaken is lost: a reader would leave it out."""
    safe = [receipt.safe is True for receipt in receipts] + [False] * (len(messages) - len(receipts))
    last = {message.key: number for number, message in enumerate(messages) if safe[number]}
    return tuple(
        DeliveryStatus.SENT if safe[number] else DeliveryStatus.LOST if number < last.get(message.key, -1) else None
        for number, message in enumerate(messages)
    )
