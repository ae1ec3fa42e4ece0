"""Films that the tests draw, clocks that they own, and cameras that misbehave."""

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from etle.types import CameraId
from ingest.losses import Losses

BEGIN = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
CAMERA = CameraId("cam-1")
Answer = Callable[[BaseHTTPRequestHandler], None]


class HandClock:
    """Goes on only when somebody sleeps or winds it."""

    def __init__(self, now: datetime = BEGIN) -> None:
        self._now = now
        self._lock = Lock()
        self.slept: list[float] = []

    def now(self) -> datetime:
        with self._lock:
            return self._now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self._now += timedelta(seconds=seconds)

    def wind(self, seconds: float) -> None:
        with self._lock:
            self._now += timedelta(seconds=seconds)


class HastyClock(HandClock):
    """True time, but sleeps are short, and noted: for cameras that are connected anew."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        time.sleep(min(seconds, 0.02))


def picture(number: int, width: int = 320, height: int = 240) -> NDArray[np.uint8]:
    """A bright bar that stands at another place in every picture, over a road of noise."""
    road = np.random.default_rng(7).integers(60, 90, (height, width, 3), dtype=np.uint8)
    road[:, (number * 9) % (width - 12) : (number * 9) % (width - 12) + 12] = (30, 200, 240)
    return road


def bar_of(jpeg: bytes) -> float:
    """Where the bar stands: middle column of the bright pixels."""
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return float(np.nonzero(image[:, :, 1].mean(axis=0) > 140)[0].mean())


def bar_at(number: int, width: int = 320) -> float:
    return (number * 9) % (width - 12) + 5.5


def jpeg(number: int = 0, width: int = 320, height: int = 240) -> bytes:
    done, data = cv2.imencode(".jpg", picture(number, width, height))
    assert done
    return bytes(data)


def film(
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
) -> Path:
    """A real video; `ticks`: the pictures' times in tenths of a second."""
    with av.open(str(path), "w", options=options or {}) as container:
        if created_at:
            container.metadata["creation_time"] = created_at
        stream = container.add_stream(codec, rate=fps, options={"g": "10"} if codec == "libx264" else {})
        stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
        for number in range(count):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="bgr24")
            if ticks:
                frame.pts = ticks[number]
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def losses() -> Losses:
    return Losses()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Starts an HTTP server that gives its answers in turn, the last one again and again; returns its address."""
    servers: list[ThreadingHTTPServer] = []

    def start(*answers: Answer) -> str:
        asked = iter(range(10**9))

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                try:
                    answers[min(next(asked), len(answers) - 1)](self)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the reader has seen enough

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def parts(
    *bodies: bytes, boundary: str = "frame", length: bool = True, headers: dict[str, str] | None = None, hang: bool = False
) -> Answer:
    """An MJPEG answer with these parts; then it ends, or says nothing more."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={boundary}")
        request.end_headers()
        dashed = boundary if boundary.startswith("--") else f"--{boundary}"
        for body in bodies:
            more = {"Content-Type": "image/jpeg", **(headers or {})} | ({"Content-Length": str(len(body))} if length else {})
            head = "".join(f"{name}: {value}\r\n" for name, value in more.items())
            request.wfile.write(f"{dashed}\r\n{head}\r\n".encode() + body + b"\r\n")
        request.wfile.write(f"{dashed}--\r\n".encode())
        request.wfile.flush()
        if hang:
            time.sleep(5)

    return answer


def plain(body: bytes, kind: str = "image/jpeg", status: int = 200, **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Content-Type", kind)
        request.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(body)

    return answer


_RTSP_SERVER = """
import sys, gi
gi.require_version("Gst", "1.0"); gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer
Gst.init(None)
server = GstRtspServer.RTSPServer(); server.set_service(sys.argv[2])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch("( filesrc location=%s ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )" % sys.argv[1])
server.get_mount_points().add_factory("/cam", factory); server.attach(None)
print("ready", flush=True)
GLib.MainLoop().run()
"""
_PYTHON = Path("/usr/bin/python3")
_PARTS = 'import gi; gi.require_version("GstRtspServer", "1.0"); from gi.repository import Gst; Gst.init(None); assert Gst.ElementFactory.find("qtdemux")'


class RtspCamera:
    """GStreamer's RTSP server with a film; it can vanish and come back at the same address."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"rtsp://127.0.0.1:{self.port}/cam"
        self._process: subprocess.Popen[str] | None = None

    def start(self, film: Path) -> None:
        self.stop()
        self._process = subprocess.Popen([_PYTHON, "-c", _RTSP_SERVER, film, str(self.port)], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def stop(self) -> None:
        if self._process is not None:
            with self._process as process:
                process.kill()
            self._process = None


@pytest.fixture
def rtsp_camera() -> Iterator[RtspCamera]:
    if not _PYTHON.exists() or subprocess.run([_PYTHON, "-c", _PARTS], capture_output=True).returncode:
        pytest.skip("needs Debian's python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good")
    camera = RtspCamera()
    yield camera
    camera.stop()
