"""One camera from its checkpoint on: which frames are new, what they complete, and which offsets are still needed.

Both drivers use it: the Kafka worker with the offsets of messages, `etle run` with the sequences of frames.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto
from typing import Final, Protocol

from etle.clock import seconds_between
from etle.errors import FrameBroken
from etle.media.jpeg import size_of
from etle.types import CameraId, Digest, Frame, ViolationMessage
from pipeline.detect.stage import CameraStage, Decided
from pipeline.detect.state import StageState, encode, initial_state
from pipeline.detect.visibility import FrameObservation, Visibility
from pipeline.scene.judgement import Judgement
from pipeline.workers.checkpoint import Checkpoint

MAX_AHEAD_S: Final = 600.0
"""A frame whose time of capture is further ahead of this machine's clock is not believed: the device's clock is wrong, or it is forged."""
MAX_SEQUENCE_GAP: Final = 10_000_000
"""More frames than a camera takes in days are not a gap: the sequence numbers restarted elsewhere."""


class StageFactory(Protocol):
    """Builds the stages of a site's cameras."""

    cameras: frozenset[CameraId]

    def fingerprint(self, camera: CameraId) -> Digest:
        """Digest of all that the camera's state depends on: code, models, configuration."""
        ...

    def build(self, camera: CameraId, state: StageState) -> CameraStage: ...


