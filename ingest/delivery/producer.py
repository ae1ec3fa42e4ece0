"""Producer between the gateway's cameras and the broker, with a queue in memory and a spool on disk for a slow or unavailable broker.

Two threads. One sends batches, from the spool while it contains anything, otherwise from memory. The other moves queued messages to the
spool as soon as the sender falls behind, the batch in flight first, so that the order on the disk is the order of capture.
Without a spool, messages that cannot be sent stay in memory and `put` blocks: for video files, which can wait.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Final

from etle.backoff import Backoff
from etle.errors import SpoolFull
from etle.types import CameraId
from ingest.delivery.queued_message import DeliveryStatus, QueuedMessage, from_record, to_record
from ingest.delivery.sender import BatchResult, Sender
from ingest.delivery.spool import Spool

log = logging.getLogger(__name__)
_POLL_S: Final = 0.1
_HEARTBEAT_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    memory_bytes: int = 32_000_000
    """`put` blocks above this size."""
    batch_bytes: int = 4_000_000
    """Maximum size of a batch, unless it is a single message."""
    spool_after_s: float = 1.0
    """A batch that the broker has not acknowledged after this time goes to the spool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallbacks:
    """Called from several threads."""

    on_status: Callable[[CameraId, DeliveryStatus, int], None] = lambda camera, status, times: None
    """Status of messages that left the spool; their own `on_status` was called when they were spooled."""
    on_broker_error: Callable[[str | None], None] = lambda reason: None
    """Called after each batch with the reason why the broker did not accept it, or None if it did."""
    on_heartbeat: Callable[[], None] = lambda: None
    """Called at each turn of the sending loop, at least once a second while it is not inside a call to the broker."""


@dataclass(slots=True)
class _InFlight:
    """The batch that is being sent."""

    batch: Sequence[QueuedMessage]
    started_s: float
    spooled: bool
    dropped: int = 0
    """Number of its messages that were dropped from the spool in the meantime."""


