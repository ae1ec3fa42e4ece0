"""Forwards the frames of one camera from its source to the producer, in a thread of its own. An error stays inside the feed."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import partial
from threading import Event
from typing import Final

from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.config.site import CameraSettings
from etle.errors import EtleError
from etle.protocols import Clock, FrameSource
from etle.types import Frame
from etle.wire import Sign, frame_to_wire
from ingest.delivery.positions import MAX_UNSAVED_FRAMES, SourcePositionFile
from ingest.delivery.producer import SpooledProducer
from ingest.delivery.queued_message import DeliveryStatus, OutgoingMessage, QueuedMessage
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.signals.source import OpenTail, no_topics, with_signals
from ingest.sources.live_buffer import BUFFER_FRAMES, LiveBuffer
from ingest.sources.open import open_source
from ingest.sources.schedule import is_scheduled

log = logging.getLogger(__name__)
_POLL_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCallbacks:
    """Called from several threads."""

    on_captured: Callable[[Frame], None] = lambda frame: None
    on_status: Callable[[Frame, DeliveryStatus], None] = lambda frame, status: None
    """The frame has an empty `jpeg`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedContext:
    """Shared by all cameras of a gateway."""

    timezone: tzinfo
    """The site's."""
    clock: Clock
    losses: FrameLossCounter
    jitter: Callable[[], float]
    """Numbers from 0 up to 1, for the delays after failures."""
    topic: str
    sign: Sign
    max_frame_bytes: int
    callbacks: FeedCallbacks
    open_tail: OpenTail = no_topics
    """Opens the topic of a signal's controller."""


class CameraFeed:
    """Call `run` in a thread of its own. It ends with a video file's last frame; for a live camera it continues until `stop`."""

    def __init__(self, camera: CameraSettings, context: FeedContext, producer: SpooledProducer, position: SourcePositionFile) -> None:
        self.camera: Final = camera
        self.position: Final = position
        self.problem: str | None = None
        """Why the camera's video file or folder could not be read to its end."""
        self._context = context
        self._producer = producer
        self._backoff = Backoff(RECONNECT_DELAYS_S, context.jitter)
        self._source: LiveBuffer | None = None
        self._stopped = Event()

    def run(self) -> None:
        if self.camera.source.live and self.position.position.sequence is not None:
            self._context.losses.count(self.camera.camera_id, LossReason.GAP, "not read since the last process ended")
        while not self._stopped.is_set():
            if not self._scheduled():
                self._stopped.wait(_POLL_S)
                continue
            failure = self._read()
            if not self.camera.source.live:
                self.problem = failure
                return
            if failure:
                self._stopped.wait(self._backoff.next_s())
            else:
                self._backoff.reset()

    @property
    def awaited(self) -> bool:
        """True while frames are expected: of a live camera, during its scheduled hours."""
        return self.camera.source.live and not self._stopped.is_set() and self._scheduled()

    def stop(self) -> None:
        """Safe from another thread. `run` ends at the source's next frame, or after the source's timeout."""
        self._stopped.set()
        source = self._source
        if source is not None:
            source.close()

    def _read(self) -> str | None:
        """Forward frames until the source or the scheduled hours end, or `stop`. Returns the reason if the source failed."""
        camera = self.camera.camera_id
        try:
            self._forward_all(self._open())
        except EtleError as error:
            log.error("%s: %s", camera, error)
            return str(error)
        except Exception as error:  # the broad catch of this worker: an error in one camera must not affect the others
            log.exception("%s: the feed failed and is restarted", camera)
            return f"{camera}: {type(error).__name__}: {error}"
        return None

    def _open(self) -> FrameSource:
        context, camera = self._context, self.camera
        source = open_source(camera.camera_id, camera.source, context.clock, context.losses, timezone=context.timezone)
        if source.live:
            source = self._source = LiveBuffer(source, BUFFER_FRAMES, context.losses)
            if self._stopped.is_set():  # `stop` was called before `_source` was set
                self._source.close()
        return with_signals(source, camera, context.clock, context.losses, context.open_tail)

    def _forward_all(self, source: FrameSource) -> None:
        with closing(source.frames(self._after())) as frames:  # type: ignore[type-var]  # every implementation is a generator
            for frame in frames:
                if self._stopped.is_set() or not self._scheduled() or not self._forward(frame):
                    return

    def _after(self) -> int | None:
        position = self.position.position
        if self.camera.source.live:
            return None if position.sequence is None else position.sequence + MAX_UNSAVED_FRAMES
        return position.after

    def _scheduled(self) -> bool:
        return is_scheduled(self.camera.source.schedule, self._context.clock.now(), self._context.timezone)

    def _forward(self, frame: Frame) -> bool:
        """False once the producer is closed."""
        context, base = self._context, self.position.position.base
        if base and not self.camera.source.live:
            frame = replace(frame, sequence=base + frame.sequence)
        context.callbacks.on_captured(frame)
        if len(frame.jpeg) > context.max_frame_bytes:
            context.losses.count(
                frame.camera, LossReason.TOO_LARGE, f"a picture of {len(frame.jpeg)} bytes; the maximum is {context.max_frame_bytes}"
            )
            return True
        headers, value = frame_to_wire(frame, context.sign)
        message = OutgoingMessage(topic=context.topic, key=frame.camera.encode(), headers=tuple(headers), value=value)
        on_status = partial(self._on_status, replace(frame, jpeg=b""))
        return self._producer.put(QueuedMessage(camera=frame.camera, message=message, on_status=on_status))

    def _on_status(self, frame: Frame, status: DeliveryStatus) -> None:
        if status is DeliveryStatus.LOST:
            self._context.losses.count(frame.camera, LossReason.UNSENT)
        self.position.advance(frame.sequence)
        self._context.callbacks.on_status(frame, status)
