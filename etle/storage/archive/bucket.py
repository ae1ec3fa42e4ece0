"""The files of an archive in an S3-compatible bucket. Segments are uploaded when their hour is over; until then they are in a folder."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.errors import ArchiveUnavailable
from etle.files import ByteReader
from etle.storage.archive.segment import SegmentName
from etle.storage.evidence.s3 import BaseError

if TYPE_CHECKING:
    from obstore.store import S3Store

_READ_AHEAD_BYTES: Final = 4_000_000


class BucketFiles:
    """ArchiveFiles in a bucket."""

    def __init__(self, store: "S3Store", address: str) -> None:
        """Does not connect. `address` is for error messages."""
        self._store = store
        self._address = address

    def sizes(self, folder: str) -> Mapping[str, int]:
        with self._translate_errors():
            return dict(sorted((entry["path"], entry["size"]) for page in self._store.list(f"{folder}/") for entry in page))

    def open(self, name: str) -> ByteReader | None:
        with self._translate_errors():
            try:
                size = self._store.head(name)["size"]
            except FileNotFoundError:
                return None
        return ObjectReader(partial(self.read, name), size)

    def put(self, name: str, data: bytes) -> None:
        with self._translate_errors():
            self._store.put(name, data)

    def upload(self, name: str, file: Path) -> None:
        """Like `put`, in parts."""
        with self._translate_errors():
            self._store.put(name, file)

    def delete(self, name: str) -> None:
        with self._translate_errors():
            self._store.delete(name)

    def read(self, name: str, offset: int, length: int) -> bytes:
        with self._translate_errors():
            return bytes(self._store.get_range(name, start=offset, length=length))

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (BaseError, OSError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise ArchiveUnavailable(f"the archive {self._address} cannot be used: {first}") from error


class ObjectReader:
    """A ByteReader on one object. What is read in sequence is read ahead: a request takes longer than the bytes of a frame."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        """`read` requests `length` bytes at an offset."""
        self.size = size
        self._read = read
        self._block = b""
        self._begin = self._next = 0
        """Where the block begins; where a read in sequence would."""

    def read(self, offset: int, size: int) -> bytes:
        wanted = max(0, min(size, self.size - offset))
        if not self._begin <= offset or offset + wanted > self._begin + len(self._block):
            ahead = max(wanted, _READ_AHEAD_BYTES) if offset == self._next else wanted
            length = min(ahead, self.size - offset)
            self._block, self._begin = (self._read(offset, length) if length > 0 else b""), offset
        self._next = offset + wanted
        return self._block[offset - self._begin :][:wanted]


class BucketUploader:
    """A SegmentUploader: uploads both files of a segment, compares their sizes, and deletes them from the folder."""

    def __init__(self, folder: Path, bucket: BucketFiles) -> None:
        self._folder = folder
        self._bucket = bucket

    def __call__(self, name: SegmentName) -> None:
        for file in (name.video, name.index):
            path = self._folder / file
            self._bucket.upload(file, path)
            stored = self._bucket.open(file)
            if stored is None or stored.size != path.stat().st_size:
                raise ArchiveUnavailable(f"{file} was not stored completely.")
        for file in (name.video, name.index):
            (self._folder / file).unlink()
