"""A camera that pushes JPEGs, well and badly."""

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
def test_bytes_pass_through_untouched(serve: Serve, clock: ManualClock, losses: FrameLossCounter, length: bool) -> None:
    frames = read_to_the_end(source(serve(parts(jpeg(1), jpeg(2), length=length), plain(b"", status=500)), clock, losses))
    assert [frame.jpeg for frame in frames] == [jpeg(1), jpeg(2)]


def test_garbage_between_parts_is_skipped(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    url = serve(parts(jpeg(1), jpeg(2), jpeg(3), between=b"\x00\x07 not a part \xff\xd8\r\n"), plain(b"", status=500))
    assert [frame.jpeg for frame in read_to_the_end(source(url, clock, losses))] == [jpeg(1), jpeg(2), jpeg(3)]
    assert LossReason.UNDECODABLE not in losses.of(CAMERA)


def test_a_broken_picture_is_counted_and_its_number_stays_a_gap(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    url = serve(parts(jpeg(1), jpeg(2)[:900], jpeg(3)), plain(b"", status=500))
    first, second = read_to_the_end(source(url, clock, losses))
    assert (first.jpeg, second.jpeg) == (jpeg(1), jpeg(3))
    assert second.sequence - first.sequence == 2
    assert losses.of(CAMERA)[LossReason.UNDECODABLE] == 1
    assert losses.last_detail(CAMERA, LossReason.UNDECODABLE) == "a JPEG that is truncated after 900 bytes"


def test_a_part_without_end_is_given_up_and_the_camera_connected_anew(
    serve: Serve, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter
) -> None:
    endless = parts(b"\xff\xd8" + bytes(33 * 1024 * 1024), length=False)
    frames = list(islice(source(serve(endless, parts(jpeg(1))), short_sleep_clock, losses).frames(), 1))
    assert frames[0].jpeg == jpeg(1)
    assert losses.of(CAMERA)[LossReason.RECONNECT] == 1
    assert "without a whole picture" in (losses.last_detail(CAMERA, LossReason.RECONNECT) or "")


def test_a_camera_that_hangs_is_connected_anew(serve: Serve, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter) -> None:
    over = Event()
    url = serve(parts(jpeg(1), then_silent=over), parts(jpeg(2), then_silent=over))
    frames = list(islice(source(url, short_sleep_clock, losses, timeout_s=0.3).frames(), 2))
    over.set()
    assert [frame.jpeg for frame in frames] == [jpeg(1), jpeg(2)]
    assert losses.of(CAMERA) == {LossReason.GAP: 1, LossReason.RECONNECT: 1}
    assert losses.last_detail(CAMERA, LossReason.GAP) == f"{url}: says nothing"


def test_a_camera_that_vanishes_is_tried_again_after_growing_pauses(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    url = serve(parts(jpeg(1)), plain(b"", status=503))
    frames = read_to_the_end(source(url, clock, losses, attempts=5))
    assert [frame.jpeg for frame in frames] == [jpeg(1)]
    assert losses.of(CAMERA) == {LossReason.GAP: 1, LossReason.RECONNECT: 4}
    assert sum(clock.slept) == pytest.approx(0.5 + 1 + 2 + 4)


def test_numbers_and_moments_go_on_rising_over_a_new_connection(
    serve: Serve, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter
) -> None:
    url = serve(parts(jpeg(1), jpeg(2)), parts(jpeg(3), jpeg(4)))
    frames = list(islice(source(url, short_sleep_clock, losses).frames(), 4))
    assert [frame.jpeg for frame in frames] == [jpeg(number) for number in (1, 2, 3, 4)]
    numbers, moments = [frame.sequence for frame in frames], [frame.captured_at for frame in frames]
    assert numbers == sorted(set(numbers)) and moments == sorted(set(moments))


def test_a_new_resolution_is_each_frame_s_own(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    url = serve(parts(jpeg(1), jpeg(2, 640, 480)), plain(b"", status=500))
    assert [(frame.width, frame.height) for frame in read_to_the_end(source(url, clock, losses))] == [(320, 240), (640, 480)]


def test_thinned_out_frames_are_no_loss(serve: Serve, losses: FrameLossCounter) -> None:
    class TwentyFiveASecond(ManualClock):
        def now(self) -> datetime:
            self.advance(0.04)
            return super().now()

    url = serve(paced(jpeg, 50, 0.0), plain(b"", status=500))
    frames = read_to_the_end(source(url, TwentyFiveASecond(), losses, fps=5))
    assert len(frames) == pytest.approx(10, abs=1)
    assert LossReason.UNDECODABLE not in losses.of(CAMERA) and LossReason.DROPPED not in losses.of(CAMERA)


@pytest.mark.parametrize(
    ("told_s", "expected_s"),
    [
        pytest.param(BEGIN.timestamp() + 2.5, 2.5, id="ahead"),
        pytest.param(BEGIN.timestamp() - 3600, -3600.0, id="an hour behind"),
        pytest.param(17.25, None, id="a time since it was switched on is no clock"),
        pytest.param(None, None, id="a camera that tells no time"),
    ],
)
def test_the_camera_s_clock_is_measured_against_the_box_s(
    serve: Serve, clock: ManualClock, losses: FrameLossCounter, told_s: float | None, expected_s: float | None
) -> None:
    headers = {} if told_s is None else {"X-Timestamp": f"{told_s:.3f}"}
    (frame,) = read_to_the_end(source(serve(parts(jpeg(1), headers=headers), plain(b"", status=500)), clock, losses))
    assert frame.clock_error_s == (None if expected_s is None else pytest.approx(expected_s, abs=1e-3))
    assert abs(frame.captured_at - frame.received_at) <= timedelta(milliseconds=1)


def test_user_and_password_open_the_camera_and_stand_in_no_message(serve: Serve, clock: ManualClock, losses: FrameLossCounter) -> None:
    def locked(request: object) -> None:
        told = request.headers.get("Authorization", "")  # type: ignore[attr-defined]
        if told == "Basic " + base64.b64encode(b"admin:s@cret").decode():
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
    ("answer", "said"),
    [
        pytest.param(plain(b"<html>", "text/html"), "no MJPEG stream", id="a web page"),
        pytest.param(plain(b"", status=404), "HTTP 404", id="nothing there"),
    ],
)
def test_what_is_no_mjpeg_camera_is_named(serve: Serve, clock: ManualClock, losses: FrameLossCounter, answer: object, said: str) -> None:
    url = serve(answer)
    with pytest.raises(SourceUnavailable, match=f"{url}.*{said}"):
        list(source(url, clock, losses).frames())


def test_nobody_at_the_address_is_said_so(clock: ManualClock, losses: FrameLossCounter) -> None:
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.1:9/: given up after 3 attempts: .*refused"):
        list(source("http://127.0.0.1:9/", clock, losses, attempts=3).frames())


def test_close_ends_the_frames(serve: Serve, short_sleep_clock: ShortSleepClock, losses: FrameLossCounter) -> None:
    camera = source(serve(paced(jpeg, 10**6, 0.005)), short_sleep_clock, losses, attempts=None)
    frames = camera.frames()
    first = next(frames)
    Thread(target=camera.close).start()
    assert all(frame.sequence > first.sequence for frame in frames)  # and they come to an end: the camera alone never would


def test_a_camera_that_trickles_a_picture_is_connected_anew(serve, short_sleep_clock, losses):
    """Each byte comes in time, and the picture never does."""
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
    assert "no whole picture" in (losses.last_detail(CAMERA, LossReason.RECONNECT) or "")
