"""The small ones: time, frames, files, checkpoints, and where violations go."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from threading import Lock

from etle.errors import EvidenceCorrupt, SourceBroken, StoreError
from etle.testing.values import BEGIN
from etle.types import Digest, Frame, ViolationMessage, digest_of
from etle.wire import SUFFIX


class ManualClock:
    """Stands still until somebody sleeps or winds it."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self._now = now
        self._lock = Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.wind(seconds)

    def wind(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


class ListSource:
    """The frames that it is given; they can be read again. `breaks` is raised after the last of them."""

    def __init__(self, frames: Sequence[Frame], *, live: bool = False, breaks: SourceBroken | None = None) -> None:
        self._frames = tuple(frames)
        self._breaks = breaks
        self.live = live

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        yield from (frame for frame in self._frames if after is None or frame.sequence > after)
        if self._breaks is not None:
            raise self._breaks


class MemoryEvidence:
    """Files in a dictionary. `files` is open to be damaged, as a disk is."""

    def __init__(self) -> None:
        self.files: dict[Digest, bytes] = {}

    def put(self, data: bytes, suffix: str) -> Digest:
        if not SUFFIX.fullmatch(suffix):
            raise StoreError(f"{suffix!r} is no suffix of an evidence file; .jpg is one")
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
    def __init__(self) -> None:
        self.saved: dict[str, tuple[int, bytes]] = {}

    def save(self, stream: str, position: int, state: bytes) -> None:
        self.saved[stream] = (position, bytes(state))

    def load(self, stream: str) -> tuple[int, bytes] | None:
        return self.saved.get(stream)


class ListSink:
    """Keeps what it is given, each violation once."""

    def __init__(self) -> None:
        self.parcels: list[ViolationMessage] = []

    def put(self, parcel: ViolationMessage) -> bool:
        if any(kept.violation.id == parcel.violation.id for kept in self.parcels):
            return False
        self.parcels.append(parcel)
        return True
