"""Frames, sequence numbers, sampling, connections, loss counters and addresses."""

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


def test_a_frame_has_the_digest_and_size_of_its_bytes() -> None:
    frame = frame_of(CAMERA, 7, jpeg(1, 64, 48), captured_at=BEGIN, received_at=BEGIN, clock_error_s=0.5)
    assert (frame.width, frame.height, frame.sha256, frame.jpeg) == (64, 48, digest_of(jpeg(1, 64, 48)), jpeg(1, 64, 48))
    assert (frame.camera, frame.sequence, frame.clock_error_s) == (CAMERA, 7, 0.5)


class TestFirstLiveSequence:
    def test_is_higher_than_all_numbers_before_a_restart(self) -> None:
        before = first_live_sequence(BEGIN, None)
        restarted_at = BEGIN + timedelta(seconds=10)
        assert first_live_sequence(restarted_at, None) - before == 10_000  # 25 pictures a second use 250 of them

    def test_is_higher_than_the_last_number_even_if_the_clock_was_set_back(self) -> None:
        last = first_live_sequence(BEGIN, None) + 500
        assert first_live_sequence(BEGIN - timedelta(hours=1), last) == last + 1


@pytest.mark.parametrize(
    ("fps", "seconds", "expected"),
    [
        pytest.param(None, [0, 0.1, 0.1, 0.2], [0, 0.1, 0.1, 0.2], id="no rate: all"),
        pytest.param(1, [0, 0.4, 0.8, 1.2, 1.6, 2.0], [0, 1.2, 2.0], id="the grid is kept, so that the rate is reached"),
        pytest.param(2, [0, 0.499999, 1.0], [0, 0.499999, 1.0], id="a microsecond early is on time"),
        pytest.param(1, [0, 10.0, 10.5, 11.0], [0, 10.0, 11.0], id="no catching up after a gap"),
        pytest.param(1, [100, 0, 0.5, 1.0], [100, 0, 1.0], id="starts again after the clock went back"),
    ],
)
def test_sampling_by_time(fps: float | None, seconds: list[float], expected: list[float]) -> None:
    sampler = FrameSampler(fps)
    assert [second for second in seconds if sampler.accepts(second)] == expected


@given(st.floats(0.2, 60), st.floats(1, 120), st.integers(2, 400))
def test_the_sampler_reaches_the_requested_rate(fps: float, source_fps: float, count: int) -> None:
    sampler = FrameSampler(fps)
    kept = sum(sampler.accepts(number / source_fps) for number in range(count))
    assert kept == pytest.approx(1 + (count - 1) / source_fps * min(fps, source_fps), abs=max(2, 0.02 * count))


class TestConnection:
    def connection(self, clock: ManualClock, losses: FrameLossCounter, attempts: int | None = None) -> SourceConnection:
        return SourceConnection(CAMERA, "rtsp://camera/", clock, losses, Backoff(RECONNECT_DELAYS_S), attempts)

    def test_after_a_success_the_next_delay_is_the_shortest(self, clock: ManualClock, losses: FrameLossCounter) -> None:
        script = iter(["fail", "fail", "picture", "fail", "picture"])

        def connect() -> Iterator[str]:
            if next(script) == "fail":
                raise SourceUnavailable("unavailable")
            yield "picture"

        items = self.connection(clock, losses).stream(connect)
        assert [next(items), next(items)] == ["picture", "picture"]
        assert sum(clock.slept) == pytest.approx(0.5 + 1 + 0.5 + 1)
        assert losses.of(CAMERA) == {LossReason.RECONNECT: 4, LossReason.GAP: 1}

    def test_a_broken_stream_is_reconnected(self, clock: ManualClock, losses: FrameLossCounter) -> None:
        def connect() -> Iterator[str]:
            yield "picture"
            raise SourceBroken("garbage")

        with pytest.raises(SourceUnavailable, match="rtsp://camera/: given up after 1 attempts: garbage"):
            list(self.connection(clock, losses, 1).stream(connect))

    def test_other_errors_are_raised(self, clock: ManualClock, losses: FrameLossCounter) -> None:
        def connect() -> Iterator[str]:
            raise ZeroDivisionError
            yield ""

        with pytest.raises(ZeroDivisionError):
            list(self.connection(clock, losses).stream(connect))

    def test_a_stop_ends_the_wait(self, clock: ManualClock, losses: FrameLossCounter) -> None:
        connection = self.connection(clock, losses)
        connection.stop()
        connection.wait(1000)
        assert clock.slept == []


class TestFrameLossCounter:
    def test_counts_by_camera_and_reason_and_keeps_the_last_detail(self, losses: FrameLossCounter) -> None:
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
        pytest.param("rtsp://camera/1", "rtsp://camera/1", None, None, id="without a user"),
        pytest.param(
            "rtsp://admin:s%40cret@10.0.0.7:554/1?x=2", "rtsp://10.0.0.7:554/1?x=2", "admin", "s@cret", id="both, percent-encoded"
        ),
        pytest.param("http://admin@camera/", "http://camera/", "admin", None, id="without a password"),
        pytest.param("http://a:p@ss@camera/", "http://camera/", "a", "p@ss", id="an @ in the password"),
    ],
)
def test_address(url: str, bare: str, user: str | None, password: str | None) -> None:
    address = Address.of(url)
    assert (address.bare, address.user, address.password) == (bare, user, password)
    assert password is None or password not in repr(address)


@pytest.mark.parametrize(
    ("settings", "source_class", "live"),
    [
        pytest.param(FileSourceSettings(file=Path("a.mp4")), VideoFileSource, False, id="file"),
        pytest.param(FolderSourceSettings(folder=Path("a")), FolderSource, False, id="folder"),
        pytest.param(RtspSourceSettings(rtsp="rtsp://camera/"), RtspSource, True, id="rtsp"),
        pytest.param(MjpegSourceSettings(mjpeg="http://camera/"), MjpegSource, True, id="mjpeg"),
        pytest.param(SnapshotSourceSettings(snapshot="http://camera/"), SnapshotSource, True, id="snapshot"),
    ],
)
def test_settings_open_their_source_without_reading_anything(
    clock: ManualClock, losses: FrameLossCounter, settings: SourceSettings, source_class: type, live: bool
) -> None:
    source = open_source(CAMERA, settings, clock, losses)
    assert type(source) is source_class and source.live is live
