"""Files that survive a crash or a power failure complete or not at all, and locks between processes."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self


def write_atomic(path: Path, data: bytes, *, mode: int = 0o666, overwrite: bool = True, temp_folder: Path | None = None) -> bool:
    """Write a temporary file, fsync it, rename it to `path` and fsync the folder. The folder must exist.

    `mode`: permissions of the new file, less the umask. `overwrite=False`: an existing file is kept, and False is returned; of several
    processes that write at the same time exactly one gets True. `temp_folder`: where the temporary file is written, on the same file
    system; None: beside `path`, under a hidden name. Raises OSError, without leaving the temporary file behind.
    """
    with _temporary(path, temp_folder) as temp:
        with os.fdopen(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        return _publish(temp, path, overwrite=overwrite)


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path for a library that writes files itself (`torch.save(model, temp)`); it becomes `path` when the block ends without
    an error, with the same guarantees as `write_atomic`."""
    with _temporary(path, None) as temp:
        yield temp
        with temp.open("rb+") as written:
            os.fsync(written.fileno())
        _publish(temp, path, overwrite=True)


def sync_folder(path: Path) -> None:
    """Make file names that were created, renamed or removed in the folder durable."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class ByteReader(Protocol):
    """A file of which any part can be read."""

    size: int
    """In bytes, when it was opened."""

    def read(self, offset: int, size: int) -> bytes:
        """Fewer than `size` bytes at the end of the file only. Raises OSError, or the error of the store it is in."""
        ...


class FileReader:
    """A ByteReader that keeps no file open."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self.size = path.stat().st_size

    def read(self, offset: int, size: int) -> bytes:
        with self._path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), size, offset)


class FileLock:
    """A lock between processes (flock) on a file, which is created if missing. The kernel releases it when the process ends.

    As a context manager it waits for the exclusive lock. Two objects on the same file exclude each other also within one process.
    """

    def __init__(self, path: Path, *, mode: int = 0o600) -> None:
        """Opens the file, without locking it. Raises OSError."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, mode)

    def fileno(self) -> int:
        return self._file

    def acquire(self, *, shared: bool = False, blocking: bool = True) -> bool:
        """Take the lock, or convert the one that is held. False if not `blocking` and another holder excludes it."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self._file, kind if blocking else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Release the lock."""
        os.close(self._file)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@contextmanager
def _temporary(path: Path, folder: Path | None) -> Iterator[Path]:
    temp = (folder or path.parent) / f".{path.name}.{os.urandom(8).hex()}"
    try:
        yield temp
    finally:
        temp.unlink(missing_ok=True)


def _publish(temp: Path, path: Path, *, overwrite: bool) -> bool:
    if overwrite:
        temp.replace(path)
    else:
        try:
            os.link(temp, path)
        except FileExistsError:
            return False
    sync_folder(path.parent)
    return True
