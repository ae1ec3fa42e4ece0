"""A broker that takes everything and keeps nothing: for a door that vendors try their boxes against."""

from collections.abc import Sequence


class _Taken:
    safe: bool | None = True


class NullPublisher:
    """Connected."""

    def publish(
        self, topic: str, value: bytes, *, key: bytes, headers: Sequence[tuple[str, bytes]] = (), partition: int | None = None
    ) -> _Taken:
        return _Taken()

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass
