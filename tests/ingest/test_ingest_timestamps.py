"""TimestampEstimator and StartupBuffer: capture times with network delays and faulty clocks."""

import math
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etle.testing import BEGIN
from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.rtsp_process import PacketKind, StartupBuffer
from ingest.sources.timestamps import TimestampEstimator

CAMERA = CameraId("cam-1")


def estimate(rows: list[tuple[float, float | None]], losses: FrameLossCounter | None = None) -> list[float]:
    """Estimated capture times in seconds, for rows of (arrival in seconds, PTS in seconds)."""
    times = TimestampEstimator(CAMERA, losses or FrameLossCounter())
    return [round((times.captured_at(BEGIN + timedelta(seconds=arrived), pts_s) - BEGIN).total_seconds(), 3) for arrived, pts_s in rows]


@pytest.mark.parametrize(
    ("rows", "expected", "jumps"),
    [
        pytest.param([(0, None), (0.1, None), (0.25, None)], [0, 0.1, 0.25], 0, id="no PTS: the arrival"),
        pytest.param([(0, 50), (0.1, 50.1), (0.2, 50.2)], [0, 0.1, 0.2], 0, id="PTS from any origin"),
        pytest.param([(0, 0), (0.3, 0.1), (0.35, 0.2), (0.4, 0.3)], [0, 0.1, 0.2, 0.3], 0, id="delays do not shift the pictures"),
        pytest.param([(0.4, 0), (0.5, 0.1), (0.5, 0.2), (0.6, 0.3)], [0.4, 0.5, 0.501, 0.6], 0, id="a quicker arrival corrects the anchor"),
        pytest.param([(0, 0), (0.1, 0.1), (0.1, 0.1)], [0, 0.1, 0.101], 1, id="repeated PTS are a jump, and times rise"),
        pytest.param([(0, 100), (0.1, 100.1), (0.2, 0.0), (0.3, 0.1)], [0, 0.1, 0.2, 0.3], 1, id="PTS that restart"),
        pytest.param([(0, 0), (0.1, 0.1), (0.2, 5000.0), (0.3, 5000.1)], [0, 0.1, 0.2, 0.3], 1, id="PTS that jump ahead"),
        pytest.param([(0, 0), (0.1, 0.1), (20, 0.2)], [0, 0.1, 20], 1, id="too late for a network delay: new anchor"),
        pytest.param([(0, None), (0.1, None), (0.1, None)], [0, 0.1, 0.101], 0, id="two arrivals at once"),
    ],
)
def test_capture_times(rows: list[tuple[float, float | None]], expected: list[float], jumps: int) -> None:
    losses = FrameLossCounter()
    assert estimate(rows, losses) == pytest.approx(expected, abs=0.0015)
    assert losses.of(CAMERA).get(LossReason.CLOCK_JUMP, 0) == jumps


def test_steps_do_not_collapse_when_a_late_stream_catches_up() -> None:
    """The camera is two seconds late at first and hurries: ten pictures a second arrive at twenty."""
    rows: list[tuple[float, float | None]] = [(2 + number / 20, number / 10) for number in range(40)]
    rows += [(number / 10, number / 10) for number in range(40, 60)]
    moments = estimate(rows)
    assert min(after - before for before, after in pairwise(moments)) >= 0.049  # it cannot be dated later than its arrival
    jittered: list[tuple[float, float | None]] = [(number / 10 + (0.3 if number < 20 else 0.0), number / 10) for number in range(80)]
    jittered = [(max(arrived, 2.35), pts_s) if 20 <= number < 24 else (arrived, pts_s) for number, (arrived, pts_s) in enumerate(jittered)]
    assert min(after - before for before, after in pairwise(estimate(jittered)[:20])) == pytest.approx(0.1, abs=0.002)


def test_a_picture_without_pts_among_others_lies_between_them() -> None:
    assert estimate([(0.0, 0), (0.1, 0.1), (0.5, None), (0.5, 0.3), (0.5, 0.4)]) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4], abs=0.002)


@pytest.mark.parametrize(
    ("skew", "expected_s"),
    [
        pytest.param(1.0, 600.0, id="a correct quartz"),
        pytest.param(1 - 100e-6, 600.0, id="slow by 9 s a day"),
        pytest.param(1 + 100e-6, 600.0, id="fast by 9 s a day"),
    ],
)
def test_a_drifting_quartz_is_followed(skew: float, expected_s: float) -> None:
    rows = [(second, second * skew) for second in range(601)]
    assert estimate(rows)[-1] == pytest.approx(expected_s, abs=0.07)  # 100 ppm are 60 ms in ten minutes


def test_a_host_clock_that_is_set_back_is_counted_and_followed() -> None:
    losses = FrameLossCounter()
    assert estimate([(100, 0), (100.1, 0.1), (40, 0.2), (40.1, 0.3)], losses) == pytest.approx([100, 100.1, 40, 40.1], abs=0.0015)
    assert losses.of(CAMERA) == {LossReason.CLOCK_JUMP: 1}
    assert "set back" in (losses.last_detail(CAMERA, LossReason.CLOCK_JUMP) or "")


def test_a_slewed_host_clock_is_not_a_jump() -> None:
    losses = FrameLossCounter()
    assert estimate([(10, None), (9.5, None), (10.2, None)], losses) == pytest.approx([10, 10.001, 10.2], abs=0.0015)
    assert losses.of(CAMERA) == {}


