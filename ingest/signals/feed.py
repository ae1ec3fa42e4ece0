"""Feeds of a signal's controller: a live one is read in a thread of its own, a recording as the frames come."""

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Final, Protocol

from etle.backoff import Backoff
from etle.errors import EtleError, SourceUnavailable
from etle.types import ControllerReading
from ingest.frame_loss import LossReason
from ingest.signals.inbox import ReadingInbox

log = logging.getLogger(__name__)
_DELAYS_S: Final = (0.5, 1.0, 2.0, 5.0)
_AHEAD_S: Final = 60.0
"""A recording is read so far ahead of the frame, so that a state is known by the change that ends it."""
_BEHIND_S: Final = 120.0
"""The first frame gets the messages of this time before it."""

Receive = Callable[[ReadingInbox], None]
"""Puts the next messages into the inbox; waits for them for a second at most. Raises SourceUnavailable, BrokerError."""


class ControllerFeed(Protocol):
    def start(self) -> None: ...

    def take(self, until: datetime) -> tuple[ControllerReading, ...]:
        """What came since the last call. `until`: time of the frame that takes it along."""
        ...

    def close(self) -> None: ...


class LiveFeed:
    """Connects again after every failure, which is counted."""

    def __init__(
        self, inbox: ReadingInbox, connect: Callable[[], AbstractContextManager[Receive]], *, interval_s: float, silent_after_s: float
    ) -> None:
        self._inbox = inbox
        self._silent_after_s = silent_after_s
        self._connect = connect
        self._interval_s = interval_s
        self._backoff = Backoff(_DELAYS_S)
        self._stopped = Event()

    def start(self) -> None:
        Thread(target=self._run, name="etle-signal-feed", daemon=True).start()

    def take(self, until: datetime) -> tuple[ControllerReading, ...]:
        return self._inbox.take()

    def close(self) -> None:
        """The thread ends by itself, after its request."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                with self._connect() as receive:
                    self._receive_all(receive)
            except EtleError as error:
                self._fail(str(error))
            except Exception as error:  # the broad catch of this worker: the frames go on, with the signal unknown
                log.exception("a signal feed failed and is restarted")
                self._fail(f"{type(error).__name__}: {error}")

    def _receive_all(self, receive: Receive) -> None:
        accepted, heard_s = self._inbox.accepted, time.monotonic()
        while not self._stopped.is_set():
            receive(self._inbox)
            self._backoff.reset()
            if self._inbox.accepted != accepted:
                accepted, heard_s = self._inbox.accepted, time.monotonic()
            elif heard_s and time.monotonic() - heard_s >= self._silent_after_s:
                heard_s = 0.0  # once for each silence
                self._inbox.report(LossReason.SIGNAL_SILENT, f"no usable message for {self._silent_after_s:g} s: the signal is unknown")
            self._stopped.wait(self._interval_s)

    def _fail(self, problem: str) -> None:
        if not self._stopped.is_set():
            self._inbox.report(LossReason.SIGNAL_SILENT, problem)
            self._stopped.wait(self._backoff.next_s())


class RecordedFeed:
    """A file with one message a line, in the order of time. The same frames get the same messages."""

    def __init__(self, inbox: ReadingInbox, path: Path) -> None:
        self._inbox = inbox
        self._path = path
        self.readings: tuple[ControllerReading, ...] = ()
        """All of the file, in the order of time, after `start`."""
        self._next = 0

    def start(self) -> None:
        """Raises SourceUnavailable if the file cannot be read."""
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError as error:
            raise SourceUnavailable(f"{self._path}: cannot be read: {error.strerror}") from error
        readings: list[ControllerReading] = []
        for line in lines:
            if line.strip():
                self._inbox.put(line)
                readings += self._inbox.take()
        self.readings = tuple(sorted(readings, key=lambda reading: reading.at))
        self._next = 0

    def take(self, until: datetime) -> tuple[ControllerReading, ...]:
        taken: list[ControllerReading] = []
        while self._next < len(self.readings) and self.readings[self._next].at <= until + timedelta(seconds=_AHEAD_S):
            reading = self.readings[self._next]
            if reading.at >= until - timedelta(seconds=_BEHIND_S):
                taken.append(reading)
            self._next += 1
        return _last_of_each_state(taken)

    def close(self) -> None:
        """The file is not kept open."""


def _last_of_each_state(readings: Sequence[ControllerReading]) -> tuple[ControllerReading, ...]:
    later = [*readings[1:], *([None] if readings else [])]
    return tuple(
        reading
        for reading, following in zip(readings, later, strict=True)
        if following is None or (reading.sequence, reading.lamp, reading.since) != (following.sequence, following.lamp, following.since)
    )
