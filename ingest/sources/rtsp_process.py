"""The process that holds the connection to a video camera: `python -m ingest.sources.rtsp_process`.

Video libraries can hang while connecting, reading or decoding. A thread that hangs cannot be stopped, but a process can. FFmpeg therefore
runs here, and the parent process (`ingest.sources.rtsp`) kills it if no data arrives. The request is one line of JSON on standard input,
because a command line would show the camera's password in process lists. Packets are written to standard output.
"""

import json
import math
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import TypeAlias

from etle.address import Address
from etle.errors import SourceError
from etle.media.video import Video
from etle.types import Quality
from ingest.sources.frames import FrameSampler
from ingest.sources.reencode import ReencodeSettings

_MAX_HELD = 40
"""Fewer than a LiveBuffer holds, because they are sent at once."""
_SETTLING_S = 1.0
PACKET_HEADER = struct.Struct(">BdI")
"""Kind, presentation timestamp in seconds (NaN if there is none), length of the body that follows."""


class PacketKind(IntEnum):
    PICTURE = 1
    """The body is a JPEG."""
    ALIVE = 2
    """A picture with this timestamp has just arrived. Without a body: it was not selected, or is sent later."""
    UNDECODABLE = 3
    """A picture could not be decoded."""
    FAILED = 4
    """The body is the reason, as UTF-8. The last packet."""


Send: TypeAlias = Callable[[PacketKind, float, bytes], None]


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    url: str
    timeout_s: float
    fps: float | None
    quality: Quality | None = None
    max_width: int | None = None


def encode_request(request: CaptureRequest) -> bytes:
    return json.dumps(asdict(request)).encode() + b"\n"


def capture(request: CaptureRequest, send: Send) -> None:
    """Send every picture until the stream ends."""
    sampler, failed = FrameSampler(request.fps), ""
    startup = StartupBuffer(send, time.monotonic)
    reencode = ReencodeSettings(request.quality, request.max_width)
    try:
        with Video(request.url, Address.of(request.url).shown, _options(request), request.timeout_s) as video:
            for picture in video.pictures(reencode.encoder(), lambda: send(PacketKind.UNDECODABLE, math.nan, b"")):
                pts_s = math.nan if picture.seconds is None else picture.seconds
                startup.arrived(pts_s)
                if request.fps is None or math.isnan(pts_s) or sampler.accepts(pts_s):
                    startup.send(PacketKind.PICTURE, pts_s, picture.jpeg())
                else:
                    startup.send(PacketKind.ALIVE, pts_s, b"")
    except SourceError as error:
        failed = str(error)
    startup.release()
    if failed:
        send(PacketKind.FAILED, math.nan, failed.encode())


class StartupBuffer:
    """Holds back the pictures that FFmpeg had read before it had identified the stream, and those of the first second.

    The first ones arrive all at once, and a camera may hurry to catch up. By their arrival times they would be a millisecond apart, and
    every vehicle would seem extremely fast. The timestamps are therefore sent as they come (ALIVE), and the pictures once one has arrived
    for which FFmpeg had to wait, after a second of them: the parent process then knows the quickest arrival.
    """

    def __init__(self, send: Send, monotonic: Callable[[], float]) -> None:
        self._send = send
        self._monotonic = monotonic
        self._held: list[tuple[PacketKind, float, bytes]] | None = []
        self._last_pts_s: float | None = None
        self._first_pts_s: float | None = None
        self._idle_since_s = monotonic()

    def arrived(self, pts_s: float) -> None:
        """The next picture has arrived, after the one before was completely handled."""
        if self._held is None:
            return
        self._send(PacketKind.ALIVE, pts_s, b"")
        before, self._last_pts_s = self._last_pts_s, pts_s
        if math.isnan(pts_s):
            if before is not None and math.isnan(before):  # a camera without timestamps: only what arrives now has a known time
                self._held = None
            return
        if self._first_pts_s is None:
            self._first_pts_s = pts_s
        if before is None or math.isnan(before):
            return
        waited = self._monotonic() - self._idle_since_s >= (pts_s - before) / 2
        if waited and pts_s - self._first_pts_s >= _SETTLING_S:
            self.release()

    def send(self, kind: PacketKind, pts_s: float, body: bytes) -> None:
        if self._held is None:
            self._send(kind, pts_s, body)
            return
        self._held.append((kind, pts_s, body))
        self._idle_since_s = self._monotonic()
        if len(self._held) >= _MAX_HELD:  # a file that a server sends as fast as it can
            self.release()

    def release(self) -> None:
        """Send the pictures that were held back. RTSP's first picture has no timestamp; if the others have one, it is omitted."""
        held, self._held = self._held or [], None
        timed = self._last_pts_s is not None and not math.isnan(self._last_pts_s)
        for kind, pts_s, body in held:
            if not (timed and math.isnan(pts_s)):
                self._send(kind, pts_s, body)


def _options(request: CaptureRequest) -> dict[str, str]:
    """TCP, because a lost datagram corrupts the picture until the next keyframe, and corrupted areas can look like a vehicle.

    `fpsprobesize=0`: FFmpeg would otherwise read twenty pictures first to estimate the frame rate.
    """
    timeout_us = str(int(request.timeout_s * 1e6))
    if request.url.startswith(("rtsp:", "rtsps:")):
        return {"rtsp_transport": "tcp", "timeout": timeout_us, "fpsprobesize": "0", "analyzeduration": "1"}
    return {"rw_timeout": timeout_us, "fpsprobesize": "0"}


def main() -> None:
    request = CaptureRequest(**json.loads(sys.stdin.buffer.readline()))
    out = sys.stdout.buffer

    def send(kind: PacketKind, pts_s: float, body: bytes) -> None:
        out.write(PACKET_HEADER.pack(kind, pts_s, len(body)))
        out.write(body)
        out.flush()

    try:
        capture(request, send)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.stdout = None  # the parent process has gone; do not flush to a closed pipe at exit


if __name__ == "__main__":
    main()
