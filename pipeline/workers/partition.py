"""One partition of the frames in a detect worker: its cameras, and how far along it they are."""

from dataclasses import dataclass, field

from etle.kafka.protocols import Position
from etle.types import CameraId
from pipeline.workers.checkpoint import Checkpoint
from pipeline.workers.session import CameraSession


@dataclass(slots=True)
class PartitionState:
    number: int
    position: int
    """The offset of the next message."""
    handled: int
    """Up to there an earlier worker got: what it set aside among the dead letters is not set aside again."""
    cameras: dict[CameraId, CameraSession] = field(default_factory=dict)
    resting: dict[CameraId, Checkpoint] = field(default_factory=dict)
    """Of cameras that had fallen silent when the partition came to us."""
    saved: Position | None = None

    @property
    def next_position(self) -> Position:
        """Where the group is to go on: at the oldest frame that a camera still needs. The note is how far we got."""
        needed = [work.needed_offset for work in self.cameras.values() if not work.finished]
        return Position(offset=min([*needed, self.position]), note=str(max(self.position, self.handled)))


def handled_by(position: Position | None, otherwise: int) -> int:
    """How far the group got, from the note beside its position."""
    if position is None:
        return otherwise
    return int(position.note) if position.note.isascii() and position.note.isdigit() else position.offset
