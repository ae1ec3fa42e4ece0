"""Where an archive keeps its files: in a folder, or in a bucket. Names are relative, with `/` between folders."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Protocol

from etle.errors import ArchiveUnavailable
from etle.files import ByteReader, FileReader, write_atomic

FOLDER_MODE: Final = 0o700
"""Of the archive's folder: the frames show people."""
FILE_MODE: Final = 0o600


class ArchiveFiles(Protocol):
    """Raises ArchiveUnavailable."""

    def sizes(self, folder: str) -> Mapping[str, int]:
        """Bytes of all files in the folder and its subfolders by name, sorted by name; empty if there is no such folder."""
        ...

    def open(self, name: str) -> ByteReader | None:
        """None if there is no such file."""
        ...

    def put(self, name: str, data: bytes) -> None:
        """Durable when it returns; replaces an existing file."""
        ...

    def delete(self, name: str) -> None:
        """Nothing happens if there is no such file."""
        ...


class FolderFiles:
    """ArchiveFiles in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()

    def sizes(self, folder: str) -> Mapping[str, int]:
        with self._translate_errors():
            return dict(sorted(self._walk(self.folder / folder)))

    def open(self, name: str) -> ByteReader | None:
        with self._translate_errors():
            try:
                return FileReader(self.folder / name)
            except FileNotFoundError:
                return None

    def put(self, name: str, data: bytes) -> None:
        with self._translate_errors():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self.folder / name, data, mode=FILE_MODE)

    def delete(self, name: str) -> None:
        path = self.folder / name
        with self._translate_errors():
            path.unlink(missing_ok=True)
            if path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()

    def _walk(self, folder: Path) -> Iterator[tuple[str, int]]:
        """Hidden files are locks, and files that are being written."""
        for parent, _, names in os.walk(folder):
            for name in names:
                path = Path(parent, name)
                if not name.startswith("."):
                    with suppress(FileNotFoundError):  # retention has just deleted it
                        yield str(path.relative_to(self.folder)), path.stat().st_size

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ArchiveUnavailable(f"the archive {self.folder} cannot be used: {error.strerror} ({error.filename})") from error
