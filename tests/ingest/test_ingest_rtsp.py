"""RtspSource with a real RTSP server, and with servers, processes and networks that fail."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice, pairwise
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

import pytest
from footage.clocks import ShortSleepClock
from footage.http_cameras import plain
from footage.rtsp import RtspCamera
from footage.videos import bar_at, bar_of, write_video

from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.errors import SourceUnavailable
from etle.protocols import Clock
from etle.testing import ManualClock
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.rtsp import CAPTURE_COMMAND, RtspSource
from ingest.sources.rtsp_process import CaptureRequest, PacketKind, capture, encode_request

pytestmark = pytest.mark.server

CAMERA = CameraId("cam-1")
ROOT = Path(__file__).parents[2]


def source(
    url: str,
    clock: Clock,
    losses: FrameLossCounter,
    *,
    fps: float | None = None,
    timeout_s: float = 10,
    attempts: int | None = 20,
    command: tuple[str, ...] = CAPTURE_COMMAND,
) -> RtspSource:
    return RtspSource(
        CAMERA, url, clock, losses, Backoff(RECONNECT_DELAYS_S), fps=fps, timeout_s=timeout_s, attempts=attempts, command=command
    )


def first(count: int, frames: Iterator[Frame]) -> list[Frame]:
    return list(islice(frames, count))


def steps_s(frames: list[Frame]) -> list[float]:
    return [(after.captured_at - before.captured_at).total_seconds() for before, after in pairwise(frames)]


@contextmanager
def silent_server() -> Iterator[str]:
    """Accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:  # the test is over
                    return

        Thread(target=accept, daemon=True).start()
        yield f"rtsp://127.0.0.1:{server.getsockname()[1]}/cam"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


class TestWithARealServer:
    @pytest.mark.parametrize(
        ("codec", "drawn"),
        [
            pytest.param("h264", {"path": "a.mp4"}, id="H.264"),
            pytest.param("h264", {"path": "a.mp4", "b_pictures": 2}, id="H.264 with pictures out of order"),
            pytest.param("h265", {"path": "a.mkv", "codec": "libx265"}, id="H.265"),
            pytest.param("jpeg", {"path": "a.avi", "codec": "mjpeg", "pix_fmt": "yuvj420p"}, id="JPEGs"),
        ],
    )
    def test_pictures_are_in_order_at_the_intervals_of_the_camera(
        self,
        rtsp_camera: RtspCamera,
        short_sleep_clock: ShortSleepClock,
        losses: FrameLossCounter,
        tmp_path: Path,
        codec: str,
        drawn: dict[str, Any],
    ) -> None:
        rtsp_camera.start(write_video(**{**drawn, "path": tmp_path / drawn["path"]}, count=60, fps=25), codec)
        with closing(source(rtsp_camera.url, short_sleep_clock, losses).frames()) as frames:
            read = first(25, frames)
        bars = [bar_of(frame.jpeg) for frame in read]
        begin = min(range(30), key=lambda number: abs(bar_at(number) - bars[0]))
        assert bars == pytest.approx([bar_at(begin + number) for number in range(25)], abs=1.0)
        assert median(steps_s(read)) == pytest.approx(0.04, abs=0.001)
        assert all(frame.captured_at <= frame.received_at for frame in read)
        assert losses.of(CAMERA) == {}

    def test_fps_limits_the_rate_by_the_camera_s_timestamps(
        self, rtsp_camera: RtspCamera, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter, tmp_path: Path
    ) -> None:
        rtsp_camera.start(write_video(tmp_path / "a.mp4", 60, fps=25))
        with closing(source(rtsp_camera.url, short_sleep_clock, losses, fps=5).frames()) as frames:
            read = first(6, frames)
        assert median(steps_s(read)) == pytest.approx(0.2, abs=0.005)

    def test_a_restarted_server_is_reconnected_and_the_gap_is_counted(
        self, rtsp_camera: RtspCamera, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter, tmp_path: Path
    ) -> None:
        rtsp_camera.start(write_video(tmp_path / "a.mp4", 250, fps=25))
        with closing(source(rtsp_camera.url, short_sleep_clock, losses, timeout_s=3, attempts=200).frames()) as frames:
            before = first(5, frames)
            rtsp_camera.stop()
            Thread(target=rtsp_camera.start, args=(write_video(tmp_path / "b.mp4", 250, fps=25, size=(640, 480)),)).start()
            after = next(frame for frame in frames if frame.width == 640)
        assert (after.width, after.height) == (640, 480)
        assert after.sequence > before[-1].sequence and after.captured_at > before[-1].captured_at
        assert losses.of(CAMERA)[LossReason.GAP] == 1
        assert losses.of(CAMERA)[LossReason.RECONNECT] >= 1

    def test_the_source_reconnects_after_the_end_of_a_stream(
        self, rtsp_camera: RtspCamera, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter, tmp_path: Path
    ) -> None:
        rtsp_camera.start(write_video(tmp_path / "a.mp4", 20, fps=25))
        with closing(source(rtsp_camera.url, short_sleep_clock, losses).frames()) as frames:
            read = first(30, frames)
        assert len({frame.sequence for frame in read}) == 30
        moments = [frame.captured_at for frame in read]
        assert moments == sorted(set(moments))
        assert losses.of(CAMERA)[LossReason.GAP] >= 1

    def test_a_capture_process_that_is_killed_is_replaced(
        self, rtsp_camera: RtspCamera, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter, tmp_path: Path
    ) -> None:
        rtsp_camera.start(write_video(tmp_path / "a.mp4", 500, fps=25))
        with closing(source(rtsp_camera.url, short_sleep_clock, losses).frames()) as frames:
            before = first(3, frames)
            (process,) = children_running("ingest.sources.rtsp_process")
            os.kill(process, signal.SIGKILL)
            after = next(frame for frame in frames if losses.of(CAMERA).get(LossReason.RECONNECT))
        assert after.sequence > before[-1].sequence
        assert losses.of(CAMERA) == {LossReason.GAP: 1, LossReason.RECONNECT: 1}
        assert losses.last_detail(CAMERA, LossReason.GAP) == f"{rtsp_camera.url}: the capture process ended with SIGKILL"
        assert children_running("ingest.sources.rtsp_process") == []

    def test_a_missing_stream_is_reported_without_the_password(
        self, rtsp_camera: RtspCamera, clock: ManualClock, losses: FrameLossCounter, tmp_path: Path
    ) -> None:
        rtsp_camera.start(write_video(tmp_path / "a.mp4", 20))
        url = rtsp_camera.url.replace("/cam", "/other").replace("rtsp://", "rtsp://admin:secret@")
        with pytest.raises(SourceUnavailable, match=r"/other: given up after 1 attempts: .*404") as refused:
            next(source(url, clock, losses, attempts=1).frames())
        assert "secret" not in str(refused.value)


