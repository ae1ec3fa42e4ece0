"""Numbers, thinning, pauses, counters and addresses."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from footage.videos import jpeg
from hypothesis import given
from hypothesis import strategies as st

from etle.address import Address
from etle.backoff import RECONNECT_DELAYS_S, Backoff
from etle.config.sources import (
    FileSourceSettings,
    FolderSourceSettings,
    MjpegSourceSettings,
    RtspSourceSettings,
    SnapshotSourceSettings,
    SourceSettings,
)
from etle.errors import SourceBroken, SourceUnavailable
from etle.testing import BEGIN, ManualClock
from etle.types import CameraId, digest_of
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.folder import FolderSource
from ingest.sources.frames import FrameSampler, first_live_sequence, frame_of
from ingest.sources.mjpeg import MjpegSource
from ingest.sources.open import open_source
from ingest.sources.reconnect import SourceConnection
from ingest.sources.rtsp import RtspSource
from ingest.sources.snapshot import SnapshotSource
from ingest.sources.video_file import VideoFileSource

CAMERA = CameraId("cam-1")


def test_a_frame_is_its_bytes_their_digest_and_their_size() -> None:
    frame = frame_of(CAMERA, 7, jpeg(1, 64, 48), captured_at=BEGIN, received_at=BEGIN, clock_error_s=0.5)
    assert (frame.width, frame.height, frame.sha256, frame.jpeg) == (64, 48, digest_of(jpeg(1, 64, 48)), jpeg(1, 64, 48))
    assert (frame.camera, frame.sequence, frame.clock_error_s) == (CAMERA, 7, 0.5)


class TestTheFirstNumberOfALiveCamera:
    def test_lies_above_all_that_came_before_a_restart(self) -> None:
        before = first_live_sequence(BEGIN, None)
        restarted_at = BEGIN + timedelta(seconds=10)
        assert first_live_sequence(restarted_at, None) - before == 10_000  # 250 pictures of 25 a second, and room for forty times that

    def test_lies_above_the_last_number_even_if_the_clock_was_set_back(self) -> None:
        last = first_live_sequence(BEGIN, None) + 500
        assert first_live_sequence(BEGIN - timedelta(hours=1), last) == last + 1


@pytest.mark.parametrize(
    ("fps", "seconds", "wanted"),
    [
        pytest.param(None, [0, 0.1, 0.1, 0.2], [0, 0.1, 0.1, 0.2], id="no rate: all"),
        pytest.param(1, [0, 0.4, 0.8, 1.2, 1.6, 2.0], [0, 1.2, 2.0], id="the grid is kept, so that the rate is reached"),
        pytest.param(2, [0, 0.499999, 1.0], [0, 0.499999, 1.0], id="a hair early is on time"),
        pytest.param(1, [0, 10.0, 10.5, 11.0], [0, 10.0, 11.0], id="a gap is not made up for"),
        pytest.param(1, [100, 0, 0.5, 1.0], [100, 0, 1.0], id="a clock that went back begins anew"),
    ],
)
def test_thinning(fps: float | None, seconds: list[float], wanted: list[float]) -> None:
    thinning = FrameSampler(fps)
    assert [second for second in seconds if thinning.wants(second)] == wanted


@given(st.floats(0.2, 60), st.floats(1, 120), st.integers(2, 400))
def test_thinning_gives_the_rate_that_was_asked_for(fps: float, has: float, count: int) -> None:
    thinning = FrameSampler(fps)
    kept = sum(thinning.wants(number / has) for number in range(count))
    assert kept == pytest.approx(1 + (count - 1) / has * min(fps, has), abs=max(2, 0.02 * count))


@pytest.mark.parametrize(
    ("chance", "expected"),
    [
        pytest.param(0.0, [0.25, 0.5, 1, 2, 4, 8, 15, 15], id="the shortest"),
        pytest.param(1.0, [0.5, 1, 2, 4, 8, 16, 30, 30], id="the longest"),
    ],
)
def test_pauses_grow_and_are_bounded(chance: float, expected: list[float]) -> None:
    pauses = Backoff(RECONNECT_DELAYS_S, lambda: chance)
    assert [pauses.after(failures) for failures in range(1, 9)] == expected
    assert pauses.after(10**6) == expected[-1]


class TestConnection:
    def connection(self, clock: ManualClock, losses: FrameLossCounter, attempts: int | None = None) -> SourceConnection:
        return SourceConnection(CAMERA, "rtsp://camera/", clock, losses, Backoff(RECONNECT_DELAYS_S), attempts)

    def test_what_works_again_begins_with_the_shortest_pause(self, clock: ManualClock, losses: FrameLossCounter) -> None:
        script = iter(["fail", "fail", "give", "fail", "give"])

        def connect() -> Iterator[str]:
            if next(script) == "fail":
                raise SourceUnavailable("away")
            yield "picture"

        kept = self.connection(clock, losses).keep(connect)
        assert [next(kept), next(kept)] == ["picture", "picture"]
        assert sum(clock.slept) == pytest.approx(0.5 + 1 + 0.5 + 1)
        assert losses.of(CAMERA) == {LossReason.RECONNECT: 4, LossReason.GAP: 1}

    def test_a_broken_stream_is_connected_anew_too(self, clock: ManualClock, losses: FrameLossCounter) -> None:
        def connect() -> Iterator[str]:
            yield "picture"
            raise SourceBroken("garbage")

        with pytest.raises(SourceUnavailable, match="rtsp://camera/: given up after 1 attempts: garbage"):
            list(self.connection(clock, losses, 1).keep(connect))

    def test_what_is_no_error_of_a_source_is_not_swallowed(self, clock: ManualClock, losses: FrameLossCounter) -> None:
        def connect() -> Iterator[str]:
            raise ZeroDivisionError
            yield ""

        with pytest.raises(ZeroDivisionError):
            list(self.connection(clock, losses).keep(connect))

    def test_a_stop_ends_the_wait(self, clock: ManualClock, losses: FrameLossCounter) -> None:
        connection = self.connection(clock, losses)
        connection.stop()
        connection.wait(1000)
        assert clock.slept == []


class TestLosses:
    def test_are_counted_by_camera_and_reason_with_the_last_detail(self, losses: FrameLossCounter) -> None:
        other = CameraId("cam-2")
        losses.count(CAMERA, LossReason.UNDECODABLE, "1.jpg: empty")
        losses.count(CAMERA, LossReason.UNDECODABLE, "2.jpg: empty", 3)
        losses.count(other, LossReason.DROPPED)
        losses.count(other, LossReason.GAP, "nothing lost", 0)
        assert losses.snapshot() == {CAMERA: {LossReason.UNDECODABLE: 4}, other: {LossReason.DROPPED: 1}}
        assert losses.last_detail(CAMERA, LossReason.UNDECODABLE) == "2.jpg: empty"
        assert losses.last_detail(other, LossReason.DROPPED) is None

    def test_a_snapshot_is_a_copy(self, losses: FrameLossCounter) -> None:
        losses.snapshot()[CAMERA] = {LossReason.GAP: 1}
        assert losses.snapshot() == {}


@pytest.mark.parametrize(
    ("url", "bare", "user", "password"),
    [
        pytest.param("rtsp://camera/1", "rtsp://camera/1", None, None, id="open to all"),
        pytest.param(
            "rtsp://admin:s%40cret@10.0.0.7:554/1?x=2", "rtsp://10.0.0.7:554/1?x=2", "admin", "s@cret", id="both, percent-encoded"
        ),
        pytest.param("http://admin@camera/", "http://camera/", "admin", None, id="a user alone"),
        pytest.param("http://a:p@ss@camera/", "http://camera/", "a", "p@ss", id="an @ in the password"),
    ],
)
def test_address(url: str, bare: str, user: str | None, password: str | None) -> None:
    address = Address.of(url)
    assert (address.bare, address.user, address.password) == (bare, user, password)
    assert password is None or password not in repr(address)


@pytest.mark.parametrize(
    ("described", "kind", "live"),
    [
        pytest.param(FileSourceSettings(file=Path("a.mp4")), VideoFileSource, False, id="file"),
        pytest.param(FolderSourceSettings(folder=Path("a")), FolderSource, False, id="folder"),
        pytest.param(RtspSourceSettings(rtsp="rtsp://camera/"), RtspSource, True, id="rtsp"),
        pytest.param(MjpegSourceSettings(mjpeg="http://camera/"), MjpegSource, True, id="mjpeg"),
        pytest.param(SnapshotSourceSettings(snapshot="http://camera/"), SnapshotSource, True, id="snapshot"),
    ],
)
def test_a_source_is_opened_by_its_kind_and_touches_nothing_yet(
    clock: ManualClock, losses: FrameLossCounter, described: SourceSettings, kind: type, live: bool
) -> None:
    source = open_source(CAMERA, described, clock, losses)
    assert type(source) is kind and source.live is live
