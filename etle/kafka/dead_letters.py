"""Dead letters: messages that could not be processed, stored unchanged together with their origin and the reason.

The message's own headers are kept; ours are added under names with the prefix `dead-`, so that a replay publishes exactly the original
message. That a letter was replayed is recorded by a further message, because messages in a topic cannot be changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from etle.errors import BrokerRefused
from etle.kafka.protocols import Headers, Message, Publisher

_PREFIX: Final = "dead-"
_REPLAYED: Final = "dead-replayed"
_MAX_REASON_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message that could not be processed. `id` is the letter's own position, `PARTITION/OFFSET`, in the topic of dead letters."""

    id: str
    topic: str
    partition: int
    offset: int
    stage: str
    reason: str
    at: datetime
    key: bytes | None
    headers: Headers
    value: bytes
    replayed: bool = False


class DeadLetterQueue:
    """Publishes the messages that a stage cannot process."""

    def __init__(self, publisher: Publisher, topic: str, stage: str) -> None:
        self._publisher = publisher
        self._topic = topic
        self._stage = stage

    def put(self, message: Message, reason: str, at: datetime) -> None:
        """Durable after the publisher's `flush`. A message that is too large for the topic of dead letters is published without its
        value."""
        headers = dead_letter_headers(message, self._stage, reason, at)
        key = message.key or b""
        try:
            self._publisher.publish(self._topic, message.value, key=key, headers=headers)
        except BrokerRefused as error:
            without_value = f"{reason} (its value of {len(message.value)} bytes is not stored here: {error})"
            self._publisher.publish(self._topic, b"", key=key, headers=dead_letter_headers(message, self._stage, without_value, at))


def dead_letter_headers(message: Message, stage: str, reason: str, at: datetime) -> Headers:
    added = {
        "reason": reason[:_MAX_REASON_CHARACTERS],
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "stage": stage,
        "at": at.astimezone(UTC).isoformat(),
        "key": "none" if message.key is None else "given",
    }
    return (*_own_headers(message), *((_PREFIX + name, text.encode(errors="replace")) for name, text in added.items()))


def parse_dead_letters(messages: Iterable[Message]) -> tuple[DeadLetter, ...]:
    """The letters among the messages of the dead-letter topic, oldest first. Messages that other programs wrote there are left out."""
    found: dict[str, Message] = {}
    replayed: set[str] = set()
    for message in messages:
        headers = dict(message.headers)
        if _REPLAYED in headers:
            replayed.add(headers[_REPLAYED].decode(errors="replace"))
        elif _PREFIX + "topic" in headers:
            found[f"{message.partition}/{message.offset}"] = message
    return tuple(_dead_letter(id_, message, id_ in replayed) for id_, message in found.items())


def replay(letters: Sequence[DeadLetter], publisher: Publisher, topic: str) -> None:
    """Publish each message again to its original topic, then record in `topic` that it was replayed.

    Raises BrokerUnavailable, BrokerRefused.
    """
    for letter in letters:
        publisher.publish(letter.topic, letter.value, key=letter.key or b"", headers=letter.headers)
    publisher.flush()
    for letter in letters:
        publisher.publish(topic, b"", key=letter.key or b"", headers=((_REPLAYED, letter.id.encode()),))
    publisher.flush()


def _own_headers(message: Message) -> Headers:
    return tuple(header for header in message.headers if not header[0].startswith(_PREFIX))


def _dead_letter(id_: str, message: Message, replayed: bool) -> DeadLetter:
    headers = dict(message.headers)

    def text(name: str) -> str:
        return headers.get(_PREFIX + name, b"").decode(errors="replace")

    return DeadLetter(
        id=id_,
        topic=text("topic"),
        partition=_number(text("partition")),
        offset=_number(text("offset")),
        stage=text("stage"),
        reason=text("reason"),
        at=_timestamp(text("at"), message.at),
        key=None if text("key") == "none" else message.key,
        headers=_own_headers(message),
        value=message.value,
        replayed=replayed,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _timestamp(text: str, default: datetime) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return default
