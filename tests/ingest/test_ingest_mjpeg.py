"""MjpegSource with correct and faulty cameras."""

import base64
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count, islice
from threading import Event, Thread

import pytest
from footage.clocks import ShortSleepClock
from footage.http_cameras import paced, parts, plain, trickled
from footage.videos import jpeg

from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.errors import SourceUnavailable
from etle.protocols import Clock
from etle.testing import BEGIN, ManualClock
from etle.types import CameraId, Frame
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.mjpeg import MjpegSource
from ingest.sources.multipart import MultipartPart

CAMERA = CameraId("cam-1")
Serve = Callable[..., str]


def source(
    url: str, clock: Clock, losses: FrameLossCounter, *, fps: float | None = None, timeout_s: float = 5, attempts: int | None = 2
) -> MjpegSource:
    return MjpegSource(CAMERA, url, clock, losses, Backoff(RECONNECT_DELAYS_S), fps=fps, timeout_s=timeout_s, attempts=attempts)


def read_to_the_end(frames: MjpegSource) -> list[Frame]:
    """Until the attempts are used up."""
    read: list[Frame] = []
    with pytest.raises(SourceUnavailable, match="given up"):
        read.extend(frames.frames())
    return read


@pytest.mark.parametrize("length", [pytest.param(True, id="with lengths"), pytest.param(False, id="without")])
def test_jpegs_are_not_changed(serve: Serve, clock: ManualClock, losses: FrameLossCounter, length: bool) -> None:
    frames = read_to_the_end(source(serve(parts(jpeg(1), jpeg(2), length=length), plain(b"", status=500)), clock, losses))
    assert [frame.jpeg for frame in frames] == [jpeg(1), jpeg(2)]


