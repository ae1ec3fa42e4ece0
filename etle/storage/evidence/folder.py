"""Evidence as files in a folder, each named by the digest of its bytes: `ab/cd/abcd….jpg`.

A file is written atomically (`etle.files`), so that it is complete or missing after a crash or power failure, and it is never overwritten.
"""

import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from etle.errors import EvidenceCorrupt, EvidenceFull, EvidenceUnavailable, StoreError
from etle.files import sync_folder, write_atomic
from etle.types import Digest, digest_of
from etle.wire import DIGEST, SUFFIX

RESERVE_BYTES: Final = 512 * 1024 * 1024
"""Kept free, because PostgreSQL on the same disk stops when it cannot write its log."""
FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600
"""Pictures of people: other accounts of the machine read none. Roles with accounts of their own share a bucket, or a group by ACL."""
STALE_S: Final = 3600
"""A temporary file that is older belongs to a process that died: no write takes an hour."""
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class FolderEvidence:
    """An EvidenceStore. Safe to use from several threads and processes."""

    def __init__(self, folder: Path, reserve_bytes: int = RESERVE_BYTES, *, read_only: bool = False) -> None:
        """Creates the folder and removes stale temporary files. `read_only`: does neither, for `get` and `digests` only.

        Raises EvidenceUnavailable if it cannot, or if there is no folder to read.
        """
        self._folder = folder.absolute()
        self._unfinished = self._folder / "unfinished"
        self._reserve_bytes = reserve_bytes
        if read_only:
            if not self._folder.is_dir():
                raise EvidenceUnavailable(f"there is no evidence folder {self._folder}. Name another with --data or --evidence.")
            return
        try:
            self._folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
            self._unfinished.mkdir(mode=FOLDER_MODE, exist_ok=True)
            self._remove_stale_files()
        except OSError as error:
            raise self._unavailable(error) from error

    def put(self, data: bytes, suffix: str) -> Digest:
        if not SUFFIX.fullmatch(suffix):
            raise StoreError(f"{suffix!r} is not a suffix of evidence files, such as .jpg")
        digest = digest_of(data)
        try:
            if self._file(digest) is None:
                self._check_free_space(len(data))
                self._write(data, self._subfolder(digest) / f"{digest}{suffix}")
        except OSError as error:
            raise (self._full(len(data)) if error.errno in _FULL else self._unavailable(error)) from error
        return digest

    def get(self, digest: Digest) -> bytes:
        try:
            file = self._file(digest)
            if file is None:
                raise KeyError(digest)
            data = file.read_bytes()
        except OSError as error:
            raise self._unavailable(error) from error
        if digest_of(data) != digest:
            raise EvidenceCorrupt(f"{file} has been changed: its bytes have the digest {digest_of(data)}. Restore it from a backup.")
        return data

    def digests(self) -> Iterator[Digest]:
        for subfolder in sorted(self._folder.glob("??/??")):
            for file in sorted(subfolder.iterdir()):
                if DIGEST.fullmatch(file.stem) and file.parent == self._subfolder(Digest(file.stem)):
                    yield Digest(file.stem)

    def _subfolder(self, digest: Digest) -> Path:
        return self._folder / digest[:2] / digest[2:4]

    def _file(self, digest: Digest) -> Path | None:
        """The file of that digest, with any suffix; None if there is none."""
        if not DIGEST.fullmatch(digest):
            return None
        return next(iter(sorted(self._subfolder(digest).glob(f"{digest}.*"))), None)

    def _write(self, data: bytes, file: Path) -> None:
        subfolder = file.parent
        if not subfolder.is_dir():
            subfolder.parent.mkdir(mode=FOLDER_MODE, exist_ok=True)
            subfolder.mkdir(mode=FOLDER_MODE, exist_ok=True)
            sync_folder(subfolder.parent)
            sync_folder(self._folder)
        write_atomic(file, data, mode=FILE_MODE, temp_folder=self._unfinished)

    def _check_free_space(self, size: int) -> None:
        if shutil.disk_usage(self._folder).free < size + self._reserve_bytes:
            raise self._full(size)

    def _full(self, size: int) -> EvidenceFull:
        free = shutil.disk_usage(self._folder).free
        return EvidenceFull(
            f"{self._folder} has {free / 1e6:.0f} MB free, of which {self._reserve_bytes / 1e6:.0f} MB are reserved: no space for a file of"
            f" {size / 1e6:.1f} MB. Make room or move the folder to a larger disk (--data), then start again; nothing was lost."
        )

    def _unavailable(self, error: OSError) -> EvidenceUnavailable:
        return EvidenceUnavailable(f"the evidence folder {self._folder} cannot be used: {error.strerror} ({error.filename})")

    def _remove_stale_files(self) -> None:
        for file in self._unfinished.iterdir():
            with suppress(FileNotFoundError):  # another process has just finished it
                if time.time() - file.stat().st_mtime > STALE_S:
                    file.unlink()
