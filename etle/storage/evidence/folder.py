"""Evidence as files in a folder, each named by the digest of its bytes: `ab/cd/abcd….jpg`.

A file appears under its name whole or not at all, whatever happens to the process, the power or the disk: it is written under another
name, brought to the disk, renamed, and the folder's entry brought to the disk too. It is never written again.
"""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from etle.errors import EvidenceCorrupt, EvidenceFull, EvidenceUnavailable, StoreError
from etle.types import Digest, digest_of
from etle.wire import DIGEST, SUFFIX

RESERVE_BYTES: Final = 512 * 1024 * 1024
"""Left free, so that PostgreSQL on the same disk never runs out of room for its log, which it does not forgive."""
FORGOTTEN_S: Final = 3600
"""No write takes that long: what is older in `unfinished` was left there by a process that died."""
_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


class FolderEvidence:
    """Safe to use from several threads and processes."""

    def __init__(self, folder: Path, reserve_bytes: int = RESERVE_BYTES) -> None:
        """Sweeps out what processes that died left unfinished. Raises EvidenceUnavailable if the folder cannot be made."""
        self._folder = folder.absolute()
        self._unfinished = self._folder / "unfinished"
        self._reserve_bytes = reserve_bytes
        try:
            self._unfinished.mkdir(parents=True, exist_ok=True)
            self._sweep()
        except OSError as error:
            raise self._unavailable(error) from error

    def put(self, data: bytes, suffix: str) -> Digest:
        if not SUFFIX.fullmatch(suffix):
            raise StoreError(f"{suffix!r} is no suffix of an evidence file; .jpg is one")
        digest = digest_of(data)
        try:
            if self._file(digest) is None:
                self._check_room(len(data))
                self._write(data, self._place(digest) / f"{digest}{suffix}")
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
            raise EvidenceCorrupt(f"{file} has been changed: its bytes have the digest {digest_of(data)}. Bring it back from a backup.")
        return data

    def digests(self) -> Iterator[Digest]:
        for place in sorted(self._folder.glob("??/??")):
            for file in sorted(place.iterdir()):
                if DIGEST.fullmatch(file.stem) and file.parent == self._place(Digest(file.stem)):
                    yield Digest(file.stem)

    def _place(self, digest: Digest) -> Path:
        return self._folder / digest[:2] / digest[2:4]

    def _file(self, digest: Digest) -> Path | None:
        """Whatever its suffix is; None if there is none."""
        if not DIGEST.fullmatch(digest):
            return None
        return next(iter(sorted(self._place(digest).glob(f"{digest}.*"))), None)

    def _write(self, data: bytes, file: Path) -> None:
        unfinished = self._unfinished / f"{os.urandom(16).hex()}"
        try:
            with unfinished.open("xb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            self._make_place(file.parent)
            unfinished.rename(file)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
        _sync_folder(file.parent)

    def _make_place(self, place: Path) -> None:
        if not place.is_dir():
            place.mkdir(parents=True, exist_ok=True)
            _sync_folder(place.parent)
            _sync_folder(self._folder)

    def _check_room(self, size: int) -> None:
        if shutil.disk_usage(self._folder).free < size + self._reserve_bytes:
            raise self._full(size)

    def _full(self, size: int) -> EvidenceFull:
        free = shutil.disk_usage(self._folder).free
        return EvidenceFull(
            f"{self._folder} has {free / 1e6:.0f} MB free, and {self._reserve_bytes / 1e6:.0f} MB are kept free: no room for a file of"
            f" {size / 1e6:.1f} MB. Make room or move the folder to a larger disk (--data), then start again; nothing was lost."
        )

    def _unavailable(self, error: OSError) -> EvidenceUnavailable:
        return EvidenceUnavailable(f"the evidence folder {self._folder} cannot be used: {error.strerror} ({error.filename})")

    def _sweep(self) -> None:
        for file in self._unfinished.iterdir():
            with suppress(FileNotFoundError):  # whoever was writing it has finished
                if time.time() - file.stat().st_mtime > FORGOTTEN_S:
                    file.unlink()


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
