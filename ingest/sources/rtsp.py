"""A camera that sends video: RTSP, or a video over HTTP."""

import math
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO

from etle.address import Address
from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.config.sources import RtspSourceSettings
from etle.errors import FrameBroken, SourceUnavailable
from etle.protocols import Clock
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.frames import first_live_sequence, frame_of
from ingest.sources.open import SourceContext
from ingest.sources.reconnect import SourceConnection
from ingest.sources.reencode import ReencodeSettings
from ingest.sources.rtsp_process import HEAD, CaptureRequest, PacketKind, line_of
from ingest.sources.timestamps import TimestampEstimator

CAPTURE = (sys.executable, "-m", "ingest.sources.rtsp_process")
_GRACE_S = 2.0
"""FFmpeg's own timeout comes first, and can say more about the reason."""
_OPENING = 3
"""Connecting, describing and waiting for a keyframe may take so many times longer than the wait between two pictures."""


class RtspSource:
    """Frames of a video camera, encoded once, on receipt. The connection lives in a process of its own, which is killed if it hangs.

    The size is that of each picture, so a camera may come back with another one.
    """

    live = True

    def __init__(
        self,
        camera: CameraId,
        url: str,
        clock: Clock,
        losses: FrameLossCounter,
        backoff: Backoff,
        *,
        fps: float | None = None,
        timeout_s: float = 10.0,
        attempts: int | None = None,
        making: ReencodeSettings | None = None,
        command: Sequence[str] = CAPTURE,
    ) -> None:
        self._camera = camera
        self._clock = clock
        self._losses = losses
        self._shown = Address.of(url).bare
        self._connection = SourceConnection(camera, self._shown, clock, losses, backoff, attempts)
        self._times = TimestampEstimator(camera, losses)
        self._order = CaptureRequest(url, timeout_s, fps, making.quality if making else None, making.max_width if making else None)
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Never ends by itself, unless `attempts` are used up: SourceUnavailable."""
        number = first_live_sequence(self._clock.now(), after)
        for received_at, pace_s, data in self._connection.stream(self._pictures):
            captured_at = self._times.captured_at(received_at, pace_s)
            try:
                yield frame_of(self._camera, number, data, captured_at=captured_at, received_at=received_at)
            except FrameBroken as error:
                self._losses.count(self._camera, LossReason.UNDECODABLE, str(error))
            number += 1

    def close(self) -> None:
        """Ends `frames` at once. Safe from another thread."""
        self._connection.stop()
        if (process := self._process) is not None:
            process.kill()

    def _pictures(self) -> Iterator[tuple[datetime, float | None, bytes]]:
        self._times.unpin()
        wait_s = self._order.timeout_s * _OPENING
        with _running(self._command) as process:
            self._process = process
            assert process.stdin is not None and process.stdout is not None
            try:
                _tell(process.stdin, self._order)
                while not self._connection.stopped and (head := self._read(process.stdout, HEAD.size, wait_s)):
                    kind, pace, length = HEAD.unpack(head)
                    body = self._read(process.stdout, length, wait_s)
                    wait_s = self._order.timeout_s + _GRACE_S
                    if kind == PacketKind.PICTURE:
                        yield self._clock.now(), None if math.isnan(pace) else pace, body
                    elif kind == PacketKind.ALIVE and not math.isnan(pace):
                        self._times.seen(self._clock.now(), pace)
                    elif kind == PacketKind.UNDECODABLE:
                        self._losses.count(self._camera, LossReason.UNDECODABLE, f"{self._shown}: a picture could not be decoded")
                    elif kind == PacketKind.FAILED:
                        raise SourceUnavailable(body.decode())
                self._check_end(process)
            finally:
                process.kill()

    def _check_end(self, process: subprocess.Popen[bytes]) -> None:
        """The process goes when the stream ends. Raises SourceUnavailable if it went for another reason."""
        try:
            code = 0 if self._connection.stopped else process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL  # which it is about to get
        if code:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise SourceUnavailable(f"{self._shown}: the process that reads it ended with {how}")

    def _read(self, pipe: IO[bytes], size: int, wait_s: float) -> bytes:
        """`size` bytes, or fewer if the process ended. Raises SourceUnavailable if it is silent for `wait_s`."""
        parts = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while len(parts) < size:
                if not selector.select(wait_s):
                    raise SourceUnavailable(f"{self._shown}: says nothing for {wait_s:.0f} s")
                data = os.read(pipe.fileno(), size - len(parts))
                if not data:
                    return b""
                parts += data
        return bytes(parts)


def _running(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=_environment(os.environ))


def _environment(mine: Mapping[str, str]) -> dict[str, str]:
    """The same packages as here, wherever this process found them."""
    root = str(Path(__file__).parents[2])
    return {**mine, "PYTHONPATH": os.pathsep.join(filter(None, (root, mine.get("PYTHONPATH"))))}


def _tell(pipe: IO[bytes], order: CaptureRequest) -> None:
    try:
        pipe.write(line_of(order))
        pipe.close()
    except BrokenPipeError:
        pass  # it ended already: reading will show how


def open_source(camera: CameraId, settings: RtspSourceSettings, context: SourceContext) -> RtspSource:
    return RtspSource(
        camera,
        settings.rtsp,
        context.clock,
        context.losses,
        Backoff(RECONNECT_DELAYS_S, context.jitter),
        fps=settings.fps,
        timeout_s=settings.timeout_s,
        attempts=context.attempts,
        making=ReencodeSettings(settings.quality, settings.max_width),
    )