def children_running(module: str) -> list[int]:
    """Ids of the child processes whose command line contains `module`, from /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            status, command = (path / "stat").read_text(), (path / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it has ended
            continue
        if int(status.rsplit(")", 1)[1].split()[1]) == os.getpid() and module.encode() in command:
            found.append(int(path.name))
    return found


def test_a_silent_server_is_a_timeout(clock: ManualClock, losses: FrameLossCounter) -> None:
    with (
        silent_server() as url,
        pytest.raises(SourceUnavailable, match=r"given up after 2 attempts: .*cam: (no data|.*timed out|sends nothing)"),
    ):
        next(source(url, clock, losses, timeout_s=0.3, attempts=2).frames())
    assert losses.of(CAMERA) == {LossReason.RECONNECT: 1}


def test_a_capture_process_that_hangs_is_killed_and_replaced(clock: ManualClock, losses: FrameLossCounter) -> None:
    """FFmpeg's own timeout does not cover everything."""
    hangs = (sys.executable, "-c", "import time; time.sleep(600)")
    with pytest.raises(SourceUnavailable, match=r"rtsp://127\.0\.0\.1/cam: given up after 2 attempts: .*no data for 1 s"):
        next(source("rtsp://127.0.0.1/cam", clock, losses, timeout_s=0.2, attempts=2, command=hangs).frames())
    assert children_running("time.sleep(600)") == []


def test_a_refused_connection_is_reported(clock: ManualClock, losses: FrameLossCounter) -> None:
    with pytest.raises(SourceUnavailable, match=r"given up after 2 attempts: .*refused"):
        next(source("rtsp://127.0.0.1:9/cam", clock, losses, attempts=2).frames())
    assert sum(clock.slept) == pytest.approx(0.5)


def test_close_ends_the_frames_and_the_process(clock: ManualClock, losses: FrameLossCounter) -> None:
    with silent_server() as url:
        camera = source(url, clock, losses, timeout_s=60, attempts=None)
        ended = Event()

        def read() -> None:
            assert list(camera.frames()) == []
            ended.set()

        reader = Thread(target=read)
        reader.start()
        while not children_running("ingest.sources.rtsp_process"):
            pass
        camera.close()
        reader.join(30)
    assert ended.is_set()
    assert children_running("ingest.sources.rtsp_process") == []


def test_a_capture_process_ends_when_its_parent_has_gone(serve: Callable[..., str], tmp_path: Path) -> None:
    """A gateway that is killed with -9 must not leave cameras connected."""
    url = serve(plain(write_video(tmp_path / "a.ts", 300, options={"format": "mpegts"}).read_bytes(), "video/mp2t"))
    with subprocess.Popen(
        CAPTURE_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)}
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(encode_request(CaptureRequest(url, 10, None)))
        process.stdin.close()
        assert process.stdout.read(1)  # the header of the first packet
        process.stdout.close()
        assert process.wait(60) == 0


def test_undecodable_pictures_are_reported(serve: Callable[..., str], tmp_path: Path) -> None:
    data = bytearray(write_video(tmp_path / "a.ts", 40, options={"format": "mpegts"}).read_bytes())
    data[len(data) // 2 : len(data) // 2 + 1880] = bytes(1880)
    kinds: list[PacketKind] = []
    capture(CaptureRequest(serve(plain(bytes(data), "video/mp2t")), 10, None), lambda kind, pts_s, body: kinds.append(kind))
    assert kinds.count(PacketKind.UNDECODABLE) >= 1
    assert kinds.count(PacketKind.PICTURE) >= 20
    assert kinds.count(PacketKind.PICTURE) + kinds.count(PacketKind.UNDECODABLE) <= 41


def test_the_password_is_not_in_the_command_line() -> None:
    assert b"secret" in encode_request(CaptureRequest("rtsp://admin:secret@camera/cam", 10, None))
    assert all("rtsp:" not in part for part in CAPTURE_COMMAND)
