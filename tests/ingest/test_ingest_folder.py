"""FolderSource: order, numbers and capture times."""

import os
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import cv2
import pytest
from footage.videos import bar_at, bar_of, jpeg, picture
from test_ingest_jpeg import ORIGINAL, exif

from etle.errors import ConfigError, SourceBroken, SourceUnavailable
from etle.testing import BEGIN, ManualClock
from etle.types import CameraId, Frame, digest_of
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.folder import FolderSource, time_in_name

CAMERA = CameraId("cam-1")
WIB = timezone(timedelta(hours=7))


def frames_of(
    folder: Path,
    losses: FrameLossCounter | None = None,
    *,
    starts_at: datetime | None = BEGIN,
    fps: float | None = 5,
    after: int | None = None,
) -> list[Frame]:
    source = FolderSource(CAMERA, folder, ManualClock(), losses or FrameLossCounter(), starts_at=starts_at, fps=fps, timezone=WIB)
    return list(source.frames(after))


def seconds_of(frames: list[Frame]) -> list[float]:
    return [round((frame.captured_at - BEGIN).total_seconds(), 3) for frame in frames]


def test_names_are_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 9, 2, 1, 100):
        (tmp_path / f"img{number}.jpg").write_bytes(jpeg(number % 30))
    (tmp_path / "notes.txt").write_text("not a picture")
    (tmp_path / "IMG3.JPEG").write_bytes(jpeg(3))
    frames = frames_of(tmp_path)
    assert [frame.sha256 for frame in frames] == [digest_of(jpeg(number % 30)) for number in (1, 2, 3, 9, 10, 100)]
    assert [frame.sequence for frame in frames] == list(range(6))


def test_a_jpeg_is_not_changed_and_its_time_comes_from_its_position(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    frames = frames_of(tmp_path)
    assert [frame.jpeg for frame in frames] == [jpeg(number) for number in range(4)]
    assert seconds_of(frames) == [0.0, 0.2, 0.4, 0.6]


def test_a_png_is_encoded_to_the_same_bytes_every_time(tmp_path: Path) -> None:
    for number in range(4):
        cv2.imwrite(str(tmp_path / f"{number}.png"), picture(number))
    first, second = frames_of(tmp_path), frames_of(tmp_path)
    assert [frame.sha256 for frame in first] == [frame.sha256 for frame in second]
    assert [bar_of(frame.jpeg) for frame in first] == pytest.approx([bar_at(number) for number in range(4)], abs=1.0)
    assert first[0].jpeg.startswith(b"\xff\xd8")


def test_a_damaged_picture_is_named_and_counted_and_its_number_is_missing(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    (tmp_path / "1.jpg").write_bytes(jpeg(1)[:-500])
    (tmp_path / "3.png").write_bytes(b"no picture")
    (tmp_path / "3.jpg").unlink()
    losses = FrameLossCounter()
    frames = frames_of(tmp_path, losses)
    assert [frame.sequence for frame in frames] == [0, 2, 4]
    assert seconds_of(frames) == [0.0, 0.4, 0.8]
    assert losses.of(CAMERA) == {LossReason.UNDECODABLE: 2}
    assert "3.png" in (losses.last_detail(CAMERA, LossReason.UNDECODABLE) or "")


def test_reading_after_a_number_gives_the_same_numbers_and_times(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
    assert frames_of(tmp_path, after=3) == frames_of(tmp_path)[4:]


def test_pictures_without_a_time_need_a_rate(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg())
    with pytest.raises(ConfigError, match=r"a\.jpg: has no time.*set `fps`"):
        frames_of(tmp_path, fps=None)


def test_without_starts_at_the_modification_time_of_the_first_file_is_used(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg(number))
        os.utime(tmp_path / f"{number}.jpg", (BEGIN.timestamp() + 50 * number,) * 2)
    assert seconds_of(frames_of(tmp_path, starts_at=None, fps=2)) == [0.0, 0.5, 1.0]


def test_exif_is_preferred_to_the_name_and_the_name_to_the_position(tmp_path: Path) -> None:
    (tmp_path / "20261123_100005.jpg").write_bytes(jpeg(1))
    data = jpeg(2)
    (tmp_path / "20261123_100006.jpg").write_bytes(data[:2] + exif({ORIGINAL: "2026:11:23 10:00:07"}) + data[2:])
    assert seconds_of(frames_of(tmp_path, fps=None)) == [5.0, 7.0]


@pytest.mark.parametrize(
    ("names", "fps", "expected", "jumps"),
    [
        pytest.param(["20261123_100000", "20261123_100001"], None, [0.0, 1.0], 0, id="a second each"),
        pytest.param(["20261123_100000_a", "20261123_100000_b", "20261123_100000_c"], 4, [0.0, 0.25, 0.5], 0, id="one second, spread"),
        pytest.param(["20261123_100000_a", "20261123_100000_b"], None, [0.0, 0.001], 0, id="one second, no rate: 1 ms apart"),
        pytest.param(["a_20261123_100010", "b_20261123_100000"], None, [10.0, 10.001], 1, id="a clock set back is counted"),
    ],
)
def test_capture_times_rise(tmp_path: Path, names: list[str], fps: float | None, expected: list[float], jumps: int) -> None:
    for number, name in enumerate(names):
        (tmp_path / f"{name}.jpg").write_bytes(jpeg(number))
    losses = FrameLossCounter()
    assert seconds_of(frames_of(tmp_path, losses, fps=fps)) == expected
    assert losses.of(CAMERA).get(LossReason.CLOCK_JUMP, 0) == jumps


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("20261123_100000.jpg", datetime(2026, 11, 23, 3, 0, tzinfo=UTC), id="underscore"),
        pytest.param("2026-11-23 10.00.00.jpg", datetime(2026, 11, 23, 3, 0, tzinfo=UTC), id="dashes and dots"),
        pytest.param("cam3_20261123T100000_250.jpg", datetime(2026, 11, 23, 3, 0, 0, 250_000, tzinfo=UTC), id="a T and milliseconds"),
        pytest.param("10.0.0.64_01_20261123100000250_X.jpg", datetime(2026, 11, 23, 3, 0, 0, 250_000, tzinfo=UTC), id="without separators"),
        pytest.param("1764000000.jpg", datetime.fromtimestamp(1764000000, UTC), id="seconds since 1970"),
        pytest.param("shot-1764000000500.png", datetime.fromtimestamp(1764000000.5, UTC), id="milliseconds since 1970"),
        pytest.param("20261323_100000.jpg", None, id="no thirteenth month"),
        pytest.param("20261123_290000.jpg", None, id="no hour 29"),
        pytest.param("frame_000123.jpg", None, id="a number"),
        pytest.param("120261123100000.jpg", None, id="too many digits"),
    ],
)
def test_time_in_name(name: str, expected: datetime | None) -> None:
    assert time_in_name(name, WIB) == expected


def test_a_missing_folder_and_an_empty_one_are_reported(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="cannot be listed"):
        frames_of(tmp_path / "nowhere")
    with pytest.raises(SourceUnavailable, match="contains no pictures"):
        frames_of(tmp_path)


def test_a_folder_with_only_damaged_pictures_raises_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"")
    (tmp_path / "b.jpg").write_bytes(jpeg()[:200])
    losses = FrameLossCounter()
    with pytest.raises(SourceBroken, match="none of its 2 pictures could be read"):
        frames_of(tmp_path, losses)
    assert losses.of(CAMERA) == {LossReason.UNDECODABLE: 2}