def test_garbage_between_parts_is_skipped(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    url = serve(parts(jpeg(1), jpeg(2), jpeg(3), between=b"\x00\x07 not a part \xff\xd8\r\n"), plain(b"", status=500))
    assert [frame.jpeg for frame in read_to_the_end(source(url, clock, losses))] == [jpeg(1), jpeg(2), jpeg(3)]
    assert LossReason.UNDECODABLE not in losses.of(CAMERA)


def test_a_damaged_picture_is_counted_and_its_number_is_missing(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    url = serve(parts(jpeg(1), jpeg(2)[:900], jpeg(3)), plain(b"", status=500))
    first, second = read_to_the_end(source(url, clock, losses))
    assert (first.jpeg, second.jpeg) == (jpeg(1), jpeg(3))
    assert second.sequence - first.sequence == 2
    assert losses.of(CAMERA)[LossReason.UNDECODABLE] == 1
    assert losses.last_detail(CAMERA, LossReason.UNDECODABLE) == "a JPEG that is truncated after 900 bytes"


def test_a_camera_with_an_endless_part_is_reconnected(serve: Serve, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter) -> None:
    endless = parts(b"\xff\xd8" + bytes(33 * 1024 * 1024), length=False)
    frames = list(islice(source(serve(endless, parts(jpeg(1))), short_sleep_clock, losses).frames(), 1))
    assert frames[0].jpeg == jpeg(1)
    assert losses.of(CAMERA)[LossReason.RECONNECT] == 1
    assert "without a complete picture" in (losses.last_detail(CAMERA, LossReason.RECONNECT) or "")


def test_a_camera_that_hangs_is_reconnected(serve: Serve, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter) -> None:
    over = Event()
    url = serve(parts(jpeg(1), then_silent=over), parts(jpeg(2), then_silent=over))
    frames = list(islice(source(url, short_sleep_clock, losses, timeout_s=0.3).frames(), 2))
    over.set()
    assert [frame.jpeg for frame in frames] == [jpeg(1), jpeg(2)]
    assert losses.of(CAMERA) == {LossReason.GAP: 1, LossReason.RECONNECT: 1}
    assert losses.last_detail(CAMERA, LossReason.GAP) == f"{url}: no data in time"


def test_a_camera_that_disconnects_is_reconnected_after_increasing_delays(
    serve: Serve, clock: ManualClock, losses: FrameLossCounter
) -> None:
    url = serve(parts(jpeg(1)), plain(b"", status=503))
    frames = read_to_the_end(source(url, clock, losses, attempts=5))
    assert [frame.jpeg for frame in frames] == [jpeg(1)]
    assert losses.of(CAMERA) == {LossReason.GAP: 1, LossReason.RECONNECT: 4}
    assert sum(clock.slept) == pytest.approx(0.5 + 1 + 2 + 4)


def test_numbers_and_capture_times_rise_across_connections(
    serve: Serve, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter
) -> None:
    url = serve(parts(jpeg(1), jpeg(2)), parts(jpeg(3), jpeg(4)))
    frames = list(islice(source(url, short_sleep_clock, losses).frames(), 4))
    assert [frame.jpeg for frame in frames] == [jpeg(number) for number in (1, 2, 3, 4)]
    numbers, moments = [frame.sequence for frame in frames], [frame.captured_at for frame in frames]
    assert numbers == sorted(set(numbers)) and moments == sorted(set(moments))


def test_each_frame_has_its_own_size(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    url = serve(parts(jpeg(1), jpeg(2, 640, 480)), plain(b"", status=500))
    assert [(frame.width, frame.height) for frame in read_to_the_end(source(url, clock, losses))] == [(320, 240), (640, 480)]


def test_frames_omitted_by_fps_are_not_losses(serve: Serve, losses: FrameLossCounter) -> None:
    class TwentyFiveASecond(ManualClock):
        def now(self) -> datetime:
            self.advance(0.04)
            return super().now()

    url = serve(paced(jpeg, 50, 0.0), plain(b"", status=500))
    frames = read_to_the_end(source(url, TwentyFiveASecond(), losses, fps=5))
    assert len(frames) == pytest.approx(10, abs=1)
    assert LossReason.UNDECODABLE not in losses.of(CAMERA) and LossReason.DROPPED not in losses.of(CAMERA)


@pytest.mark.parametrize(
    ("camera_time_s", "expected_s"),
    [
        pytest.param(BEGIN.timestamp() + 2.5, 2.5, id="ahead"),
        pytest.param(BEGIN.timestamp() - 3600, -3600.0, id="an hour behind"),
        pytest.param(17.25, None, id="time since it was switched on"),
        pytest.param(None, None, id="no time"),
    ],
)
def test_the_error_of_the_camera_s_clock_is_measured(
    serve: Serve, clock: ManualClock, losses: FrameLossCounter, camera_time_s: float | None, expected_s: float | None
) -> None:
    headers = {} if camera_time_s is None else {"X-Timestamp": f"{camera_time_s:.3f}"}
    (frame,) = read_to_the_end(source(serve(parts(jpeg(1), headers=headers), plain(b"", status=500)), clock, losses))
    assert frame.clock_error_s == (None if expected_s is None else pytest.approx(expected_s, abs=1e-3))
    assert abs(frame.captured_at - frame.received_at) <= timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("reported", "remark"),
    [
        pytest.param(lambda now: "nan", "is not a number of seconds", id="not a number"),
        pytest.param(lambda now: "inf", "is not a number of seconds", id="infinite"),
        pytest.param(lambda now: "1e300", "is not a number of seconds", id="huge"),
        pytest.param(lambda now: "-5.5", "is not a number of seconds", id="negative"),
        pytest.param(lambda now: "soon", "is not a number of seconds", id="a word"),
        pytest.param(lambda now: f"{now * 1000:.0f}", "is not a number of seconds", id="milliseconds"),
        pytest.param(lambda now: "0.000000", "has no fractions of a second", id="always zero"),
        pytest.param(lambda now: "1234.5", "does not advance like a clock", id="always the same"),
        pytest.param(lambda now: f"{int(now)}", "has no fractions of a second", id="whole seconds"),
        pytest.param(lambda now: f"{now * 90_000 % 2**32 / 1000:.3f}", "does not advance like a clock", id="another unit"),
    ],
)
def test_a_header_that_tells_no_time_is_named_once_and_pictures_are_dated_by_their_arrival(
    losses: FrameLossCounter, caplog: pytest.LogCaptureFixture, reported: Callable[[float], str], remark: str
) -> None:
    camera = MjpegSource(CAMERA, "http://127.0.0.1/", ManualClock(), losses, Backoff(RECONNECT_DELAYS_S))
    arrivals = [BEGIN + timedelta(seconds=number / 10, milliseconds=13 * (number % 3)) for number in range(40)]
    frames = [
        camera._frame(number, MultipartPart({"x-timestamp": reported(at.timestamp())}, jpeg(1)), at) for number, at in enumerate(arrivals)
    ]
    assert [frame.captured_at for frame in frames if frame] == arrivals
    assert all(frame is not None and (frame.clock_error_s is None or abs(frame.clock_error_s) <= 0.6) for frame in frames)
    assert losses.of(CAMERA) == {}
    assert [record.getMessage() for record in caplog.records] == [
        f"cam-1: the camera's X-Timestamp {remark}; the pictures are dated by their arrival"
    ]


def test_a_clock_that_jumps_after_it_was_proven_is_counted(losses: FrameLossCounter) -> None:
    camera = MjpegSource(CAMERA, "http://127.0.0.1/", ManualClock(), losses, Backoff(RECONNECT_DELAYS_S))
    for number in range(20):
        at = BEGIN + timedelta(seconds=number / 10)
        reported_s = at.timestamp() + (3600.25 if number >= 12 else 0.25)
        camera._frame(number, MultipartPart({"x-timestamp": f"{reported_s:.3f}"}, jpeg(1)), at)
    assert losses.of(CAMERA) == {LossReason.CLOCK_JUMP: 1}


def test_the_password_is_used_and_is_not_in_any_message(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    def locked(request: object) -> None:
        authorization = request.headers.get("Authorization", "")  # type: ignore[attr-defined]
        if authorization == "Basic " + base64.b64encode(b"admin:s@cret").decode():
            parts(jpeg(1))(request)  # type: ignore[arg-type]
        else:
            plain(b"", status=401, WWW_Authenticate='Basic realm="cam"')(request)  # type: ignore[arg-type]

    url = serve(locked)
    right = url.replace("http://", "http://admin:s%40cret@")
    assert next(source(right, clock, losses).frames()).jpeg == jpeg(1)
    with pytest.raises(SourceUnavailable, match="user or password is wrong") as refused:
        next(source(url.replace("http://", "http://admin:guess@"), clock, losses).frames())
    assert "guess" not in str(refused.value) and "admin" not in str(refused.value)
    assert "guess" not in str(losses.last_detail(CAMERA, LossReason.RECONNECT))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        pytest.param(plain(b"<html>", "text/html"), "not an MJPEG stream", id="a web page"),
        pytest.param(plain(b"", status=404), "HTTP 404", id="not found"),
    ],
)
def test_an_address_without_an_mjpeg_stream_is_reported(
    serve: Serve, clock: ManualClock, losses: FrameLossCounter, answer: object, message: str
) -> None:
    url = serve(answer)
    with pytest.raises(SourceUnavailable, match=f"{url}.*{message}"):
        list(source(url, clock, losses).frames())


def test_a_refused_connection_is_reported(clock: ManualClock, losses: FrameLossCounter) -> None:
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:9/: given up after 3 attempts: .*refused"):
        list(source("http://127.0.0.1:9/", clock, losses, attempts=3).frames())


def test_close_ends_the_frames(serve: Serve, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter) -> None:
    camera = source(serve(paced(jpeg, 10**6, 0.005)), short_sleep_clock, losses, attempts=None)
    frames = camera.frames()
    first = next(frames)
    Thread(target=camera.close).start()
    assert all(frame.sequence > first.sequence for frame in frames)  # and they end, although the camera does not


def test_a_camera_that_sends_a_picture_too_slowly_is_reconnected(serve, short_sleep_clock, losses):
    """Each byte arrives in time, but the picture is never complete."""
    never, seconds = Event(), count(0.0, 1.0).__next__
    source = MjpegSource(
        CAMERA,
        serve(trickled(never), parts(jpeg(2))),
        short_sleep_clock,
        losses,
        Backoff(RECONNECT_DELAYS_S),
        timeout_s=5,
        monotonic=seconds,
    )
    frame = next(source.frames())
    never.set()
    source.close()
    assert frame.jpeg == jpeg(2)
    assert losses.last_detail(CAMERA, LossReason.RECONNECT) is not None
    assert "no complete picture" in (losses.last_detail(CAMERA, LossReason.RECONNECT) or "")