class SpooledProducer:
    """`drop_oldest`: a full spool drops its oldest messages for the newest ones; otherwise it accepts no more, and `put` blocks."""

    def __init__(
        self,
        sender: Sender,
        spool: Spool | None,
        backoff: Backoff,
        callbacks: QueueCallbacks,
        *,
        drop_oldest: bool = True,
        limits: QueueLimits | None = None,
    ) -> None:
        """Starts the threads. `backoff` must not be shared with other users."""
        self._sender = sender
        self._spool = spool
        self._backoff = backoff
        self._callbacks = callbacks
        self._drop_oldest = drop_oldest
        self._limits = limits or QueueLimits()
        self._changed = Condition()
        self._queue: deque[QueuedMessage] = deque()
        self._queue_bytes = 0
        self._in_flight: _InFlight | None = None
        self._stop = Event()
        self._spool_full = False
        self._broker_unavailable = False
        self._threads = [Thread(target=self._send_loop, name="etle-send", daemon=True)]
        if spool is not None:
            self._threads.append(Thread(target=self._spool_loop, name="etle-spool", daemon=True))
        for thread in self._threads:
            thread.start()

    def put(self, message: QueuedMessage, timeout_s: float | None = None) -> bool:
        """Blocks while the queue is full. False after `timeout_s`, or if the producer is closed: the message was not queued."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._queue_bytes < self._limits.memory_bytes or self._stop.is_set(), timeout_s):
                return False
            if self._stop.is_set():
                return False
            self._queue.append(message)
            self._queue_bytes += message.size
            self._changed.notify_all()
            return True

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until the broker has everything. False after `timeout_s`, or if the producer was closed before."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or not self._pending(), timeout_s)
            return not self._pending()

    def spooled(self) -> tuple[int, int]:
        """Number and bytes of the messages in the spool."""
        with self._changed:
            return (len(self._spool), self._spool.size_bytes) if self._spool is not None else (0, 0)

    def close(self, grace_s: float = 5.0) -> None:
        """Messages that the broker does not accept within `grace_s` go to the spool; without one they are discarded, unreported."""
        self.drain(0 if self._broker_unavailable else grace_s)
        self._stop.set()
        with self._changed:
            if self._spool is not None:
                self._move_to_spool()
                self._spool.close()
            self._changed.notify_all()

    def _pending(self) -> bool:
        return bool(self._in_flight) or self._has_messages()

    def _has_messages(self) -> bool:
        return bool(self._queue) or (self._spool is not None and len(self._spool) > 0)

    def _send_loop(self) -> None:
        while (in_flight := self._next_batch()) is not None:
            result = self._sender.send([queued.message for queued in in_flight.batch])
            with self._changed:
                if self._stop.is_set():
                    break
                self._settle(in_flight, result)
                self._broker_unavailable = result.error is not None
            self._report(result)
            if result.error:
                self._wait(self._backoff.next_s())
            else:
                self._backoff.reset()
        self._sender.close()

    def _report(self, result: BatchResult) -> None:
        self._callbacks.on_heartbeat()
        if result.error and not self._backoff.failures:
            log.warning("%s", result.error)
        self._callbacks.on_broker_error(str(result.error) if result.error else None)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._stop.wait(min(left, _HEARTBEAT_S)):
            self._callbacks.on_heartbeat()

    def _next_batch(self) -> _InFlight | None:
        """Blocks until there is something to send. None once the producer is closed."""
        with self._changed:
            while not self._changed.wait_for(lambda: self._stop.is_set() or self._has_messages(), _HEARTBEAT_S):
                self._callbacks.on_heartbeat()
            if self._stop.is_set():
                return None
            self._in_flight = self._batch_from_spool() or _InFlight(self._batch_from_queue(), time.monotonic(), False)
            return self._in_flight

    def _batch_from_spool(self) -> _InFlight | None:
        if self._spool is None:
            return None
        batch = [
            QueuedMessage(camera=CameraId(spooled.label), message=from_record(spooled.body), on_status=lambda status: None)
            for spooled in self._spool.peek(self._limits.batch_bytes)
        ]
        return _InFlight(batch, time.monotonic(), True) if batch else None

    def _batch_from_queue(self) -> Sequence[QueuedMessage]:
        batch: list[QueuedMessage] = []
        size = 0
        while self._queue and (not batch or size + self._queue[0].size <= self._limits.batch_bytes):
            batch.append(self._queue.popleft())
            size += batch[-1].size
        return batch

    def _settle(self, in_flight: _InFlight, result: BatchResult) -> None:
        """Report the messages that were sent or lost, and keep the others for the next batch."""
        settled = result.settled
        if in_flight.spooled:
            assert self._spool is not None
            self._spool.remove_oldest(max(0, len(settled) - in_flight.dropped))
            cameras = (queued.camera for queued in in_flight.batch)
            for (camera, status), times in Counter(zip(cameras, settled, strict=False)).items():
                self._callbacks.on_status(camera, status, times)
        else:
            for queued, status in zip(in_flight.batch, settled, strict=False):
                queued.on_status(status)
            self._queue.extendleft(reversed(in_flight.batch[len(settled) :]))
        self._queue_bytes = sum(queued.size for queued in self._queue)
        self._in_flight = None
        self._changed.notify_all()

    def _spool_loop(self) -> None:
        while not self._stop.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._stop.is_set() or self._falls_behind(), _POLL_S)
                if not self._stop.is_set() and self._falls_behind():
                    self._move_to_spool()
            if self._spool_full:
                self._stop.wait(1.0)

    def _falls_behind(self) -> bool:
        """True if messages in memory should go to the spool."""
        if self._spool is None or not (self._queue or (self._in_flight and not self._in_flight.spooled)):
            return False
        unacked_s = time.monotonic() - self._in_flight.started_s if self._in_flight else 0.0
        too_slow = unacked_s > self._limits.spool_after_s or self._queue_bytes > self._limits.memory_bytes / 2
        return self._broker_unavailable or len(self._spool) > 0 or too_slow

    def _move_to_spool(self) -> None:
        """Move all messages that are only in memory to the spool, as far as there is room."""
        assert self._spool is not None
        if self._in_flight and not self._in_flight.spooled:
            if not self._put_in_spool(self._in_flight.batch):
                return
            self._in_flight.spooled = True
        while batch := self._batch_from_queue():
            if not self._put_in_spool(batch):
                self._queue.extendleft(reversed(batch))
                break
        self._queue_bytes = sum(queued.size for queued in self._queue)
        self._changed.notify_all()

    def _put_in_spool(self, batch: Sequence[QueuedMessage]) -> bool:
        assert self._spool is not None
        records = [to_record(queued.camera, queued.message) for queued in batch]
        while True:
            try:
                self._spool.put(records)
            except SpoolFull as full:
                if not self._drop_oldest or not self._drop_from_spool():
                    self._log_full(str(full))
                    return False
            else:
                break
        self._spool_full = False
        for queued in batch:
            queued.on_status(DeliveryStatus.SPOOLED)
        return True

    def _drop_from_spool(self) -> bool:
        """False if the spool is empty."""
        assert self._spool is not None
        dropped = self._spool.drop_oldest()
        if self._in_flight and self._in_flight.spooled:
            self._in_flight.dropped += dropped.total()
        for camera, times in dropped.items():
            self._callbacks.on_status(CameraId(camera), DeliveryStatus.LOST, times)
        return bool(dropped)

    def _log_full(self, reason: str) -> None:
        if not self._spool_full:
            log.error("%s; cameras wait, and live ones drop frames", reason)
        self._spool_full = True
