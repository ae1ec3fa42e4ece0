"""When a live camera's picture was taken, whatever the network and the clocks do."""

import math
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etle.testing import BEGIN
from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.rtsp_process import PacketKind, StartupBuffer
from ingest.sources.timestamps import TimestampEstimator

CAMERA = CameraId("cam-1")


def moments(rows: list[tuple[float, float | None]], losses: FrameLossCounter | None = None) -> list[float]:
    """(second of arrival, camera's pace) to the seconds that the pictures are dated at."""
    times = TimestampEstimator(CAMERA, losses or FrameLossCounter())
    return [round((times.captured_at(BEGIN + timedelta(seconds=arrived), pace) - BEGIN).total_seconds(), 3) for arrived, pace in rows]


@pytest.mark.parametrize(
    ("rows", "expected", "jumps"),
    [
        pytest.param([(0, None), (0.1, None), (0.25, None)], [0, 0.1, 0.25], 0, id="no pace: the arrival"),
        pytest.param([(0, 50), (0.1, 50.1), (0.2, 50.2)], [0, 0.1, 0.2], 0, id="the pace on any zero"),
        pytest.param([(0, 0), (0.3, 0.1), (0.35, 0.2), (0.4, 0.3)], [0, 0.1, 0.2, 0.3], 0, id="delays do not shift the pictures"),
        pytest.param([(0.4, 0), (0.5, 0.1), (0.5, 0.2), (0.6, 0.3)], [0.4, 0.5, 0.501, 0.6], 0, id="a quicker one corrects the pin"),
        pytest.param([(0, 0), (0.1, 0.1), (0.1, 0.1)], [0, 0.1, 0.101], 1, id="a pace that stands still is a jump, and moments rise"),
        pytest.param([(0, 100), (0.1, 100.1), (0.2, 0.0), (0.3, 0.1)], [0, 0.1, 0.2, 0.3], 1, id="a pace that starts anew"),
        pytest.param([(0, 0), (0.1, 0.1), (0.2, 5000.0), (0.3, 5000.1)], [0, 0.1, 0.2, 0.3], 1, id="a pace that leaps ahead"),
        pytest.param([(0, 0), (0.1, 0.1), (20, 0.2)], [0, 0.1, 20], 1, id="later than any network: pinned anew"),
        pytest.param([(0, None), (0.1, None), (0.1, None)], [0, 0.1, 0.101], 0, id="two arrivals at once"),
    ],
)
def test_moments(rows: list[tuple[float, float | None]], expected: list[float], jumps: int) -> None:
    losses = FrameLossCounter()
    assert moments(rows, losses) == pytest.approx(expected, abs=0.0015)
    assert losses.of(CAMERA).get(LossReason.CLOCK_JUMP, 0) == jumps


@pytest.mark.parametrize(
    ("skew", "expected_s"),
    [
        pytest.param(1.0, 600.0, id="a quartz that is right"),
        pytest.param(1 - 100e-6, 600.0, id="one that is slow by 9 s a day is followed"),
        pytest.param(1 + 100e-6, 600.0, id="one that is fast by 9 s a day is followed"),
    ],
)
def test_a_camera_s_quartz_may_be_off(skew: float, expected_s: float) -> None:
    rows = [(second, second * skew) for second in range(601)]
    assert moments(rows)[-1] == pytest.approx(expected_s, abs=0.07)  # 60 ms is what 100 ppm are in ten minutes


def test_a_box_clock_that_is_set_back_is_counted_and_followed() -> None:
    losses = FrameLossCounter()
    assert moments([(100, 0), (100.1, 0.1), (40, 0.2), (40.1, 0.3)], losses) == pytest.approx([100, 100.1, 40, 40.1], abs=0.0015)
    assert losses.of(CAMERA) == {LossReason.CLOCK_JUMP: 1}
    assert "set back" in (losses.last_detail(CAMERA, LossReason.CLOCK_JUMP) or "")


def test_a_slewed_box_clock_is_no_jump() -> None:
    losses = FrameLossCounter()
    assert moments([(10, None), (9.5, None), (10.2, None)], losses) == pytest.approx([10, 10.001, 10.2], abs=0.0015)
    assert losses.of(CAMERA) == {}


def test_a_new_connection_may_start_its_pace_anywhere() -> None:
    losses = FrameLossCounter()
    times = TimestampEstimator(CAMERA, losses)
    times.captured_at(BEGIN, 500.0)
    times.unpin()
    assert times.captured_at(BEGIN + timedelta(seconds=3), 0.0) == BEGIN + timedelta(seconds=3)
    assert losses.of(CAMERA) == {}


