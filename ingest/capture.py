"""The process that holds the connection to a video camera: `python -m ingest.capture`.

Video libraries hang: in a connect, in a read, in a decoder that lost its way. A thread that hangs cannot be ended, a process can.
So FFmpeg runs here, and whoever started it (`ingest.rtsp`) ends it when it falls silent. The order arrives as one line of JSON on
standard input, where no list of processes shows the camera's password; records leave on standard output.
"""

import json
import math
import struct
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import IntEnum

from etle.errors import SourceError
from etle.video import Video
from ingest.address import Address
from ingest.framing import Thinning

HEAD = struct.Struct(">BdI")
"""Kind, seconds of the camera's pace (NaN if it tells none), length of what follows."""


class Record(IntEnum):
    PICTURE = 1
    """A JPEG follows."""
    ALIVE = 2
    """A picture arrived that was not wanted."""
    UNDECODABLE = 3
    """A picture could not be decoded."""
    FAILED = 4
    """The reason follows, as text. The last record."""


@dataclass(frozen=True, slots=True)
class Order:
    url: str
    timeout_s: float
    fps: float | None


def line_of(order: Order) -> bytes:
    return json.dumps(asdict(order)).encode() + b"\n"


def capture(order: Order, send: Callable[[Record, float, bytes], None]) -> None:
    """Send every picture until the stream ends."""
    address = Address.of(order.url)
    thinning, undecodable = Thinning(order.fps), 0
    try:
        with Video(order.url, address.bare, _options(order), order.timeout_s) as video:
            for picture in video.pictures():
                for _ in range(video.undecodable - undecodable):
                    send(Record.UNDECODABLE, math.nan, b"")
                undecodable = video.undecodable
                pace = math.nan if picture.seconds is None else picture.seconds
                if order.fps is None or math.isnan(pace) or thinning.wants(pace):
                    send(Record.PICTURE, pace, picture.jpeg())
                else:
                    send(Record.ALIVE, pace, b"")
    except SourceError as error:
        send(Record.FAILED, math.nan, str(error).encode())


def _options(order: Order) -> dict[str, str]:
    """TCP: a lost datagram smears the picture until the next keyframe, and a smear can look like a vehicle."""
    timeout_us = str(int(order.timeout_s * 1e6))
    if order.url.startswith(("rtsp:", "rtsps:")):
        return {"rtsp_transport": "tcp", "timeout": timeout_us, "fflags": "nobuffer"}
    return {"rw_timeout": timeout_us, "fflags": "nobuffer"}


def main() -> None:
    order = Order(**json.loads(sys.stdin.buffer.readline()))
    out = sys.stdout.buffer

    def send(kind: Record, pace: float, body: bytes) -> None:
        out.write(HEAD.pack(kind, pace, len(body)))
        out.write(body)
        out.flush()

    try:
        capture(order, send)
    except (BrokenPipeError, KeyboardInterrupt):
        sys.stdout = None  # whoever listened has gone: nothing is left to flush


if __name__ == "__main__":
    main()
