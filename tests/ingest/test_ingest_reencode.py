"""Optional processing of a source: another quality, a smaller size, scheduled hours; and the position of a source."""

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from footage.http_cameras import paced, plain
from footage.videos import bar_at, bar_of, image_of, jpeg, write_video

from etle.config.sources import FileSourceSettings, FolderSourceSettings, Hours, MjpegSourceSettings, RtspSourceSettings
from etle.errors import ConfigError
from etle.testing import ListSource, a_frame, a_jpeg
from etle.types import CameraId, Quality, digest_of
from ingest.delivery.positions import SourcePosition, SourcePositionFile
from ingest.frame_loss import LossReason
from ingest.sources.open import open_source
from ingest.sources.reencode import ReencodeSettings, ReencodingSource
from ingest.sources.schedule import is_scheduled

JAKARTA = ZoneInfo("Asia/Jakarta")
CAMERA = CameraId("masuk")


def test_jpegs_are_not_changed_without_settings(clock, losses, tmp_path):
    (tmp_path / "20261123_100000.jpg").write_bytes(jpeg(3))
    for settings in ({}, {"max_width": 320}):
        (frame,) = open_source(CAMERA, FolderSourceSettings(folder=tmp_path, **settings), clock, losses).frames()
        assert frame.jpeg == jpeg(3)


def test_a_picture_that_is_too_wide_is_scaled_down_before_its_digest_is_taken(clock, losses, tmp_path):
    (tmp_path / "20261123_100000.jpg").write_bytes(jpeg(40, 1280, 960))
    (frame,) = open_source(CAMERA, FolderSourceSettings(folder=tmp_path, max_width=320), clock, losses).frames()
    assert (frame.width, frame.height) == image_of(frame.jpeg).shape[1::-1] == (320, 240)
    assert frame.sha256 == digest_of(frame.jpeg)
    assert bar_of(frame.jpeg) == pytest.approx(bar_at(40, 1280) / 4, abs=2)


@pytest.mark.parametrize("codec", ["libx264", "mjpeg"])
def test_a_higher_quality_needs_more_bytes(clock, losses, tmp_path, codec):
    path = write_video(
        tmp_path / ("video.avi" if codec == "mjpeg" else "video.mp4"), 3, codec=codec, pix_fmt="yuvj420p" if codec == "mjpeg" else "yuv420p"
    )
    sizes = [
        sum(len(frame.jpeg) for frame in open_source(CAMERA, FileSourceSettings(file=path, quality=quality), clock, losses).frames())
        for quality in (Quality.SMALLEST, Quality.SMALL, Quality.NORMAL, Quality.FINE)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_a_streamed_video_is_scaled_down(serve, short_sleep_clock, losses, tmp_path):
    url = serve(plain(write_video(tmp_path / "video.ts", 60, size=(640, 480), options={"format": "mpegts"}).read_bytes(), "video/mp2t"))
    source = open_source(CAMERA, RtspSourceSettings(rtsp=url, max_width=320, quality=Quality.SMALL), short_sleep_clock, losses)
    frame = next(source.frames())
    source.close()
    assert (frame.width, frame.height) == (320, 240)


def test_a_reencoding_source_can_be_closed(serve, short_sleep_clock, losses):
    source = open_source(
        CAMERA,
        MjpegSourceSettings(mjpeg=serve(paced(lambda number: jpeg(number, 640, 480), 1000, 0.005)), max_width=320),
        short_sleep_clock,
        losses,
    )
    frames = source.frames()
    assert next(frames).width == 320
    source.close()
    assert all(frame.width == 320 for frame in frames)


def test_a_picture_that_cannot_be_decoded_is_counted_and_its_number_is_missing(losses):
    broken = replace(a_frame(1), jpeg=a_jpeg().replace(b"\xff\xc0", b"\xff\xc5"))  # a type of JPEG that no decoder supports
    source = ReencodingSource(ListSource([a_frame(0), broken, a_frame(2)]), ReencodeSettings(Quality.SMALL), losses)
    assert [frame.sequence for frame in source.frames()] == [0, 2]
    assert losses.of(broken.camera) == {LossReason.UNDECODABLE: 1}


NIGHT = Hours(days=("fri",), begins="22:00", ends="05:00")
DAY = Hours(begins="06:00", ends="18:30")


@pytest.mark.parametrize(
    ("hours", "moment", "expected"),
    [
        pytest.param([], "2026-11-27T03:00", True, id="no hours: always"),
        pytest.param([DAY], "2026-11-27T06:00", True, id="first minute"),
        pytest.param([DAY], "2026-11-27T18:30", False, id="end is exclusive"),
        pytest.param([DAY], "2026-11-27T05:59", False, id="before the first minute"),
        pytest.param([NIGHT], "2026-11-27T23:00", True, id="Friday night"),
        pytest.param([NIGHT], "2026-11-28T04:59", True, id="Friday night continues on Saturday"),
        pytest.param([NIGHT], "2026-11-27T04:00", False, id="Friday morning belongs to Thursday night"),
        pytest.param([NIGHT], "2026-11-28T23:00", False, id="Saturday night"),
        pytest.param([DAY, NIGHT], "2026-11-27T22:30", True, id="one of several"),
        pytest.param([Hours(begins="00:00", ends="24:00")], "2026-11-27T23:59", True, id="the whole day"),
    ],
)
def test_hours_are_local_times_of_the_site(hours, moment, expected):
    assert is_scheduled(hours, datetime.fromisoformat(f"{moment}:00+07:00"), JAKARTA) is expected


def test_a_saved_position_is_resumed_and_losses_are_added(tmp_path):
    first = SourcePositionFile(tmp_path, CAMERA, "video.mp4")
    assert first.position.after is None
    first.advance(41)
    first.save({LossReason.DROPPED: 2})
    first.save({LossReason.DROPPED: 3})
    again = SourcePositionFile(tmp_path, CAMERA, "video.mp4")
    assert again.position.after == 41
    again.save({LossReason.DROPPED: 1, LossReason.GAP: 1})
    assert SourcePositionFile(tmp_path, CAMERA, "video.mp4").position.losses == {LossReason.DROPPED: 4, LossReason.GAP: 1}


def test_numbers_of_another_video_file_continue_after_the_last(tmp_path):
    first = SourcePositionFile(tmp_path, CAMERA, "monday.mp4")
    first.advance(41)
    first.save({})
    second = SourcePositionFile(tmp_path, CAMERA, "tuesday.mp4")
    assert second.position == SourcePosition(source="tuesday.mp4", base=42, sequence=41)
    assert second.position.after is None
    second.advance(50)
    second.save({})
    assert SourcePositionFile(tmp_path, CAMERA, "tuesday.mp4").position.after == 8


def test_a_damaged_position_file_is_an_error(tmp_path):
    (tmp_path / f"{CAMERA}.json").write_text('{"source": "video.mp4", "seq')
    with pytest.raises(ConfigError, match="larger than any sequence"):
        SourcePositionFile(tmp_path, CAMERA, "video.mp4")
