"""A Kafka topic to which a controller, or a gateway before it, writes the states of its signals."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Protocol

from etle.protocols import Clock
from ingest.signals.feed import Receive
from ingest.signals.inbox import ReadingInbox

if TYPE_CHECKING:
    from etle.kafka.protocols import Message

_POLL_S = 0.5


class TopicTail(Protocol):
    """Reads the messages that are written to a topic from now on, without a consumer group. Raises BrokerError."""

    def poll(self, timeout_s: float) -> "tuple[Message, ...]": ...

    def close(self) -> None: ...


@contextmanager
def topic_connection(open_tail: Callable[[], TopicTail], clock: Clock) -> Iterator[Receive]:
    with closing(open_tail()) as tail:

        def receive(inbox: ReadingInbox) -> None:
            for message in tail.poll(_POLL_S):
                now = clock.now()
                inbox.put(message.value, now, now)

        yield receive
