"""Stores in memory: evidence files, checkpoints, and a sink for violations."""

from collections.abc import Iterator

from etle.errors import EvidenceCorrupt, StoreError
from etle.types import Digest, ViolationMessage, digest_of
from etle.wire import SUFFIX


class MemoryEvidence:
    """An EvidenceStore in a dictionary. A test may change `files` to simulate damage on a disk."""

    def __init__(self) -> None:
        self.files: dict[Digest, bytes] = {}

    def put(self, data: bytes, suffix: str) -> Digest:
        if not SUFFIX.fullmatch(suffix):
            raise StoreError(f"{suffix!r} is not a suffix of evidence files, such as .jpg")
        digest = digest_of(data)
        self.files.setdefault(digest, bytes(data))
        return digest

    def get(self, digest: Digest) -> bytes:
        data = self.files[digest]
        if digest_of(data) != digest:
            raise EvidenceCorrupt(f"{digest} has been changed: its bytes have the digest {digest_of(data)}")
        return data

    def digests(self) -> Iterator[Digest]:
        yield from sorted(self.files)


class MemoryCheckpoints:
    """A CheckpointStore. `saved` holds the last position and state by stream."""

    def __init__(self) -> None:
        self.saved: dict[str, tuple[int, bytes]] = {}

    def save(self, stream: str, position: int, state: bytes) -> None:
        self.saved[stream] = (position, bytes(state))

    def load(self, stream: str) -> tuple[int, bytes] | None:
        return self.saved.get(stream)


class ListSink:
    """A ViolationSink that appends each violation once to `messages`."""

    def __init__(self) -> None:
        self.messages: list[ViolationMessage] = []

    def put(self, message: ViolationMessage) -> bool:
        if any(stored.violation.id == message.violation.id for stored in self.messages):
            return False
        self.messages.append(message)
        return True
