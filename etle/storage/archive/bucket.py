"""The files of an archive in an S3-compatible bucket. Segments are uploaded when their hour is over; until then they are in a folder."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from etle.errors import ArchiveUnavailable
from etle.files import ByteReader
from etle.storage.archive.segment import SegmentName
from etle.storage.evidence.s3 import BaseError

if TYPE_CHECKING:
    from obstore.store import S3Store


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
        return _ObjectReader(self, name, size)

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


class _ObjectReader:
    """A ByteReader on one object."""

    def __init__(self, files: BucketFiles, name: str, size: int) -> None:
        self._files = files
        self._name = name
        self.size = size

    def read(self, offset: int, size: int) -> bytes:
        length = min(size, self.size - offset)
        return self._files.read(self._name, offset, length) if length > 0 else b""


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
