"""The process that holds the connection to a video camera: `python -m ingest.sources.rtsp_process`.

Video libraries hang: in a connect, in a read, in a decoder that lost its way. A thread that hangs cannot be ended, a process can.
So FFmpeg runs here, and whoever started it (`ingest.sources.rtsp`) ends it when it falls silent. The order arrives as one line of JSON on
standard input, where no list of processes shows the camera's password; records leave on standard output.
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

_HELD_AT_MOST = 64
HEAD = struct.Struct(">BdI")
"""Kind, seconds of the camera's pace (NaN if it tells none), length of what follows."""


class PacketKind(IntEnum):
    PICTURE = 1
    """A JPEG follows."""
    ALIVE = 2
    """A picture of that pace arrived just now. None follows: it was not wanted, or comes later."""
    UNDECODABLE = 3
    """A picture could not be decoded."""
    FAILED = 4
    """The reason follows, as text. The last record."""


Send: TypeAlias = Callable[[PacketKind, float, bytes], None]


@dataclass(frozen=True, slots=True)
class CaptureRequest:
    url: str
    timeout_s: float
    fps: float | None
    quality: Quality | None = None
    max_width: int | None = None


def line_of(order: CaptureRequest) -> bytes:
    return json.dumps(asdict(order)).encode() + b"\n"


def capture(order: CaptureRequest, send: Send) -> None:
    """Send every picture until the stream ends."""
    thinning, undecodable, failed = FrameSampler(order.fps), 0, ""
    opening = StartupBuffer(send, time.monotonic)
    making = ReencodeSettings(order.quality, order.max_width)
    try:
        with Video(order.url, Address.of(order.url).bare, _options(order), order.timeout_s) as video:
            for picture in video.pictures(making.encoder()):
                for _ in range(video.undecodable - undecodable):
                    send(PacketKind.UNDECODABLE, math.nan, b"")
                undecodable = video.undecodable
                pace = math.nan if picture.seconds is None else picture.seconds
                opening.arrived(pace)
                if order.fps is None or math.isnan(pace) or thinning.wants(pace):
                    opening.send(PacketKind.PICTURE, pace, picture.jpeg())
                else:
                    opening.send(PacketKind.ALIVE, pace, b"")
    except SourceError as error:
        failed = str(error)
    opening.release()
    if failed:
        send(PacketKind.FAILED, math.nan, failed.encode())


class StartupBuffer:
    """Holds back the pictures that FFmpeg had read before it knew what the stream is.

    They come all at once: dated by their arrival they would lie a millisecond apart, and every vehicle would fly. The first picture that
    had to be waited for came as quickly as the camera's pictures come. So the paces are told as they come, and the pictures after that.
    """

    def __init__(self, send: Send, monotonic: Callable[[], float]) -> None:
        self._send = send
        self._monotonic = monotonic
        self._held: list[tuple[PacketKind, float, bytes]] | None = []
        self._last_pace: float | None = None
        self._free_at = monotonic()

    def arrived(self, pace: float) -> None:
        """A picture was there, after everything about the one before was done."""
        if self._held is None:
            return
        self._send(PacketKind.ALIVE, pace, b"")
        before, self._last_pace = self._last_pace, pace
        if before is not None and (math.isnan(pace) or self._monotonic() - self._free_at >= (pace - before) / 2):
            self.release()

    def send(self, kind: PacketKind, pace: float, body: bytes) -> None:
        if self._held is None:
            self._send(kind, pace, body)
            return
        self._held.append((kind, pace, body))
        self._free_at = self._monotonic()
        if len(self._held) >= _HELD_AT_MOST:  # a file that a server gives as quickly as it can
            self.release()

    def release(self) -> None:
        """Send what was held back, if something is. RTSP's first picture has no time; where others have one, it is left out."""
        held, self._held = self._held or [], None
        timed = self._last_pace is not None and not math.isnan(self._last_pace)
        for kind, pace, body in held:
            if not (timed and math.isnan(pace)):
                self._send(kind, pace, body)


def _options(order: CaptureRequest) -> dict[str, str]:
    """TCP: a lost datagram smears the picture until the next keyframe, and a smear can look like a vehicle.

    FFmpeg is not to guess the rate of the pictures: it would read twenty of them first.
    """
    timeout_us = str(int(order.timeout_s * 1e6))
    if order.url.startswith(("rtsp:", "rtsps:")):
        return {"rtsp_transport": "tcp", "timeout": timeout_us, "fpsprobesize": "0", "analyzeduration": "1"}
    return {"rw_timeout": timeout_us, "fpsprobesize": "0"}


def main() -> None:
    order = CaptureRequest(**json.loads(sys.stdin.buffer.readline()))
    out = sys.stdout.buffer

    def send(kind: PacketKind, pace: float, body: bytes) -> None:
        out.write(HEAD.pack(kind, pace, len(body)))
        out.write(body)
        out.flush()

    try:
        capture(order, send)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.stdout = None  # whoever listened has gone: nothing is left to flush


if __name__ == "__main__":
    main()
