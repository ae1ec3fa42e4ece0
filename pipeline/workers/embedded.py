"""The embedded profile: source, stage and sink of one camera in one thread, with a checkpoint every few seconds of footage.

Violations are stored before the checkpoint is saved. After a kill the frames since the last checkpoint are processed again; they give the
same violations under the same ids, which the sink has already.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from threading import Event
from typing import TypeVar

from etle.backoff import Backoff
from etle.clock import seconds_between
from etle.errors import EtleError, SourceBroken, SourceError, SourceUnavailable, StoreUnavailable, WireError
from etle.protocols import CheckpointStore, Clock, FrameSource, ViolationSink
from etle.types import CameraId, Frame, Violation, ViolationMessage
from pipeline.detect.visibility import Visibility
from pipeline.workers.checkpoint import Checkpoint, checkpoint_from_wire, checkpoint_to_wire
from pipeline.workers.session import CameraSession, FrameStatus, StageFactory

log = logging.getLogger(__name__)
T = TypeVar("T")
NumberedFrames = Callable[[int], Iterator[tuple[int, Frame]]]
"""The frames behind an offset, in order, each with its offset: a number from which it can be read again."""
SAVE_EVERY_S = 2.0
"""Interval between two checkpoints, by the frames' capture times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCallbacks:
    """Callbacks for processed frames, rejected frames and stored violations."""

    frame: Callable[[Frame], None]
    rejected: Callable[[Frame, str], None]
    """With the reason."""
    violation: Callable[[Violation, bool], None]
    """False if it was stored before."""


def load_checkpoint(checkpoints: CheckpointStore, stream: str) -> Checkpoint | None:
    """The checkpoint of an earlier run; None if there is none, or if it cannot be read (which is logged)."""
    saved = checkpoints.load(stream)
    if saved is None:
        return None
    try:
        return checkpoint_from_wire(saved[1])
    except WireError as error:
        log.warning("the checkpoint of %s is ignored: %s", stream, error)
        return None


def resume_session(stages: StageFactory, camera: CameraId, checkpoint: Checkpoint | None, now: datetime) -> CameraSession:
    """From the checkpoint, if this code, these models and this configuration made it; otherwise from the beginning of the source."""
    resumable = checkpoint is not None and checkpoint.state(stages.fingerprint(camera)) is not None
    return CameraSession(stages, camera, checkpoint if resumable else None, 0, now)


class CameraRun:
    """Runs one camera from its session's position to the end of its source, or until it is stopped."""

    def __init__(
        self, session: CameraSession, source: FrameSource, sink: ViolationSink, checkpoints: CheckpointStore, clock: Clock,
        stream: str, callbacks: RunCallbacks, numbered: NumberedFrames | None = None, *, retries: bool = True,
    ) -> None:  # fmt: skip
        """`stream`: name of the checkpoint. `numbered`: the frames of the source with their offsets, where those are not sequences.
        `retries`: wait while a store is unavailable; otherwise StoreUnavailable is raised, and the caller continues at the checkpoint."""
        self._session = session
        self._source = source
        self._sink = sink
        self._checkpoints = checkpoints
        self._clock = clock
        self._stream = stream
        self._callbacks = callbacks
        self._numbered = numbered or self._by_sequence
        self._retries = retries
        self._stopped = Event()

    @property
    def visibility(self) -> Visibility:
        """What the camera could and could not see so far."""
        return self._session.visibility

    def stop(self) -> None:
        """Finish the current frame, save a checkpoint and return from `run`. Thread-safe."""
        self._stopped.set()

    def run(self) -> None:
        """Raises SourceError after what was read is saved, ConfigError, InferenceError, StoreError.

        Pending findings are then completed with the frames that exist; not where the source cannot be reached now and can be read again.
        """
        for _ in self.steps():
            pass

    def steps(self) -> Iterator[None]:
        """As `run`, frame by frame: the caller decides when the next one is processed."""
        if self._source.live and (dropped := self._session.drop_pending()):
            log.warning(
                "%s: the last run stopped before %d findings were complete; a live camera does not repeat their frames",
                self._stream,
                dropped,
            )
        source_error: SourceError | None = None
        try:
            yield from self._process_frames()
        except SourceError as error:
            source_error = error
        continues = isinstance(source_error, SourceUnavailable) and not self._source.live
        if not self._stopped.is_set() and not continues:
            self._store(self._session.finish())
        self._save()
        if source_error is not None:
            raise source_error

    def _process_frames(self) -> Iterator[None]:
        saved_at = None
        for offset, frame in self._frames():
            self._process(frame, offset)
            if self._session.dirty and (saved_at is None or abs(seconds_between(saved_at, frame.captured_at)) >= SAVE_EVERY_S):
                self._save()
                saved_at = frame.captured_at
            yield
            if self._stopped.is_set():
                return

    def _by_sequence(self, after: int) -> Iterator[tuple[int, Frame]]:
        return ((frame.sequence, frame) for frame in self._source.frames(after))

    def _frames(self) -> Iterator[tuple[int, Frame]]:
        """The source's frames with their offsets. Whatever fails in a source is raised as a SourceError: it concerns this camera only."""
        try:
            yield from self._numbered(self._session.needed_offset - 1)
        except SourceError:
            raise
        except EtleError as error:
            raise SourceBroken(str(error)) from error
        except Exception as error:  # the broad catch of a source
            log.debug("%s: the source failed", self._stream, exc_info=True)
            raise SourceBroken(f"{self._session.camera}: the source failed: {type(error).__name__}: {error}") from error

    def _process(self, frame: Frame, offset: int) -> None:
        result = self._session.process(frame, offset, self._clock.now())
        self._store(result.completed)
        if result.rejected is not None:
            self._callbacks.rejected(frame, result.rejected)
        elif result.status is not FrameStatus.REPLAYED:
            self._callbacks.frame(frame)

    def _store(self, completed: tuple[ViolationMessage, ...]) -> None:
        for message in completed:
            new = self._with_retry(partial(self._sink.put, message))
            self._callbacks.violation(message.violation, new)

    def _save(self) -> None:
        """`dirty` is False while frames are replayed: the saved checkpoint is then still the right one."""
        if self._session.dirty:
            checkpoint = self._session.checkpoint()
            position, state = checkpoint.start_offset - 1, checkpoint_to_wire(checkpoint)
            self._with_retry(partial(self._checkpoints.save, self._stream, position, state))
            self._session.dirty = False

    def _with_retry(self, action: Callable[[], T]) -> T:
        """Repeat the action while the store is unavailable, until `stop`. Meanwhile a file is not read on; a live camera's buffer drops
        its oldest frames and counts them."""
        backoff = Backoff()
        while True:
            try:
                return action()
            except StoreUnavailable as error:
                if self._stopped.is_set() or not self._retries:
                    raise
                delay_s = backoff.next_s()
                log.warning("%s Next attempt in %g s.", error, delay_s)
                self._clock.sleep(delay_s)