def test_what_only_passed_by_tells_about_delays_too() -> None:
    times = TimestampEstimator(CAMERA, FrameLossCounter())
    times.seen(BEGIN + timedelta(seconds=1.0), 1.0)
    at = [times.captured_at(BEGIN + timedelta(seconds=1.0), pace) for pace in (0.8, 0.9, 1.0)]
    assert [(moment - BEGIN).total_seconds() for moment in at] == pytest.approx([0.8, 0.9, 1.0], abs=0.001)


@given(
    st.lists(st.tuples(st.floats(0, 2), st.one_of(st.none(), st.floats(-10, 1e6))), min_size=2, max_size=40),
)
def test_moments_rise_and_are_utc_whatever_a_camera_tells(steps: list[tuple[float, float | None]]) -> None:
    times, now, dated = TimestampEstimator(CAMERA, FrameLossCounter()), BEGIN, []
    for step, pace in steps:
        now += timedelta(seconds=step)
        dated.append(times.captured_at(now, pace))
    assert dated == sorted(set(dated))
    assert {moment.utcoffset() for moment in dated} == {timedelta()}


def dated_by_the_reader(arrivals: list[tuple[float, float]], ends_s: float) -> list[tuple[str, float]]:
    """(second at which FFmpeg gives the picture, pace) through the capture process's opening: what it sends, dated by the reader."""
    now = [0.0]
    times, sent = TimestampEstimator(CAMERA, FrameLossCounter()), []

    def send(kind: PacketKind, pace: float, body: bytes) -> None:
        moment = BEGIN + timedelta(seconds=now[0])
        if kind is PacketKind.ALIVE:
            if not math.isnan(pace):
                times.seen(moment, pace)
        else:
            at: datetime = times.captured_at(moment, None if math.isnan(pace) else pace)
            sent.append((body.decode(), round((at - BEGIN).total_seconds(), 3)))

    opening = StartupBuffer(send, lambda: now[0])
    for number, (arrived, pace) in enumerate(arrivals):
        now[0] = arrived
        opening.arrived(pace)
        opening.send(PacketKind.PICTURE, pace, str(number).encode())
    now[0] = ends_s
    opening.release()
    return sent


@pytest.mark.parametrize(
    ("arrivals", "ends_s", "expected"),
    [
        pytest.param(
            [(2.0, 0.0), (2.0, 0.5), (2.0, 1.0), (2.0, 1.5), (2.1, 2.0), (2.6, 2.5)],
            3.0,
            [("0", 0.1), ("1", 0.6), ("2", 1.1), ("3", 1.6), ("4", 2.1), ("5", 2.6)],
            id="four had been read before: they lie half a second apart, as they were taken",
        ),
        pytest.param([(0.3, math.nan), (0.3, 0.2), (0.5, 0.4)], 1.0, [("1", 0.3), ("2", 0.5)], id="a first one without a time is left out"),
        pytest.param([(0.1, math.nan), (0.2, math.nan)], 1.0, [("0", 0.2), ("1", 0.201)], id="a camera that tells no times keeps all"),
        pytest.param([(0.0, 0.0), (0.1, 0.1), (0.2, 0.2)], 1.0, [("0", 0.0), ("1", 0.1), ("2", 0.2)], id="nothing had been read before"),
        pytest.param([(0.1, 0.0), (0.1, 0.1)], 0.1, [("0", 0.0), ("1", 0.1)], id="a stream that ends at once"),
        pytest.param([(0.1, 0.0)], 9.0, [("0", 0.1)], id="a camera that falls silent after its first picture"),
    ],
)
def test_pictures_that_were_read_while_connecting_are_dated_as_they_were_taken(
    arrivals: list[tuple[float, float]], ends_s: float, expected: list[tuple[str, float]]
) -> None:
    sent = dated_by_the_reader(arrivals, ends_s)
    assert [name for name, _ in sent] == [name for name, _ in expected]
    assert [at for _, at in sent] == pytest.approx([at for _, at in expected], abs=0.002)


def test_a_file_that_a_server_gives_at_once_is_not_held_back_for_ever() -> None:
    sent = dated_by_the_reader([(0.0, number / 25) for number in range(100)], 0.0)
    assert [name for name, _ in sent] == [str(number) for number in range(100)]
