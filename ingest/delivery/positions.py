"""How far each camera's frames are safe, in one file a camera: so that numbers never repeat, and a film is read on where it was left.

The file may be a second behind. For a film that costs nothing: it is read again, and the same frames have the same numbers. A live camera
goes on at a number that no frame before can have had.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from etle.errors import ConfigError
from etle.types import CameraId
from ingest.frame_loss import LossReason

UNWRITTEN: Final = 10_000
"""More frames of a camera than that are never on their way while the file lags behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePosition:
    source: str
    """Which film or camera. Another film's numbers follow on those of the one before."""
    base: int = 0
    """Added to the numbers that the source itself gives."""
    sequence: int | None = None
    """Of the last frame that is safe, `base` included; None if none is."""
    losses: Mapping[LossReason, int] = field(default_factory=dict)
    """What this camera has lost since the file was begun."""

    @property
    def after(self) -> int | None:
        """By the source's own numbers; None: from its beginning."""
        return None if self.sequence is None or self.sequence < self.base else self.sequence - self.base


class SourcePositionFile:
    """One camera's. Safe to use from several threads; what was told to `safe` is written by `save`."""

    def __init__(self, folder: Path, camera: CameraId, source: str) -> None:
        """Raises ConfigError if the file is damaged: to begin anew would give numbers twice."""
        self._path = folder / f"{camera}.json"
        self._lock = Lock()
        self._saved = _read(self._path)
        self._before: Mapping[LossReason, int] = self._saved.losses if self._saved else {}
        self._position = _going_on(self._saved, source)

    @property
    def position(self) -> SourcePosition:
        return self._position

    def safe(self, sequence: int) -> None:
        with self._lock:
            self._position = replace(self._position, sequence=sequence)

    def save(self, losses: Mapping[LossReason, int]) -> None:
        """`losses` are those since this process began; they are added to those before."""
        with self._lock:
            together = {loss: self._before.get(loss, 0) + losses.get(loss, 0) for loss in sorted({*self._before, *losses})}
            position = replace(self._position, losses=together)
            if position != self._saved:
                _write(self._path, msgspec.json.encode(position))
                self._saved = position


def _going_on(known: SourcePosition | None, source: str) -> SourcePosition:
    if known is None:
        return SourcePosition(source=source)
    if known.source == source:
        return known
    return SourcePosition(source=source, base=0 if known.sequence is None else known.sequence + 1, sequence=known.sequence)


def _read(path: Path) -> SourcePosition | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SourcePosition)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}. Put it back from a backup, or write "
            '{"source": "", "sequence": N} with N larger than any sequence of this camera in the frames topic'
        ) from error


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    with unfinished.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(path)
