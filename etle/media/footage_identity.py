"""Which footage a file or a folder holds, by its content: recorders use the same names again, and folders are emptied and refilled."""

import re
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

PICTURE_SUFFIXES: Final = (".jpg", ".jpeg", ".png")
"""Files of a folder that are read, in lower case."""
_CHARACTERS: Final = 16
_SAMPLE_BYTES: Final = 64 * 1024
_BEGINNING_BYTES: Final = 1024 * 1024
_SAMPLES: Final = 16


def pictures_in(folder: Path) -> list[Path]:
    """Its pictures in natural order of their names, `2.jpg` before `10.jpg`, without hidden files, such as the `._name` that macOS writes
    beside each file. Raises OSError.
    """
    found = [
        path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".") and not path.is_dir()
    ]
    return sorted(found, key=lambda path: _natural(path.name))


def file_identity(path: Path) -> str:
    """Of size, time of modification, beginning, end, and samples between them; empty if the file cannot be read."""
    digest = sha256()
    try:
        status = path.stat()
        digest.update(f"{status.st_size}/{status.st_mtime_ns}".encode())
        with path.open("rb") as file:
            digest.update(file.read(_BEGINNING_BYTES))
            for number in range(1, _SAMPLES + 1):
                file.seek(max(0, (status.st_size - _SAMPLE_BYTES) * number // _SAMPLES))
                digest.update(file.read(_SAMPLE_BYTES))
    except OSError:
        return ""
    return digest.hexdigest()[:_CHARACTERS]


def folder_identities(folder: Path) -> Iterator[str]:
    """Of names, sizes and times of all its pictures; then of all but the last, as the folder was before that was added; and so on."""
    identities, digest = [], sha256()
    try:
        for path in pictures_in(folder):
            status = path.stat()
            digest.update(f"{path.name}/{status.st_size}/{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
            identities.append(digest.hexdigest()[:_CHARACTERS])
    except OSError:
        return
    yield from reversed(identities)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that compares numbers in names by value."""
    return [(int(part), "") if part.isdecimal() else (-1, part.lower()) for part in re.split(r"(\d+)", name)]
