"""A camera that sends video over RTSP, or a video stream over HTTP."""

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
from ingest.sources.rtsp_process import PACKET_HEADER, CaptureRequest, PacketKind, encode_request
from ingest.sources.timestamps import TimestampEstimator

CAPTURE_COMMAND = (sys.executable, "-m", "ingest.sources.rtsp_process")
_GRACE_S = 2.0
"""Added to `timeout_s`, so that FFmpeg's own timeout, which gives a better reason, comes first."""
_STARTUP_TIMEOUTS = 3
"""Connecting, describing and waiting for a keyframe may take this multiple of `timeout_s`."""


class RtspSource:
    """Frames of a video camera, each encoded once as a JPEG. A process of its own holds the connection, and is killed if it hangs.

    The size of the pictures may change, for example after the camera was reconfigured.
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
        reencode: ReencodeSettings | None = None,
        command: Sequence[str] = CAPTURE_COMMAND,
    ) -> None:
        self._camera = camera
        self._clock = clock
        self._losses = losses
        self._display_url = Address.of(url).shown
        self._connection = SourceConnection(camera, self._display_url, clock, losses, backoff, attempts)
        self._times = TimestampEstimator(camera, losses)
        settings = reencode or ReencodeSettings()
        self._request = CaptureRequest(Address.of(url).url, timeout_s, fps, settings.quality, settings.max_width)
        self._command = tuple(command)
        self._process: subprocess.Popen[bytes] | None = None

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        """Ends only after `close`. Raises SourceUnavailable when the `attempts` are used up."""
        number = first_live_sequence(self._clock.now(), after)
        for received_at, pts_s, data in self._connection.stream(self._pictures):
            captured_at = self._times.captured_at(received_at, pts_s)
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
        self._times.reset()
        timeout_s = self._request.timeout_s * _STARTUP_TIMEOUTS
        with _start_process(self._command) as process:
            self._process = process
            assert process.stdin is not None and process.stdout is not None
            try:
                _send_request(process.stdin, self._request)
                while not self._connection.stopped and (header := self._read(process.stdout, PACKET_HEADER.size, timeout_s)):
                    kind, pts_s, length = PACKET_HEADER.unpack(header)
                    body = self._read(process.stdout, length, timeout_s)
                    if len(body) < length:  # the process ended inside a packet
                        break
                    timeout_s = self._request.timeout_s + _GRACE_S
                    if kind == PacketKind.PICTURE:
                        yield self._clock.now(), None if math.isnan(pts_s) else pts_s, body
                    elif kind == PacketKind.ALIVE and not math.isnan(pts_s):
                        self._times.observe(self._clock.now(), pts_s)
                    elif kind == PacketKind.UNDECODABLE:
                        self._losses.count(self._camera, LossReason.UNDECODABLE, f"{self._display_url}: a picture could not be decoded")
                    elif kind == PacketKind.FAILED:
                        raise SourceUnavailable(body.decode())
                self._check_end(process)
            finally:
                process.kill()

    def _check_end(self, process: subprocess.Popen[bytes]) -> None:
        """The process exits when the stream ends. Raises SourceUnavailable if it ended for another reason."""
        try:
            code = 0 if self._connection.stopped else process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL  # it is killed after this
        if code:
            how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise SourceUnavailable(f"{self._display_url}: the capture process ended with {how}")

    def _read(self, pipe: IO[bytes], size: int, timeout_s: float) -> bytes:
        """`size` bytes, or none if the process ended. Raises SourceUnavailable if nothing arrives for `timeout_s`."""
        received = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while len(received) < size:
                if not selector.select(timeout_s):
                    raise SourceUnavailable(f"{self._display_url}: no data for {timeout_s:.0f} s")
                data = os.read(pipe.fileno(), size - len(received))
                if not data:
                    return b""
                received += data
        return bytes(received)


def _start_process(command: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=_environment(os.environ))


def _environment(inherited: Mapping[str, str]) -> dict[str, str]:
    """Adds the folder of this package to PYTHONPATH, so that the child process imports the same code."""
    root = str(Path(__file__).parents[2])
    return {**inherited, "PYTHONPATH": os.pathsep.join(filter(None, (root, inherited.get("PYTHONPATH"))))}


def _send_request(pipe: IO[bytes], request: CaptureRequest) -> None:
    try:
        pipe.write(encode_request(request))
        pipe.close()
    except BrokenPipeError:
        pass  # the process has ended; reading from it gives the reason


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
        reencode=ReencodeSettings(settings.quality, settings.max_width),
    )
