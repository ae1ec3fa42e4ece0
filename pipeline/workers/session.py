"""One camera in a detect worker: its stage, and at which offsets the frames lie that it still needs."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from etle.errors import FrameBroken
from etle.media.jpeg import size_of
from etle.protocols import VehicleDetector
from etle.types import CameraId, Detection, Digest, Frame, ViolationMessage
from pipeline.detect.stage import CameraStage, DecodedFrame
from pipeline.detect.state import StageState, encode
from pipeline.workers.checkpoint import Checkpoint


class StageFactory(Protocol):
    """Makes the stages of a site's cameras, all with the same models."""

    detector: VehicleDetector
    cameras: frozenset[CameraId]

    def made_by(self, camera: CameraId) -> Digest: ...

    def rules(self, camera: CameraId) -> frozenset[str]: ...

    def build(self, camera: CameraId, memory: StageState) -> CameraStage: ...


class FrameStatus(Enum):
    """What a frame is to a camera."""

    NEW = auto()
    SEEN = auto()
    """It went through before the last checkpoint: for the pictures only."""
    REPEATED = auto()
    """Sent a second time."""
    RENUMBERED = auto()
    """The box began to count anew: another story."""


class CameraSession:
    """Not to be shared between threads."""

    def __init__(self, camera: CameraId, stage: CameraStage, checkpoint: Checkpoint | None, offset: int, now: datetime) -> None:
        """`offset`: where the camera begins, if it has no checkpoint."""
        self.camera = camera
        self.stage = stage
        self.heard_at = now
        """When its last frame came."""
        self.dirty = False
        """Something happened since the last checkpoint."""
        self._next_offset = checkpoint.next_offset if checkpoint else offset
        self._refill_from = checkpoint.needed_offset if checkpoint else offset
        self._refilling = checkpoint is not None
        self._offsets: dict[int, int] = {}
        self._broken = set(checkpoint.broken) if checkpoint else set()
        self._last_sequence = checkpoint.processed if checkpoint and checkpoint.processed >= 0 else None

    def fate(self, frame: Frame, offset: int) -> FrameStatus:
        if offset < self._next_offset:
            return FrameStatus.SEEN
        memory = self.stage.memory
        if frame.sequence > memory.processed and frame.sequence not in self._broken:
            return FrameStatus.NEW
        known = frame.sequence in self._offsets or frame.sequence in self._broken
        if known or memory.last_at is None or frame.captured_at <= memory.last_at:
            return FrameStatus.REPEATED
        return FrameStatus.RENUMBERED

    def refill(self, frame: Frame, offset: int) -> None:
        if frame.sequence not in self._broken and offset >= self._refill_from:
            self.stage.refill(frame)
            self._offsets.setdefault(frame.sequence, offset)

    def missing_before(self, frame: Frame) -> int:
        """Frames that are missing in the sequence before this new one."""
        return 0 if self._last_sequence is None else max(0, frame.sequence - self._last_sequence - 1)

    def begin(self, frame: Frame, offset: int, now: datetime) -> DecodedFrame:
        """Raises FrameBroken; the frame is done with then."""
        self._meet(frame.sequence, offset, now)
        try:
            _check_size(frame)
            seen = self.stage.begin(frame)
        except FrameBroken:
            self._broken.add(frame.sequence)
            raise
        self._offsets[frame.sequence] = offset
        return seen

    def conclude(self, seen: DecodedFrame, found: Sequence[Detection]) -> tuple[ViolationMessage, ...]:
        """Raises InferenceError."""
        parcels = self.stage.conclude(seen, found)
        oldest = self.stage.needed_from
        for sequence in [each for each in self._offsets if each < oldest]:
            del self._offsets[sequence]
        self._broken = {sequence for sequence in self._broken if sequence >= oldest}
        return parcels

    def finish(self) -> tuple[ViolationMessage, ...]:
        """The camera has fallen silent: what is pending is completed with the pictures that there are."""
        self.dirty = True
        return self.stage.finish()

    @property
    def finished(self) -> bool:
        return self.stage.memory.finished

    @property
    def needed_offset(self) -> int:
        if self._refilling:
            return self._refill_from
        return min(self._offsets.values(), default=self._next_offset)

    def checkpoint(self) -> Checkpoint:
        memory = self.stage.memory
        return Checkpoint(
            camera=self.camera,
            processed=memory.processed,
            needed_offset=self.needed_offset,
            next_offset=self._next_offset,
            broken=tuple(sorted(self._broken)),
            finished=memory.finished,
            memory=encode(memory),
        )

    def _meet(self, sequence: int, offset: int, now: datetime) -> None:
        self._next_offset = offset + 1
        self._refilling = False  # the first new frame: the ring is filled again
        self._last_sequence = sequence
        self.heard_at = now
        self.dirty = True


def _check_size(frame: Frame) -> None:
    """A picture of another size than its message says would move every line that is drawn on it."""
    try:
        size = size_of(frame.jpeg)
    except FrameBroken as error:
        raise FrameBroken(f"frame {frame.sequence} of {frame.camera}: {error}") from error
    if size != (frame.width, frame.height):
        raise FrameBroken(
            f"frame {frame.sequence} of {frame.camera} is said to be {frame.width}x{frame.height}, and is {size.width}x{size.height}"
        )
