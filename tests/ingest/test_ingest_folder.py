"""FolderSource: order, numbers and capture times."""

import os
import struct
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import cv2
import numpy as np
import pytest
from footage.videos import bar_at, bar_of, jpeg, picture
from test_ingest_jpeg import ORIGINAL, exif

from etle.errors import ConfigError, SourceBroken, SourceUnavailable
from etle.media.exif import orientation_of
from etle.testing import BEGIN, ManualClock
from etle.types import CameraId, Frame, digest_of
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.folder import FolderSource
from ingest.sources.picture_times import in_name

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
    stamp = in_name(name, WIB)
    assert (stamp and stamp.moment) == expected


def test_starts_at_and_fps_go_before_what_a_name_seems_to_tell(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"1234567890_{number:06d}.jpg").write_bytes(jpeg(number))
    assert seconds_of(frames_of(tmp_path, fps=10)) == [0.0, 0.1, 0.2]
    os.utime(tmp_path / "1234567890_000000.jpg", (BEGIN.timestamp(),) * 2)
    assert seconds_of(frames_of(tmp_path, fps=10, starts_at=None)) == [0.0, 0.1, 0.2]
    with pytest.raises(ConfigError, match="has no time"):
        frames_of(tmp_path, fps=None, starts_at=None)


def test_exif_of_a_clock_that_was_never_set_gives_way_to_the_names(tmp_path: Path) -> None:
    data = jpeg(2)
    for second in (3, 4):
        stamped = data[:2] + exif({ORIGINAL: "2000:01:01 00:00:00"}) + data[2:]
        (tmp_path / f"20261123_10000{second}.jpg").write_bytes(stamped)
    assert seconds_of(frames_of(tmp_path, fps=None)) == [3.0, 4.0]


def test_exif_to_the_second_is_spread_over_the_second(tmp_path: Path) -> None:
    data = jpeg(2)
    for number in range(20):
        stamped = data[:2] + exif({ORIGINAL: f"2026:11:23 10:00:0{(number + 2) // 5}"}) + data[2:]
        (tmp_path / f"{number}.jpg").write_bytes(stamped)
    assert seconds_of(frames_of(tmp_path, fps=None)) == pytest.approx([0.4 + number / 5 for number in range(20)], abs=0.001)


def test_pictures_of_one_second_need_a_rate(tmp_path: Path) -> None:
    for letter in "abc":
        (tmp_path / f"20261123_100000_{letter}.jpg").write_bytes(jpeg(1))
    with pytest.raises(ConfigError, match="its pictures all have the same time; set `fps`"):
        frames_of(tmp_path, fps=None)


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


def oriented(data: bytes, orientation: int) -> bytes:
    """The JPEG with this orientation in its EXIF data."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return data[:2] + b"\xff\xe1" + (len(tiff) + 8).to_bytes(2) + b"Exif\0\0" + tiff + data[2:]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright_as_a_browser_shows_it(tmp_path: Path, orientation: int) -> None:
    image = picture(20)
    image[:80, :80] = (20, 20, 230)  # red in the upper left corner
    data = oriented(cv2.imencode(".jpg", image)[1].tobytes(), orientation)
    (tmp_path / "a.jpg").write_bytes(data)
    (frame,) = frames_of(tmp_path)
    shown = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)  # OpenCV turns it as browsers do
    stored = cv2.imdecode(np.frombuffer(frame.jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    assert (frame.width, frame.height) == shown.shape[1::-1]
    assert np.abs(stored.astype(int) - shown).mean() < 3
    assert orientation_of(frame.jpeg) == 1
    assert orientation != 1 or frame.jpeg == data


def test_a_picture_that_is_damaged_inside_is_counted(tmp_path: Path) -> None:
    """Decoders show it smeared, without an error."""
    noise = np.random.default_rng(1).integers(0, 255, (240, 320, 3), np.uint8)
    whole = cv2.imencode(".jpg", noise)[1].tobytes()
    (tmp_path / "0.jpg").write_bytes(whole)
    for number, (begins, length) in enumerate([(0.8, 0.04), (0.3, 0.2), (0.5, 0.01)], 1):
        cut = int(len(whole) * begins)
        (tmp_path / f"{number}.jpg").write_bytes(whole[:cut] + whole[cut + int(len(whole) * length) :])
    losses = FrameLossCounter()
    assert [frame.sequence for frame in frames_of(tmp_path, losses)] == [0]
    assert losses.of(CAMERA) == {LossReason.UNDECODABLE: 3}
    assert "damaged inside" in (losses.last_detail(CAMERA, LossReason.UNDECODABLE) or "")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(jpeg(1)[:2] + b"\xff\xfe\x00\x20" + bytes(900) + jpeg(1)[2:], id="a comment that is longer than it says"),
        pytest.param(cv2.imencode(".jpg", picture(1), [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes(), id="progressive"),
        pytest.param(cv2.imencode(".jpg", picture(1), [cv2.IMWRITE_JPEG_RST_INTERVAL, 4])[1].tobytes(), id="restart markers"),
        pytest.param(cv2.imencode(".jpg", picture(1)[:, :, 0])[1].tobytes(), id="grey"),
        pytest.param(jpeg(1) + b"dhav\x59\x19\x01\x00", id="bytes behind the end"),
        pytest.param(jpeg(1)[:2] + b"\xff\xe1\x00\x10Exif\0\0II*\0\xff\xff\xff\xff" + jpeg(1)[2:], id="damaged EXIF data"),
    ],
)
def test_what_decoders_open_without_a_warning_is_whole(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(data)
    losses = FrameLossCounter()
    assert [frame.jpeg for frame in frames_of(tmp_path, losses)] == [data]
    assert losses.of(CAMERA) == {}


def test_the_files_that_macos_adds_are_no_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg(1))
    (tmp_path / "._a.jpg").write_bytes(b"\0\5\x16\7")
    (tmp_path / ".hidden.jpg").write_bytes(jpeg(2))
    (tmp_path / "0.jpg").mkdir()
    losses = FrameLossCounter()
    assert [frame.jpeg for frame in frames_of(tmp_path, losses)] == [jpeg(1)]
    assert losses.of(CAMERA) == {}
