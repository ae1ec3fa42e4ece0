"""Between a box's cameras and the broker: a little memory, and a disk for when the broker is slow or away.

Two threads. One sends, a batch at a time, from the spool while there is something in it, else from memory. The other moves what is in
memory to the spool as soon as the sender falls behind, the batch that is on its way first: the order on the disk is the order of the road.
Without a spool what cannot be sent stays in memory and the cameras wait: for files, which can.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Final

from etle.errors import SpoolFull
from etle.types import CameraId
from ingest.delivery.queued_message import DeliveryStatus, QueuedMessage, from_record, to_record
from ingest.delivery.sender import BatchResult, Sender
from ingest.delivery.spool import Spool
from ingest.sources.reconnect import ReconnectBackoff

log = logging.getLogger(__name__)
_LOOK_S: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLimits:
    """How much is held in memory, how much is sent at once, and how long a message may be without being safe before it goes to the disk."""

    memory_bytes: int = 32_000_000
    batch_bytes: int = 4_000_000
    patience_s: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCallbacks:
    """Who is told what happens. `kept` is about messages out of the spool, whose senders have long had their answer."""

    kept: Callable[[CameraId, DeliveryStatus, int], None] = lambda camera, kept, times: None
    trouble: Callable[[str | None], None] = lambda reason: None
    """Why the broker takes nothing; None once it takes something again."""
    turned: Callable[[], None] = lambda: None
    """The sender went round once more: it is not stuck."""


@dataclass(slots=True)
class _Hand:
    """What is on its way to the broker."""

    batch: Sequence[QueuedMessage]
    since: float
    spooled: bool
    dropped: int = 0
    """So many of them were dropped from the spool meanwhile."""


class SpooledProducer:
    """`drops`: a full spool gives up its oldest to take the newest; else it takes no more, and `put` waits."""

    def __init__(
        self,
        sender: Sender,
        spool: Spool | None,
        pauses: ReconnectBackoff,
        watch: QueueCallbacks,
        *,
        drops: bool = True,
        room: QueueLimits | None = None,
    ) -> None:
        self._sender = sender
        self._spool = spool
        self._pauses = pauses
        self._watch = watch
        self._drops = drops
        self._room = room or QueueLimits()
        self._changed = Condition()
        self._memory: deque[QueuedMessage] = deque()
        self._memory_bytes = 0
        self._hand: _Hand | None = None
        self._stop = Event()
        self._full = False
        self._away = False
        self._threads = [Thread(target=self._send_all, name="etle-send", daemon=True)]
        if spool is not None:
            self._threads.append(Thread(target=self._keep_all, name="etle-spool", daemon=True))
        for thread in self._threads:
            thread.start()

    def put(self, outgoing: QueuedMessage, timeout_s: float | None = None) -> bool:
        """Waits for room. False if there was none for so long, or the outlet was closed: then the message is still the caller's."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._memory_bytes < self._room.memory_bytes or self._stop.is_set(), timeout_s):
                return False
            if self._stop.is_set():
                return False
            self._memory.append(outgoing)
            self._memory_bytes += outgoing.size
            self._changed.notify_all()
            return True

    def drain(self, timeout_s: float | None = None) -> bool:
        """Wait until the broker has everything. False if it has not after so long, or the outlet was closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._stop.is_set() or not self._waiting(), timeout_s)
            return not self._waiting()

    def spooled(self) -> tuple[int, int]:
        """Messages and bytes on the disk."""
        with self._changed:
            return (len(self._spool), self._spool.size_bytes) if self._spool is not None else (0, 0)

    def close(self, grace_s: float = 5.0) -> None:
        """What the broker does not take within the grace goes to the spool; without one it is still the caller's."""
        self.drain(0 if self._away else grace_s)
        self._stop.set()
        with self._changed:
            if self._spool is not None:
                self._keep()
                self._spool.close()
            self._changed.notify_all()

    def _waiting(self) -> bool:
        return bool(self._memory or self._hand or (self._spool is not None and len(self._spool)))

    def _send_all(self) -> None:
        failures = 0
        while (hand := self._take()) is not None:
            delivery = self._sender.send([outgoing.message for outgoing in hand.batch])
            with self._changed:
                if self._stop.is_set():
                    break
                self._settle(hand, delivery)
                self._away = delivery.error is not None
            failures = failures + 1 if delivery.error else 0
            self._tell(delivery, failures)
            if delivery.error:
                self._rest(self._pauses.after(failures))
        self._sender.close()

    def _tell(self, delivery: BatchResult, failures: int) -> None:
        self._watch.turned()
        if delivery.error and failures == 1:
            log.warning("%s", delivery.error)
        self._watch.trouble(str(delivery.error) if delivery.error else None)

    def _rest(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._stop.wait(min(left, 1.0)):
            self._watch.turned()

    def _take(self) -> _Hand | None:
        """What to send next; None once the outlet is closed."""
        with self._changed:
            while not self._changed.wait_for(lambda: self._stop.is_set() or self._there_is_something(), 1.0):
                self._watch.turned()
            if self._stop.is_set():
                return None
            self._hand = self._from_spool() or _Hand(self._from_memory(), time.monotonic(), False)
            return self._hand

    def _there_is_something(self) -> bool:
        return bool(self._memory) or (self._spool is not None and len(self._spool) > 0)

    def _from_spool(self) -> _Hand | None:
        if self._spool is None:
            return None
        batch = [
            QueuedMessage(camera=CameraId(waiting.label), message=from_record(waiting.body), kept=lambda kept: None)
            for waiting in self._spool.peek(self._room.batch_bytes)
        ]
        return _Hand(batch, time.monotonic(), True) if batch else None

    def _from_memory(self) -> Sequence[QueuedMessage]:
        batch: list[QueuedMessage] = []
        size = 0
        while self._memory and (not batch or size + self._memory[0].size <= self._room.batch_bytes):
            batch.append(self._memory.popleft())
            size += batch[-1].size
        return batch

    def _settle(self, hand: _Hand, delivery: BatchResult) -> None:
        settled = delivery.settled
        if hand.spooled:
            assert self._spool is not None
            self._spool.forget(max(0, len(settled) - hand.dropped))
            for (camera, kept), times in Counter(zip((each.camera for each in hand.batch), settled, strict=False)).items():
                self._watch.kept(camera, kept, times)
        else:
            for outgoing, kept in zip(hand.batch, settled, strict=False):
                outgoing.kept(kept)
            self._memory.extendleft(reversed(hand.batch[len(settled) :]))
        self._memory_bytes = sum(outgoing.size for outgoing in self._memory)
        self._hand = None
        self._changed.notify_all()

    def _keep_all(self) -> None:
        while not self._stop.is_set():
            with self._changed:
                self._changed.wait_for(lambda: self._stop.is_set() or self._falls_behind(), _LOOK_S)
                if not self._stop.is_set() and self._falls_behind():
                    self._keep()
            if self._full:
                self._stop.wait(1.0)

    def _falls_behind(self) -> bool:
        if self._spool is None or not (self._memory or (self._hand and not self._hand.spooled)):
            return False
        waits_s = time.monotonic() - self._hand.since if self._hand else 0.0
        return self._away or len(self._spool) > 0 or waits_s > self._room.patience_s or self._memory_bytes > self._room.memory_bytes / 2

    def _keep(self) -> None:
        """All that is only in memory, to the disk, as far as there is room."""
        assert self._spool is not None
        if self._hand and not self._hand.spooled:
            if not self._spool_up(self._hand.batch):
                return
            self._hand.spooled = True
        while batch := self._from_memory():
            if not self._spool_up(batch):
                self._memory.extendleft(reversed(batch))
                break
        self._memory_bytes = sum(outgoing.size for outgoing in self._memory)
        self._changed.notify_all()

    def _spool_up(self, batch: Sequence[QueuedMessage]) -> bool:
        assert self._spool is not None
        records = [to_record(outgoing.camera, outgoing.message) for outgoing in batch]
        while True:
            try:
                self._spool.put(records)
            except SpoolFull as full:
                if not self._drops or not self._make_room():
                    self._say_full(str(full))
                    return False
            else:
                break
        self._full = False
        for outgoing in batch:
            outgoing.kept(DeliveryStatus.SPOOLED)
        return True

    def _make_room(self) -> bool:
        """False if there was nothing to give up."""
        assert self._spool is not None
        gone = self._spool.drop_oldest()
        if self._hand and self._hand.spooled:
            self._hand.dropped += gone.total()
        for camera, times in gone.items():
            self._watch.kept(CameraId(camera), DeliveryStatus.LOST, times)
        return bool(gone)

    def _say_full(self, reason: str) -> None:
        if not self._full:
            log.error("%s; cameras wait, and live ones drop frames", reason)
        self._full = True
