"""One camera in its thread: from its source to the outlet. Whatever goes wrong in it stays in it."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import partial
from threading import Event
from typing import Final

from etle.config.site import CameraSettings
from etle.errors import EtleError
from etle.protocols import Clock, FrameSource
from etle.types import Frame
from etle.wire import Sign, frame_to_wire
from ingest.delivery.positions import UNWRITTEN, SourcePositionFile
from ingest.delivery.producer import SpooledProducer
from ingest.delivery.queued_message import DeliveryStatus, OutgoingMessage, QueuedMessage
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.live_buffer import LiveBuffer
from ingest.sources.open import open_source
from ingest.sources.reconnect import ReconnectBackoff
from ingest.sources.schedule import watched

log = logging.getLogger(__name__)
BUFFER_FRAMES: Final = 50
"""Room between a live camera and the outlet: two seconds at 25 a second."""
_LOOK_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedCallbacks:
    """Both are called from other threads."""

    captured: Callable[[Frame], None] = lambda frame: None
    kept: Callable[[Frame, DeliveryStatus], None] = lambda frame, kept: None


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedContext:
    """What all cameras of a box share."""

    zone: tzinfo
    clock: Clock
    losses: FrameLossCounter
    pauses: ReconnectBackoff
    topic: str
    sign: Sign
    largest_bytes: int
    reports: FeedCallbacks


class CameraFeed:
    """`run` it in a thread of its own. A film ends; a live camera is watched until `stop`, whatever happens."""

    def __init__(self, camera: CameraSettings, wiring: FeedContext, outlet: SpooledProducer, position: SourcePositionFile) -> None:
        self.camera: Final = camera
        self.position: Final = position
        self.problem: str | None = None
        """Why the camera's film or folder could not be read to its end."""
        self._wiring = wiring
        self._outlet = outlet
        self._source: LiveBuffer | None = None
        self._stopped = Event()

    def run(self) -> None:
        if self.camera.source.live and self.position.position.sequence is not None:
            self._wiring.losses.count(self.camera.camera_id, LossReason.GAP, "was not watched since this process ended")
        failures = 0
        while not self._stopped.is_set():
            if not self._watched():
                self._stopped.wait(_LOOK_S)
                continue
            failure = self._read()
            if not self.camera.source.live:
                self.problem = failure
                return
            failures = failures + 1 if failure else 0
            if failure:
                self._stopped.wait(self._wiring.pauses.after(failures))

    @property
    def awaited(self) -> bool:
        """True while pictures should come: of a live camera, at its hours."""
        return self.camera.source.live and not self._stopped.is_set() and self._watched()

    def stop(self) -> None:
        """Safe from another thread. `run` ends at the source's next frame, or when it says nothing for its timeout."""
        self._stopped.set()
        source = self._source
        if source is not None:
            source.close()

    def _read(self) -> str | None:
        """Frames until the source ends, the hours are over or `stop`. The reason if it failed."""
        camera = self.camera.camera_id
        try:
            self._forward_all(self._opened())
        except EtleError as error:
            log.error("%s: %s", camera, error)
            return str(error)
        except Exception as error:  # the broad catch of this worker: a camera's fault must not reach the others
            log.exception("%s: its feed failed, and is begun again", camera)
            return f"{camera}: {type(error).__name__}: {error}"
        return None

    def _opened(self) -> FrameSource:
        wiring, camera = self._wiring, self.camera
        source = open_source(camera.camera_id, camera.source, wiring.clock, wiring.losses, timezone=wiring.zone)
        if not source.live:
            return source
        self._source = LiveBuffer(source, BUFFER_FRAMES, wiring.losses)
        if self._stopped.is_set():  # `stop` came before there was something to close
            self._source.close()
        return self._source

    def _forward_all(self, source: FrameSource) -> None:
        with closing(source.frames(self._after())) as frames:  # type: ignore[type-var]  # a generator, in all of them
            for frame in frames:
                if self._stopped.is_set() or not self._watched() or not self._forward(frame):
                    return

    def _after(self) -> int | None:
        position = self.position.position
        if self.camera.source.live:
            return None if position.sequence is None else position.sequence + UNWRITTEN
        return position.after

    def _watched(self) -> bool:
        return watched(self.camera.source.schedule, self._wiring.clock.now(), self._wiring.zone)

    def _forward(self, frame: Frame) -> bool:
        """False once the outlet is closed."""
        wiring, base = self._wiring, self.position.position.base
        if base and not self.camera.source.live:
            frame = replace(frame, sequence=base + frame.sequence)
        wiring.reports.captured(frame)
        if len(frame.jpeg) > wiring.largest_bytes:
            wiring.losses.count(
                frame.camera, LossReason.TOO_LARGE, f"a picture of {len(frame.jpeg)} bytes; {wiring.largest_bytes} are the most"
            )
            return True
        headers, value = frame_to_wire(frame, wiring.sign)
        message = OutgoingMessage(topic=wiring.topic, key=frame.camera.encode(), headers=tuple(headers), value=value)
        return self._outlet.put(QueuedMessage(camera=frame.camera, message=message, kept=partial(self._kept, replace(frame, jpeg=b""))))

    def _kept(self, frame: Frame, kept: DeliveryStatus) -> None:
        if kept is DeliveryStatus.LOST:
            self._wiring.losses.count(frame.camera, LossReason.UNSENT)
        self.position.safe(frame.sequence)
        self._wiring.reports.kept(frame, kept)
