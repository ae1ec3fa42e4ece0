"""The embedded profile: one camera's source, stage and sink in one thread, with a checkpoint behind every few seconds of footage.

Effect first, checkpoint last. A kill at any instant costs the frames since the last checkpoint, which are read again and give the same
violations under the same ids; the sink knows those that it has.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain, repeat
from threading import Event
from typing import TypeVar
from uuid import uuid4

from etle.errors import FrameBroken, SourceError, StoreUnavailable
from etle.protocols import CheckpointStore, Clock, FrameSource, ViolationSink
from etle.types import Digest, Frame, Violation, ViolationMessage
from pipeline.detect.stage import CameraStage
from pipeline.detect.state import StageState, decode, encode
from pipeline.scene.scene import seconds

log = logging.getLogger(__name__)
T = TypeVar("T")
SAVE_EVERY_S = 2.0
"""Of footage, between two checkpoints."""
_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCallbacks:
    """Whom to tell what."""

    frame: Callable[[Frame], None]
    """A frame is done with."""
    broken: Callable[[Frame, str], None]
    """A frame was set aside, and why."""
    violation: Callable[[Violation, bool], None]
    """A violation is safe; False if it was there already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where to go on: the stage's memory, and the last sequence that need not be read again (None: from the beginning)."""

    memory: StageState
    after: int | None


def last_checkpoint(checkpoints: CheckpointStore | None, stream: str, made_by: Digest) -> Checkpoint:
    """Of an earlier run with the same code, models and configuration; a new beginning where there is none, or nobody to ask."""
    saved = checkpoints.load(stream) if checkpoints else None
    memory = decode(saved[1], made_by) if saved else None
    if saved is None or memory is None or memory.processed < 0:
        run = memory.run if memory else uuid4().hex
        return Checkpoint(memory=StageState(made_by=made_by, run=run), after=None)
    return Checkpoint(memory=memory, after=memory.processed if memory.finished else saved[0])


class CameraRun:
    """Runs one camera from a checkpoint to its source's end, or until it is told to stop."""

    def __init__(
        self, stage: CameraStage, source: FrameSource, sink: ViolationSink, checkpoints: CheckpointStore, clock: Clock,
        stream: str, after: int | None, reports: RunCallbacks,
    ) -> None:  # fmt: skip
        """`after`: the frames up to that sequence are not needed; those behind it that `stage` has seen only fill its ring again."""
        self._stage = stage
        self._source = source
        self._sink = sink
        self._checkpoints = checkpoints
        self._clock = clock
        self._stream = stream
        self._after = after
        self._reports = reports
        self._stopped = Event()

    def stop(self) -> None:
        """Safe from another thread: the frame in work is finished, and a checkpoint is left behind."""
        self._stopped.set()

    def run(self) -> None:
        """Raises SourceError after everything before it was done, ConfigError, InferenceError, StoreError."""
        if self._source.live and (lost := self._stage.drop_pending()):
            log.warning("%s: %d findings were cut off by the last stop, and a live camera does not show its past again", self._stream, lost)
        if self._stage.memory.processed < 0:
            self._save()  # the run's name; later on only what the ring holds again may be saved
        broken: SourceError | None = None
        try:
            self._frames()
        except SourceError as error:
            broken = error
        if not self._stopped.is_set():
            self._hand_over(self._stage.finish())
        self._save()
        if broken is not None:
            raise broken

    def _frames(self) -> None:
        seen, saved_at = self._stage.memory.processed, None
        for frame in self._source.frames(self._after):
            if frame.sequence <= seen:
                self._stage.refill(frame)
                continue
            self._one(frame)
            if saved_at is None or abs(seconds(saved_at, frame.captured_at)) >= SAVE_EVERY_S:
                self._save()
                saved_at = frame.captured_at
            if self._stopped.is_set():
                return

    def _one(self, frame: Frame) -> None:
        try:
            parcels = self._stage.process(frame)
        except FrameBroken as error:
            self._reports.broken(frame, str(error))
            return
        self._hand_over(parcels)
        self._reports.frame(frame)

    def _hand_over(self, parcels: tuple[ViolationMessage, ...]) -> None:
        for parcel in parcels:
            new = self._patiently(partial(self._sink.put, parcel))
            self._reports.violation(parcel.violation, new)

    def _save(self) -> None:
        state = encode(self._stage.memory)
        self._patiently(partial(self._checkpoints.save, self._stream, self._stage.needed_from - 1, state))

    def _patiently(self, action: Callable[[], T]) -> T:
        """The database away is a normal day: wait, and try again, until told to stop. A file waits meanwhile; a live camera's buffer
        drops its oldest frames and counts them."""
        for pause_s in chain(_PAUSES_S, repeat(_PAUSES_S[-1])):
            try:
                return action()
            except StoreUnavailable as error:
                if self._stopped.is_set():
                    raise
                log.warning("%s Trying again in %g s.", error, pause_s)
                self._clock.sleep(pause_s)
        raise AssertionError("the pauses have no end")