class FrameStatus(Enum):
    NEW = auto()
    REPLAYED = auto()
    """Processed before the checkpoint; read again for its picture, or to rebuild the state."""
    DUPLICATE = auto()
    """Sent a second time."""
    SEQUENCE_RESET = auto()
    """Sequence numbers restarted; a new session was started."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """What one frame led to."""

    status: FrameStatus
    completed: tuple[ViolationMessage, ...] = ()
    missing: int = 0
    """Number of sequence numbers that were skipped before this frame."""
    gated: bool = False
    """No inference was run, because nothing had moved."""
    rejected: str | None = None
    """Why the frame could not be processed; None if it was."""
    observed: FrameObservation | None = None
    """What could be seen in the frame; None if it was not processed."""


class CameraSession:
    """Not thread-safe."""

    def __init__(self, stages: StageFactory, camera: CameraId, checkpoint: Checkpoint | None, offset: int, now: datetime) -> None:
        """`offset`: where the session begins if there is no checkpoint."""
        self.camera = camera
        self.last_frame_at = now
        """Time of arrival of the last frame, by this machine's clock."""
        self.dirty = False
        """Something has changed since the last checkpoint."""
        self._stages = stages
        fingerprint = stages.fingerprint(camera)
        resumed = checkpoint.state(fingerprint) if checkpoint else None
        self._refill_from = checkpoint.start_offset if checkpoint else offset
        self._next_offset = checkpoint.next_offset if checkpoint else offset
        self._rebuilding = resumed is None
        self._replaying = checkpoint is not None
        self._offsets: dict[int, int] = {}
        """Offset of each buffered frame, by sequence."""
        self._broken = set(checkpoint.broken) if checkpoint else set()
        self._last_sequence = checkpoint.processed if checkpoint and checkpoint.processed >= 0 else None
        self._stage = stages.build(camera, resumed or initial_state(fingerprint, camera, self._refill_from))

    @property
    def finished(self) -> bool:
        return self._stage.state.finished

    @property
    def processed(self) -> int:
        """Sequence of the last processed frame; -1 before the first."""
        return self._stage.state.processed

    @property
    def visibility(self) -> Visibility:
        """What the camera could and could not see so far."""
        return self._stage.state.visibility

    @property
    def decided(self) -> Decided | None:
        """What the rules decided on the last frame; None if they did not run on it."""
        return self._stage.decided

    @property
    def decided_by_plate(self) -> tuple[tuple[int, Judgement], ...]:
        """What they decided on plates that became known with the last frame; after `finish` those that were still awaited."""
        return self._stage.decided_by_plate

    @property
    def needed_offset(self) -> int:
        """Offset of the oldest frame that a restart would need."""
        if self._replaying:
            return self._refill_from
        return min(self._offsets.values(), default=self._next_offset)

    def process(self, frame: Frame, offset: int, now: datetime) -> FrameResult:
        """Raises InferenceError."""
        status = self._status(frame, offset, now)
        if status is FrameStatus.REPLAYED:
            return self._replay(frame, offset)
        if status is FrameStatus.DUPLICATE:
            return FrameResult(status=status)
        completed = self._restart(offset) if status is FrameStatus.SEQUENCE_RESET else ()
        missing = self._missing_before(frame) if status is FrameStatus.NEW else 0
        self._advance(frame.sequence, offset, now)
        result = self._processed(frame, offset, status)
        return replace(result, completed=completed + result.completed, missing=missing)

    def finish(self) -> tuple[ViolationMessage, ...]:
        """Call when no more frames come: completes all pending findings with the frames that exist."""
        self.dirty = True
        return self._stage.finish()

    def drop_pending(self) -> int:
        """Forget pending findings whose frames cannot be read again; returns their number."""
        return self._stage.drop_pending()

    def checkpoint(self) -> Checkpoint:
        state = self._stage.state
        return Checkpoint(
            camera=self.camera,
            processed=state.processed,
            needed_offset=self.needed_offset,
            next_offset=self._next_offset,
            broken=tuple(sorted(self._broken)),
            finished=state.finished,
            memory=encode(state),
        )

    def _status(self, frame: Frame, offset: int, now: datetime) -> FrameStatus:
        if offset < self._next_offset:
            return FrameStatus.REPLAYED
        state = self._stage.state
        if frame.sequence > state.processed and frame.sequence not in self._broken:
            is_gap = self._last_sequence is None or frame.sequence - self._last_sequence <= MAX_SEQUENCE_GAP
            return FrameStatus.NEW if is_gap else FrameStatus.SEQUENCE_RESET
        if state.last_at is not None and seconds_between(now, state.last_at) > MAX_AHEAD_S and frame.captured_at < state.last_at:
            return FrameStatus.SEQUENCE_RESET  # the state comes from a frame with a wrong time: every later frame would be a duplicate
        known = frame.sequence in self._offsets or frame.sequence in self._broken
        if known or state.last_at is None or frame.captured_at <= state.last_at:
            return FrameStatus.DUPLICATE
        return FrameStatus.SEQUENCE_RESET

    def _replay(self, frame: Frame, offset: int) -> FrameResult:
        """Refill the buffer, or rebuild the state; what a rebuild completes was published by the previous stage."""
        if offset < self._refill_from or frame.sequence in self._broken:
            return FrameResult(status=FrameStatus.REPLAYED)
        if not self._rebuilding:
            self._stage.refill(frame)
            self._offsets.setdefault(frame.sequence, offset)
        elif frame.sequence > self._stage.state.processed:
            return replace(self._processed(frame, offset, FrameStatus.REPLAYED), completed=())
        return FrameResult(status=FrameStatus.REPLAYED)

    def _restart(self, offset: int) -> tuple[ViolationMessage, ...]:
        """Complete the session before the sequence reset, and begin a new one."""
        completed = self._stage.finish()
        self._offsets, self._broken = {}, set()
        self._stage = self._stages.build(self.camera, initial_state(self._stages.fingerprint(self.camera), self.camera, offset))
        return completed

    def _missing_before(self, frame: Frame) -> int:
        return 0 if self._last_sequence is None else max(0, frame.sequence - self._last_sequence - 1)

    def _advance(self, sequence: int, offset: int, now: datetime) -> None:
        self._next_offset = offset + 1
        self._replaying = False  # the first new frame: all needed frames have been read again
        self._last_sequence = sequence
        self.last_frame_at = now
        self.dirty = True

    def _processed(self, frame: Frame, offset: int, status: FrameStatus) -> FrameResult:
        gated_before = self._stage.counts.gated
        try:
            _check_size(frame)
            completed = self._stage.process(frame)
        except FrameBroken as error:
            self._broken.add(frame.sequence)
            return FrameResult(status=status, rejected=str(error))
        self._offsets[frame.sequence] = offset
        self._forget_unneeded()
        gated = self._stage.counts.gated > gated_before
        return FrameResult(status=status, completed=completed, gated=gated, observed=self._stage.observed)

    def _forget_unneeded(self) -> None:
        oldest = self._stage.needed_from
        for sequence in [each for each in self._offsets if each < oldest]:
            del self._offsets[sequence]
        self._broken = {sequence for sequence in self._broken if sequence >= oldest}


def _check_size(frame: Frame) -> None:
    """Compare the JPEG's size with the message's: a picture of another size would shift every line that is drawn on it."""
    try:
        size = size_of(frame.jpeg)
    except FrameBroken as error:
        raise FrameBroken(f"frame {frame.sequence} of {frame.camera}: {error}") from error
    if size != (frame.width, frame.height):
        raise FrameBroken(
            f"frame {frame.sequence} of {frame.camera}: its message says {frame.width}x{frame.height},"
            f" its JPEG is {size.width}x{size.height}"
        )