def test_after_reset_the_pts_may_start_anywhere() -> None:
    losses = FrameLossCounter()
    times = TimestampEstimator(CAMERA, losses)
    times.captured_at(BEGIN, 500.0)
    times.reset()
    assert times.captured_at(BEGIN + timedelta(seconds=3), 0.0) == BEGIN + timedelta(seconds=3)
    assert losses.of(CAMERA) == {}


def test_observed_pictures_improve_the_anchor() -> None:
    times = TimestampEstimator(CAMERA, FrameLossCounter())
    times.observe(BEGIN + timedelta(seconds=1.0), 1.0)
    at = [times.captured_at(BEGIN + timedelta(seconds=1.0), pts_s) for pts_s in (0.8, 0.9, 1.0)]
    assert [(moment - BEGIN).total_seconds() for moment in at] == pytest.approx([0.8, 0.9, 1.0], abs=0.001)


@given(
    st.lists(st.tuples(st.floats(0, 2), st.one_of(st.none(), st.floats(-10, 1e6))), min_size=2, max_size=40),
)
def test_capture_times_rise_and_are_utc_for_any_pts(steps: list[tuple[float, float | None]]) -> None:
    times, now, captured = TimestampEstimator(CAMERA, FrameLossCounter()), BEGIN, []
    for step, pts_s in steps:
        now += timedelta(seconds=step)
        captured.append(times.captured_at(now, pts_s))
    assert captured == sorted(set(captured))
    assert {moment.utcoffset() for moment in captured} == {timedelta()}


def estimated_through_startup_buffer(arrivals: list[tuple[float, float]], ends_s: float) -> list[tuple[str, float]]:
    """Name and capture time of each picture that a StartupBuffer sends, for arrivals of (time at which FFmpeg returns it, PTS)."""
    now = [0.0]
    times, sent = TimestampEstimator(CAMERA, FrameLossCounter()), []

    def send(kind: PacketKind, pts_s: float, body: bytes) -> None:
        moment = BEGIN + timedelta(seconds=now[0])
        if kind is PacketKind.ALIVE:
            if not math.isnan(pts_s):
                times.observe(moment, pts_s)
        else:
            at: datetime = times.captured_at(moment, None if math.isnan(pts_s) else pts_s)
            sent.append((body.decode(), round((at - BEGIN).total_seconds(), 3)))

    startup = StartupBuffer(send, lambda: now[0])
    for number, (arrived, pts_s) in enumerate(arrivals):
        now[0] = arrived
        startup.arrived(pts_s)
        startup.send(PacketKind.PICTURE, pts_s, str(number).encode())
    now[0] = ends_s
    startup.release()
    return sent


@pytest.mark.parametrize(
    ("arrivals", "ends_s", "expected"),
    [
        pytest.param(
            [(2.0, 0.0), (2.0, 0.5), (2.0, 1.0), (2.0, 1.5), (2.1, 2.0), (2.6, 2.5)],
            3.0,
            [("0", 0.1), ("1", 0.6), ("2", 1.1), ("3", 1.6), ("4", 2.1), ("5", 2.6)],
            id="four were read while connecting: half a second apart, as captured",
        ),
        pytest.param([(0.3, math.nan), (0.3, 0.2), (0.5, 0.4)], 1.0, [("1", 0.3), ("2", 0.5)], id="a first one without PTS is omitted"),
        pytest.param([(0.1, math.nan), (0.2, math.nan), (0.3, math.nan)], 1.0, [("1", 0.2), ("2", 0.3)], id="a camera without PTS"),
        pytest.param([(0.0, 0.0), (0.1, 0.1), (0.2, 0.2)], 1.0, [("0", 0.0), ("1", 0.1), ("2", 0.2)], id="none was read while connecting"),
        pytest.param([(0.1, 0.0), (0.1, 0.1)], 0.1, [("0", 0.0), ("1", 0.1)], id="a stream that ends at once"),
        pytest.param([(0.1, 0.0)], 9.0, [("0", 0.1)], id="a camera that is silent after its first picture"),
    ],
)
def test_pictures_that_were_read_while_connecting_have_their_capture_times(
    arrivals: list[tuple[float, float]], ends_s: float, expected: list[tuple[str, float]]
) -> None:
    sent = estimated_through_startup_buffer(arrivals, ends_s)
    assert [name for name, _ in sent] == [name for name, _ in expected]
    assert [at for _, at in sent] == pytest.approx([at for _, at in expected], abs=0.002)


def test_the_first_pictures_of_a_camera_that_hurries_keep_their_intervals() -> None:
    """A relay sends the pictures since the last keyframe at four times their rate."""
    arrivals = [(0.5 + 0.025 * number, 0.1 * number) for number in range(16)] + [(0.1 * number, 0.1 * number) for number in range(16, 30)]
    sent = [
        at
        for _, at in estimated_through_startup_buffer([(max(at, 0.9 if n < 16 else at), pts) for n, (at, pts) in enumerate(arrivals)], 9.0)
    ]
    assert [after - before for before, after in pairwise(sent)] == pytest.approx([0.1] * (len(sent) - 1), abs=0.002)


def test_a_file_that_a_server_sends_at_once_is_not_held_back() -> None:
    sent = estimated_through_startup_buffer([(0.0, number / 25) for number in range(100)], 0.0)
    assert [name for name, _ in sent] == [str(number) for number in range(100)]
