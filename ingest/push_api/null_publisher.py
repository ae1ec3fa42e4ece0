"""A publisher that discards every message, for `etle vendor serve --dry-run`, against which vendors test their devices."""

from collections.abc import Sequence


class _Discarded:
    acked: bool | None = True


class NullPublisher:
    """A ClosablePublisher."""

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> _Discarded:
        return _Discarded()

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
