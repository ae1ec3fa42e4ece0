"""One partition of the frame topic in a detect worker: its cameras, and the worker's position in it."""

from dataclasses import dataclass, field

from etle.kafka.protocols import Position
from etle.types import CameraId
from pipeline.workers.checkpoint import Checkpoint
from pipeline.workers.session import CameraSession


@dataclass(slots=True)
class PartitionState:
    number: int
    position: int
    """Offset of the next message."""
    handled: int
    """Offset up to which an earlier worker got: messages below it that are rejected again are not sent to the dead letters again."""
    sessions: dict[CameraId, CameraSession] = field(default_factory=dict)
    finished: dict[CameraId, Checkpoint] = field(default_factory=dict)
    """Checkpoints of cameras that had finished when the partition was assigned; a session is opened with their next frame."""
    committed: Position | None = None

    @property
    def next_position(self) -> Position:
        """Position to commit: the oldest offset that a camera still needs. Its metadata is the offset up to which messages were handled."""
        needed = [session.needed_offset for session in self.sessions.values() if not session.finished]
        return Position(offset=min([*needed, self.position]), metadata=str(max(self.position, self.handled)))


def handled_offset(position: Position | None, otherwise: int) -> int:
    """Offset up to which the group has handled messages, from the metadata of its committed position."""
    if position is None:
        return otherwise
    return int(position.metadata) if position.metadata.isascii() and position.metadata.isdigit() else position.offset
