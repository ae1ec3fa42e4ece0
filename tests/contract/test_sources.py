"""What every source of frames promises."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from threading import Thread

import cv2
import numpy as np
import pytest

from etle.clock import SystemClock
from etle.config import Source
from etle.protocols import FrameSource
from etle.types import CameraId, Frame, digest_of
from etle.video import encode_clip
from ingest.buffer import LiveBuffer
from ingest.losses import Losses
from ingest.open import open_source

COUNT = 8
BEGIN = "2026-11-23T10:00:00+07:00"


def _image(number: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.uint8]]":
    image = np.full((120, 160, 3), 80, np.uint8)
    cv2.circle(image, (10 + number % 140, 60), 9, (40, 200, 220), -1)
    return image


def _jpeg(number: int) -> bytes:
    return bytes(cv2.imencode(".jpg", _image(number))[1])


class _Camera(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        try:
            {"/mjpeg": self._mjpeg, "/snapshot": self._snapshot, "/video": self._video}[self.path]()
        except (BrokenPipeError, ConnectionResetError):
            pass  # the reader has seen enough

    def _head(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def _mjpeg(self) -> None:
        self._head("multipart/x-mixed-replace; boundary=b")
        for number in range(200):
            self.wfile.write(b"--b\r\nContent-Type: image/jpeg\r\n\r\n" + _jpeg(number) + b"\r\n")

    def _snapshot(self) -> None:
        self._head("image/jpeg")
        _Camera.asked += 1
        self.wfile.write(_jpeg(_Camera.asked))

    def _video(self) -> None:
        self._head("video/mp4")
        self.wfile.write(encode_clip([_image(number) for number in range(60)], 10, 160, 120))

    asked = 0

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def camera() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Camera)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def _file(folder: Path, camera: str) -> Source:
    (folder / "film.mp4").write_bytes(encode_clip([_image(number) for number in range(COUNT)], 10, 160, 120))
    return Source(file=folder / "film.mp4", starts_at=BEGIN)


def _pictures(folder: Path, camera: str) -> Source:
    for number in range(COUNT):
        (folder / f"{number}.jpg").write_bytes(_jpeg(number))
    return Source(folder=folder, starts_at=BEGIN, fps=5)


def _png_pictures(folder: Path, camera: str) -> Source:
    for number in range(COUNT):
        cv2.imwrite(str(folder / f"20261123_10000{number}.png"), _image(number))
    return Source(folder=folder)


SOURCES: dict[str, Callable[[Path, str], Source]] = {
    "a video file": _file,
    "a folder of JPEGs": _pictures,
    "a folder of PNGs": _png_pictures,
    "an MJPEG camera": lambda folder, camera: Source(mjpeg=f"{camera}/mjpeg"),
    "a snapshot camera": lambda folder, camera: Source(snapshot=f"{camera}/snapshot", interval_s=0.01),
    "a video camera": lambda folder, camera: Source(rtsp=f"{camera}/video"),
}


@pytest.mark.parametrize("buffered", [pytest.param(False, id="read directly"), pytest.param(True, id="read through a buffer")])
@pytest.mark.parametrize("made", [pytest.param(made, id=name) for name, made in SOURCES.items()])
class TestEverySource:
    @pytest.fixture
    def described(self, made: Callable[[Path, str], Source], camera: str, tmp_path: Path) -> Source:
        return made(tmp_path, camera)

    @pytest.fixture
    def opened(self, described: Source, buffered: bool) -> Callable[[], FrameSource]:
        def open_one() -> FrameSource:
            losses = Losses()
            source = open_source(CameraId("cam-1"), described, SystemClock(), losses)
            return LiveBuffer(source, COUNT * 100, losses) if buffered else source

        return open_one

    @pytest.fixture
    def frames(self, opened: Callable[[], FrameSource]) -> list[Frame]:
        frames = list(islice(opened().frames(), COUNT))
        assert len(frames) == COUNT
        return frames

    def test_the_digest_is_that_of_the_bytes(self, frames: list[Frame]) -> None:
        assert [frame.sha256 for frame in frames] == [digest_of(frame.jpeg) for frame in frames]

    def test_numbers_rise(self, frames: list[Frame]) -> None:
        numbers = [frame.sequence for frame in frames]
        assert numbers == sorted(set(numbers))

    def test_moments_rise_and_are_utc(self, frames: list[Frame]) -> None:
        moments = [frame.captured_at for frame in frames]
        assert moments == sorted(set(moments))
        assert {frame.captured_at.utcoffset() for frame in frames} | {frame.received_at.utcoffset() for frame in frames} == {timedelta()}

    def test_received_when_it_was_read(self, frames: list[Frame]) -> None:
        assert all(abs((datetime.now(UTC) - frame.received_at).total_seconds()) < 60 for frame in frames)

    def test_every_frame_is_a_whole_jpeg_of_its_size(self, frames: list[Frame]) -> None:
        for frame in frames:
            image = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR)
            assert image is not None
            assert image.shape == (frame.height, frame.width, 3) == (120, 160, 3)
            assert frame.jpeg.startswith(b"\xff\xd8") and frame.jpeg.endswith(b"\xff\xd9")

    def test_live_says_whether_the_world_goes_on(self, described: Source, opened: Callable[[], FrameSource]) -> None:
        assert opened().live is described.live

    def test_goes_on_after_a_number(self, described: Source, opened: Callable[[], FrameSource], frames: list[Frame]) -> None:
        after = frames[2].sequence
        rest = list(islice(opened().frames(after), 3))
        assert rest[0].sequence > after
        if not described.live:
            again = [(frame.sequence, frame.captured_at, frame.sha256) for frame in rest]
            assert again == [(frame.sequence, frame.captured_at, frame.sha256) for frame in frames[3:6]]
