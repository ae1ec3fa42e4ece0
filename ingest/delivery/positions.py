"""Stores the last delivered frame of each camera, in one file per camera, so that sequence numbers never repeat and a video file is
continued where reading stopped.

The file may be a second behind. For a video file that costs nothing: the frames are read again with the same numbers. A live camera
continues at a number that no earlier frame can have.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Final

import msgspec

from etle.decoded_types import prepare
from etle.errors import ConfigError
from etle.files import write_atomic
from etle.types import CameraId
from ingest.frame_loss import LossReason

MAX_UNSAVED_FRAMES: Final = 10_000
"""Upper bound for the frames that one camera delivers between two writes of its file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePosition:
    """The field names are those in the file."""

    source: str
    """Identifies the video or camera. After a change of video the numbers continue after those of the one before."""
    base: int = 0
    """Added to the source's own numbers."""
    sequence: int | None = None
    """Number of the last frame that is safe, including `base`; None if there is none."""
    losses: Mapping[LossReason, int] = field(default_factory=dict)
    """Totals since the file was created."""

    @property
    def after(self) -> int | None:
        """The last frame by the source's own numbers; None: start from its beginning."""
        return None if self.sequence is None or self.sequence < self.base else self.sequence - self.base


prepare(SourcePosition)


class SourcePositionFile:
    """Position of one camera. Safe to use from several threads. `advance` changes it in memory, `save` writes it."""

    def __init__(self, folder: Path, camera: CameraId, source: str, earlier_sources: Iterable[str] = ()) -> None:
        """`earlier_sources`: names that the same footage had when it was shorter.

        Raises ConfigError if the file is damaged: a fresh start would use sequence numbers twice.
        """
        self._path = folder / f"{camera}.json"
        self._lock = Lock()
        self._saved = _read(self._path)
        self._earlier_losses: Mapping[LossReason, int] = self._saved.losses if self._saved else {}
        self._position = _resumed(self._saved, source, earlier_sources)

    @property
    def position(self) -> SourcePosition:
        return self._position

    def advance(self, sequence: int) -> None:
        """The frame with this number, which includes `base`, is safe or lost."""
        with self._lock:
            self._position = replace(self._position, sequence=sequence)

    def save(self, losses: Mapping[LossReason, int]) -> None:
        """`losses`: totals since this process started; they are added to those of earlier processes."""
        with self._lock:
            totals = {
                reason: self._earlier_losses.get(reason, 0) + losses.get(reason, 0) for reason in sorted({*self._earlier_losses, *losses})
            }
            position = replace(self._position, losses=totals)
            if position != self._saved:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                write_atomic(self._path, msgspec.json.encode(position))
                self._saved = position


def _resumed(saved: SourcePosition | None, source: str, earlier_sources: Iterable[str]) -> SourcePosition:
    if saved is None:
        return SourcePosition(source=source)
    if saved.source == source:
        return saved
    if saved.source in earlier_sources:
        return replace(saved, source=source)
    return SourcePosition(source=source, base=0 if saved.sequence is None else saved.sequence + 1, sequence=saved.sequence)


def _read(path: Path) -> SourcePosition | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=SourcePosition)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise ConfigError(
            f"{path}: cannot be read: {error}. Restore it from a backup, or write "
            '{"source": "", "sequence": N} with N larger than any sequence of this camera in the frames topic'
        ) from error
