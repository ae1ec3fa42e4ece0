"""What a change is made with: the office, a cursor in a transaction that is rolled back, and files that are restored."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.tamper.office import Office
from etle.storage.database import Cursor


class NothingToChange(Exception):
    """The random choice found no such row, or the value it has already: choose again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TamperContext:
    """What a change is made with."""

    office: Office
    cursor: Cursor
    rng: random.Random
    files: "FileChanges"

    def execute(self, statement: str, **values: object) -> None:
        """Raises NothingToChange if no row was affected."""
        self.cursor.execute(statement, values)
        if self.cursor.rowcount == 0:
            raise NothingToChange(statement)

    def rows(self, statement: str, **values: object) -> list[Any]:
        self.cursor.execute(statement, values)
        return self.cursor.fetchall()

    def some(self, statement: str, **values: object) -> Any:
        """A random row of the query."""
        found = self.rows(statement, **values)
        if not found:
            raise NothingToChange(statement)
        return self.rng.choice(found)

    def file(self, pattern: str) -> Path:
        """A random evidence file."""
        return self.rng.choice(sorted(self.office.folder.glob(f"evidence/??/??/{pattern}")))


class FileChanges:
    """Changes of files that are undone at the end of the block."""

    def __init__(self) -> None:
        self._before: dict[Path, bytes | None] = {}

    def write(self, path: Path, data: bytes) -> None:
        self._remember(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def remove(self, path: Path) -> None:
        self._remember(path)
        path.unlink()

    def undo(self) -> None:
        for path, data in self._before.items():
            if data is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(data)
        self._before.clear()

    def _remember(self, path: Path) -> None:
        self._before.setdefault(path, path.read_bytes() if path.exists() else None)


@contextmanager
def file_changes() -> Iterator[FileChanges]:
    changes = FileChanges()
    try:
        yield changes
    finally:
        changes.undo()
