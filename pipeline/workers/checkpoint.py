"""Where a camera's stage is: its saved state, and the offsets from which the next process continues.

Frames from `needed_offset` on are read again. Those below `next_offset` were processed already and only refill the stage's buffer.
An offset is that of a Kafka message, or, where `etle run` reads a source itself, the frame's sequence.

A state belongs to the code, models and configuration that made it (its fingerprint); a stage with another fingerprint does not resume
from it: the violation would name models that did not find it. A file is then read from its beginning, and what is found again has the
same id. A Kafka worker rebuilds the state from `needed_offset` on, and drops violations that are complete before `next_offset`:
the previous worker has published them.
"""

from dataclasses import dataclass
from typing import Final

import msgspec

from etle.decoded_types import prepare
from etle.errors import WireError
from etle.types import CameraId, Digest
from pipeline.detect import state
from pipeline.detect.state import StageState

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    schema: int = SCHEMA
    camera: CameraId
    processed: int
    """Sequence of the last processed frame."""
    needed_offset: int
    next_offset: int
    broken: tuple[int, ...]
    """Sequences from `needed_offset` on that were rejected, and must not enter the buffer."""
    finished: bool
    """The source has ended and no finding is pending: no frame is needed."""
    memory: bytes
    """The encoded StageState."""

    @property
    def start_offset(self) -> int:
        """Offset from which frames are to be read."""
        return self.next_offset if self.finished else self.needed_offset

    def state(self, fingerprint: Digest) -> StageState | None:
        """The state to resume from; None if other code, models or configuration made it."""
        return state.decode(self.memory, fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Head:
    schema: int


prepare(_Head, Checkpoint)


def checkpoint_to_wire(checkpoint: Checkpoint) -> bytes:
    return msgspec.msgpack.encode(checkpoint)


def checkpoint_from_wire(data: bytes) -> Checkpoint:
    """Raises WireError."""
    try:
        schema = msgspec.msgpack.decode(data, type=_Head).schema
        if schema != SCHEMA:
            raise WireError(f"checkpoint: schema {schema}, but this version of etle reads schema {SCHEMA}")
        return msgspec.msgpack.decode(data, type=Checkpoint)
    except msgspec.MsgspecError as error:
        raise WireError(f"checkpoint: {error}") from error
