"""Dead letters: a message that could not be processed, as it came, with where it lay and why it was set aside.

The message's own headers are kept, and ours stand beside them under names of their own, so that a replay gives back exactly what came.
That one was replayed is a letter too: nothing in a topic can be changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from etle.errors import BrokerRefused
from etle.kafka.protocols import Headers, Message, Publisher

_PREFIX: Final = "dead-"
_REPLAYED: Final = "dead-replayed"
_REASON_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A message set aside. `id` is where the letter itself lies, `PARTITION/OFFSET` of the dead letters' topic."""

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
    """Where a stage puts what it cannot process."""

    def __init__(self, publisher: Publisher, topic: str, stage: str) -> None:
        self._publisher = publisher
        self._topic = topic
        self._stage = stage

    def put(self, message: Message, reason: str, at: datetime) -> None:
        """Safe after the publisher's `flush`. A message that is too large even for here goes without its value."""
        headers = letter_headers(message, self._stage, reason, at)
        key = message.key or b""
        try:
            self._publisher.publish(self._topic, message.value, key=key, headers=headers)
        except BrokerRefused as error:
            lost = letter_headers(message, self._stage, f"{reason} (its {len(message.value)} bytes are not here: {error})", at)
            self._publisher.publish(self._topic, b"", key=key, headers=lost)


def letter_headers(message: Message, stage: str, reason: str, at: datetime) -> Headers:
    ours = {
        "reason": reason[:_REASON_CHARACTERS],
        "topic": message.topic,
        "partition": str(message.partition),
        "offset": str(message.offset),
        "stage": stage,
        "at": at.astimezone(UTC).isoformat(),
        "key": "none" if message.key is None else "given",
    }
    kept = tuple(header for header in message.headers if not header[0].startswith(_PREFIX))
    return (*kept, *((_PREFIX + name, text.encode(errors="replace")) for name, text in ours.items()))


def letters(messages: Iterable[Message]) -> tuple[DeadLetter, ...]:
    """Of the dead letters' topic, oldest first. What is no letter (somebody else wrote there) is left out."""
    found: dict[str, Message] = {}
    replayed: set[str] = set()
    for message in messages:
        named = dict(message.headers)
        if _REPLAYED in named:
            replayed.add(named[_REPLAYED].decode(errors="replace"))
        elif _PREFIX + "topic" in named:
            found[f"{message.partition}/{message.offset}"] = message
    return tuple(_letter(name, message, name in replayed) for name, message in found.items())


def replay(chosen: Sequence[DeadLetter], publisher: Publisher, topic: str) -> None:
    """Each message once more into the topic that it came from, and then the note that it was. Raises BrokerUnavailable, BrokerRefused."""
    for letter in chosen:
        publisher.publish(letter.topic, letter.value, key=letter.key or b"", headers=letter.headers)
    publisher.flush()
    for letter in chosen:
        publisher.publish(topic, b"", key=letter.key or b"", headers=((_REPLAYED, letter.id.encode()),))
    publisher.flush()


def _letter(name: str, message: Message, replayed: bool) -> DeadLetter:
    named = dict(message.headers)

    def text(key: str) -> str:
        return named.get(_PREFIX + key, b"").decode(errors="replace")

    return DeadLetter(
        id=name,
        topic=text("topic"),
        partition=_number(text("partition")),
        offset=_number(text("offset")),
        stage=text("stage"),
        reason=text("reason"),
        at=_moment(text("at"), message.at),
        key=None if text("key") == "none" else message.key,
        headers=tuple(header for header in message.headers if not header[0].startswith(_PREFIX)),
        value=message.value,
        replayed=replayed,
    )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _moment(text: str, otherwise: datetime) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return otherwise
