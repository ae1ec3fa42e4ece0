"""Pictures and videos with a bar whose position encodes the picture's number, so that tests can identify each picture."""

from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray


def picture(number: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """BGR picture, height x width x 3: a bright bar at a position that depends on the number, over noise."""
    road = np.random.default_rng(7).integers(60, 90, (height, width, 3), dtype=np.uint8)
    road[:, (number * 9) % (width - 12) : (number * 9) % (width - 12) + 12] = (30, 200, 240)
    return road


def bar_of(jpeg: bytes) -> float:
    """Measured position of the bar: the mean column of the bright pixels."""
    image = image_of(jpeg)
    return float(np.nonzero(image[:, :, 1].mean(axis=0) > 140)[0].mean())


def bar_at(number: int, width: int = 320) -> float:
    """Drawn position of the bar."""
    return (number * 9) % (width - 12) + 5.5


def image_of(jpeg: bytes) -> NDArray[np.uint8]:
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return np.asarray(image, np.uint8)


def jpeg(number: int = 0, width: int = 320, height: int = 240) -> bytes:
    done, data = cv2.imencode(".jpg", picture(number, width, height))
    assert done
    return bytes(data)


def without_tables(data: bytes) -> bytes:
    """The JPEG without its Huffman tables, as some recorders write them."""
    at = 0
    while (at := data.find(b"\xff\xc4", at)) >= 0:
        data = data[:at] + data[at + 2 + int.from_bytes(data[at + 2 : at + 4]) :]
    return data


def write_video(
    path: Path,
    count: int = 30,
    *,
    fps: int = 10,
    size: tuple[int, int] = (320, 240),
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    created_at: str | None = None,
    ticks: list[int] | None = None,
    b_pictures: int = 0,
) -> Path:
    """Encode a video with a keyframe every ten pictures. `ticks`: the pictures' times in units of 1 / `fps`."""
    encoding = {"g": "10", "bf": str(b_pictures)} if codec in ("libx264", "mpeg4") else {}
    encoding |= {"x265-params": "keyint=10:log-level=none"} if codec == "libx265" else {}
    encoding |= {"huffman": "default"} if codec == "mjpeg" else {}  # RTP carries no other tables (RFC 2435)
    with av.open(str(path), "w", options=options or {}) as container:
        if created_at:
            container.metadata["creation_time"] = created_at
        stream = container.add_stream(codec, rate=fps, options=encoding)
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        stream.codec_context.thread_count = 1
        if codec == "mpeg4":  # its rate control would spend all bits on the first picture
            stream.codec_context.qmin = stream.codec_context.qmax = 3
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="bgr24")
            if ticks:
                frame.pts = ticks[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
