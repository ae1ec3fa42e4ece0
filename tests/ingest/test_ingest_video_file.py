"""VideoFileSource: frames, capture times, sampling and damaged files."""

import os
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from random import Random

import av
import cv2
import pytest
from footage.videos import bar_at, bar_of, image_of, picture, without_tables, write_video

from etle.errors import ConfigError, SourceBroken, SourceUnavailable
from etle.media.jpeg import has_huffman_tables
from etle.testing import BEGIN, ManualClock
from etle.types import CameraId, Frame, digest_of
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.sources.video_file import VideoFileSource

CAMERA = CameraId("cam-1")


def source(
    path: Path, losses: FrameLossCounter | None = None, *, starts_at: datetime | None = BEGIN, fps: float | None = None
) -> VideoFileSource:
    return VideoFileSource(CAMERA, path, ManualClock(), losses or FrameLossCounter(), starts_at=starts_at, fps=fps)


def read_until_error(frames: Iterator[Frame]) -> tuple[list[Frame], str]:
    """The frames, and the message of the error after them; empty if there was none."""
    read: list[Frame] = []
    try:
        read.extend(frames)
    except SourceBroken as error:
        return read, str(error)
    return read, ""


def seconds_of(frames: list[Frame]) -> list[float]:
    return [round((frame.captured_at - BEGIN).total_seconds(), 3) for frame in frames]


def test_all_pictures_are_read_in_order_with_their_times(tmp_path: Path) -> None:
    frames = list(source(write_video(tmp_path / "a.mp4", 30)).frames())
    assert [frame.sequence for frame in frames] == list(range(30))
    assert seconds_of(frames) == [number / 10 for number in range(30)]
    assert [bar_of(frame.jpeg) for frame in frames] == pytest.approx([bar_at(number) for number in range(30)], abs=1.0)


def test_the_same_file_gives_the_same_bytes_every_time(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 20)
    assert [frame.sha256 for frame in source(path).frames()] == [frame.sha256 for frame in source(path).frames()]


def test_the_bytes_of_a_frame_do_not_depend_on_where_reading_started(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 20)
    whole = [(frame.sequence, frame.sha256) for frame in source(path).frames()]
    assert [(frame.sequence, frame.sha256) for frame in source(path).frames(after=11)] == whole[12:]


@pytest.mark.parametrize(
    ("after", "first", "count"),
    [
        pytest.param(None, 0, 10, id="from the beginning"),
        pytest.param(-1, 0, 10, id="-1: from the beginning"),
        pytest.param(0, 1, 9, id="after the first"),
        pytest.param(8, 9, 1, id="the last one is left"),
        pytest.param(9, None, 0, id="none is left"),
        pytest.param(99, None, 0, id="after the end"),
    ],
)
def test_reading_starts_after_the_given_number(tmp_path: Path, after: int | None, first: int | None, count: int) -> None:
    frames = list(source(write_video(tmp_path / "a.mp4", 10)).frames(after))
    assert len(frames) == count
    assert not frames or frames[0].sequence == first


@pytest.mark.parametrize(
    ("has", "wanted", "expected"),
    [
        pytest.param(30, None, list(range(30)), id="no sampling"),
        pytest.param(30, 10, list(range(0, 30, 3)), id="every third"),
        pytest.param(30, 15, list(range(0, 30, 2)), id="every second"),
        pytest.param(10, 25, list(range(30)), id="a rate above the file's keeps all"),
        pytest.param(25, 10, [0, 3, 5, 8, 10, 13, 15, 18, 20, 23, 25, 28], id="a rate that does not divide"),
    ],
)
def test_fps_samples_by_time(tmp_path: Path, has: int, wanted: float | None, expected: list[int]) -> None:
    frames = list(source(write_video(tmp_path / "a.mp4", 30, fps=has), fps=wanted).frames())
    assert [bar_of(frame.jpeg) for frame in frames] == pytest.approx([bar_at(number) for number in expected], abs=1.0)
    assert [frame.sequence for frame in frames] == list(range(len(expected)))


class TestStartsAt:
    def test_comes_from_the_site_file(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 3, created_at="2020-01-01T00:00:00Z")
        assert next(source(path).frames()).captured_at == BEGIN

    def test_otherwise_from_the_creation_time_in_the_file(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", 3, created_at="2026-05-04T03:02:01Z")
        assert source(path, starts_at=None).starts_at() == datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)

    @pytest.mark.parametrize("unset", ["1904-01-01T00:00:00Z", "1970-01-01T00:00:00Z"])
    def test_otherwise_from_the_modification_time_if_the_creation_time_is_1904_or_1970(self, tmp_path: Path, unset: str) -> None:
        path = write_video(tmp_path / "a.mp4", 3, created_at=unset)
        os.utime(path, (BEGIN.timestamp(), BEGIN.timestamp()))
        assert source(path, starts_at=None).starts_at() == BEGIN


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        pytest.param("a.mp4", "libx264", {"movflags": "faststart"}, id="an MP4 with its index in front"),
        pytest.param("a.mkv", "libx264", {}, id="a Matroska"),
        pytest.param("a.avi", "mpeg4", {}, id="an AVI"),
        pytest.param("a.avi", "mjpeg", {}, id="an AVI of JPEGs"),
    ],
)
def test_a_truncated_file_gives_every_valid_frame_and_then_an_error(tmp_path: Path, name: str, codec: str, options: dict[str, str]) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = write_video(tmp_path / name, 60, codec=codec, pix_fmt=pix_fmt, options=options)
    whole = {frame.sequence: frame.sha256 for frame in source(path).frames()}
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, message = read_until_error(source(path).frames())
    assert 20 < len(frames) < 50
    assert {frame.sequence: frame.sha256 for frame in frames}.items() <= whole.items()
    assert str(path) in message and "is truncated" in message and f"{len(frames)}" in message and "Copy the file again" in message


def test_an_mp4_without_its_index_is_rejected_with_the_reason(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 30)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(SourceBroken, match=r"a\.mp4: .*its end is missing, where an MP4 has its index"):
        list(source(path).frames())


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        pytest.param(None, SourceUnavailable, "no such video file", id="absent"),
        pytest.param(b"", SourceBroken, "is not a video that FFmpeg can read", id="empty"),
        pytest.param(b"site: simpang-lima\n" * 50, SourceBroken, "is not a video", id="a text"),
    ],
)
def test_a_file_that_is_not_a_video_is_reported(tmp_path: Path, content: bytes | None, error: type[Exception], message: str) -> None:
    path = tmp_path / "a.mp4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(error, match=rf"a\.mp4: .*{message}"):
        list(source(path).frames())


def test_an_audio_file_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame(format="s16", layout="mono", samples=800)
        sound.sample_rate = 8000
        for plane in sound.planes:
            plane.update(bytes(plane.buffer_size))
        container.mux(stream.encode(sound))
    with pytest.raises(SourceBroken, match="it has no video stream"):
        list(source(path).frames())


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where in the file each picture lies, and how long it is."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def test_a_picture_that_cannot_be_decoded_is_counted_and_omitted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 20, codec="mjpeg", pix_fmt="yuvj420p")
    begin, length = packets_of(path)[7]
    data = bytearray(path.read_bytes())
    data[begin : begin + length] = bytes(length)
    path.write_bytes(data)
    losses = FrameLossCounter()
    frames = list(source(path, losses).frames())
    assert [bar_of(frame.jpeg) for frame in frames] == pytest.approx([bar_at(n) for n in range(20) if n != 7], abs=1.0)
    assert seconds_of(frames) == [n / 10 for n in range(20) if n != 7]
    assert losses.of(CAMERA) == {LossReason.UNDECODABLE: 1}
    assert str(path) in (losses.last_detail(CAMERA, LossReason.UNDECODABLE) or "")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("damaged", "next_keyframe"),
    [
        pytest.param(15, 20, id="a reference picture: all up to the next keyframe are lost"),
        pytest.param(10, 20, id="a keyframe: the ten pictures that depend on it are lost"),
        pytest.param(19, 20, id="the last before a keyframe: only this one is lost"),
    ],
)
@pytest.mark.parametrize("intact", [pytest.param(0.0, id="all of it"), pytest.param(0.7, id="its end, which decoders conceal")])
def test_a_damaged_packet_never_gives_a_concealed_picture(tmp_path: Path, damaged: int, next_keyframe: int, intact: float) -> None:
    path = write_video(tmp_path / "a.mkv", 40)
    whole = [frame.sha256 for frame in source(path).frames()]
    begin, length = packets_of(path)[damaged]
    keep = max(12, int(length * intact))
    data = bytearray(path.read_bytes())
    data[begin + keep : begin + length] = Random(3).randbytes(length - keep)
    path.write_bytes(data)
    losses = FrameLossCounter()
    frames = list(source(path, losses).frames())
    assert [frame.sha256 for frame in frames] == whole[:damaged] + whole[next_keyframe:]
    assert losses.of(CAMERA) == {LossReason.UNDECODABLE: next_keyframe - damaged}


def rotated(path: Path, quarters: int) -> Path:
    """The video with the rotation that a phone writes, in quarter turns clockwise (matrix of the tkhd box, ISO 14496-12)."""
    a, b, c, d = ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, -1), (0, -1, 1, 0))[quarters]
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("quarters", "size", "corner"),
    [
        pytest.param(0, (320, 240), (0, 0), id="not rotated"),
        pytest.param(1, (240, 320), (0, -1), id="90 degrees clockwise"),
        pytest.param(2, (320, 240), (-1, -1), id="180 degrees"),
        pytest.param(3, (240, 320), (-1, 0), id="90 degrees counterclockwise"),
    ],
)
def test_a_video_with_rotation_is_rotated_upright(tmp_path: Path, quarters: int, size: tuple[int, int], corner: tuple[int, int]) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        image = picture(20)
        image[:80, :80] = (20, 20, 230)  # red in the upper left corner
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    frame = next(source(rotated(path, quarters)).frames())
    assert (frame.width, frame.height) == size
    seen = image_of(frame.jpeg)
    assert seen.shape[:2] == (size[1], size[0])
    blue, _, red = (int(value) for value in seen[20 * (corner[0] * 2 + 1), 20 * (corner[1] * 2 + 1)])
    assert red > 180 and blue < 80


class TestJumpingTimestamps:
    def test_a_jump_by_hours_is_removed_and_counted(self, tmp_path: Path) -> None:
        ticks = [*range(10), *range(90_000, 90_010)]
        losses = FrameLossCounter()
        frames = list(source(write_video(tmp_path / "a.mkv", 20, ticks=ticks), losses).frames())
        assert seconds_of(frames) == [number / 10 for number in range(20)]
        assert losses.of(CAMERA) == {LossReason.CLOCK_JUMP: 1}
        assert "0.900 s" in (losses.last_detail(CAMERA, LossReason.CLOCK_JUMP) or "")

    def test_a_restart_at_zero_in_joined_recordings_is_removed_and_counted(self, tmp_path: Path) -> None:
        first = write_video(tmp_path / "1.ts", 20, options={"format": "mpegts"})
        second = write_video(tmp_path / "2.ts", 10, options={"format": "mpegts"})
        joined = tmp_path / "joined.ts"
        joined.write_bytes(first.read_bytes() + second.read_bytes())
        losses = FrameLossCounter()
        frames = list(source(joined, losses).frames())
        moments = seconds_of(frames)
        assert moments == sorted(set(moments))
        assert [bar_of(frame.jpeg) for frame in frames] == pytest.approx([bar_at(n) for n in (*range(20), *range(10))], abs=1.0)
        assert losses.of(CAMERA) == {LossReason.CLOCK_JUMP: 1}

    def test_a_pause_of_minutes_is_kept(self, tmp_path: Path) -> None:
        ticks = [*range(10), *range(6_000, 6_010)]
        losses = FrameLossCounter()
        frames = list(source(write_video(tmp_path / "a.mkv", 20, ticks=ticks), losses).frames())
        assert seconds_of(frames) == [tick / 10 for tick in ticks]
        assert losses.of(CAMERA) == {}


def test_jpegs_of_an_mjpeg_video_are_not_changed(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.avi", 10, codec="mjpeg", pix_fmt="yuvj420p")
    with av.open(str(path)) as container:
        packets = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    assert [frame.sha256 for frame in source(path).frames()] == [digest_of(packet) for packet in packets]


def test_missing_huffman_tables_of_an_mjpeg_video_are_added(tmp_path: Path) -> None:
    with av.open(str(write_video(tmp_path / "whole.avi", 5, codec="mjpeg", pix_fmt="yuvj420p"))) as whole:
        stripped = [without_tables(bytes(packet)) for packet in whole.demux(video=0) if packet.size]
    with av.open(str(tmp_path / "a.avi"), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for number, data in enumerate(stripped):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.is_keyframe = stream, number, number, True
            container.mux(packet)
    losses = FrameLossCounter()
    frames = list(source(tmp_path / "a.avi", losses).frames())
    assert all(has_huffman_tables(frame.jpeg) for frame in frames) and not any(map(has_huffman_tables, stripped))
    assert [bar_of(frame.jpeg) for frame in frames] == pytest.approx([bar_at(n) for n in range(5)], abs=1.0)
    assert losses.of(CAMERA) == {}


def test_received_at_is_the_time_of_reading(tmp_path: Path) -> None:
    now = BEGIN + timedelta(days=30)
    reading = VideoFileSource(CAMERA, write_video(tmp_path / "a.mp4", 2), ManualClock(now), FrameLossCounter(), starts_at=BEGIN)
    assert [frame.received_at for frame in reading.frames()] == [now, now]
    assert [frame.clock_error_s for frame in reading.frames()] == [None, None]


def reordered(path: Path, count: int, fps: int = 10) -> Path:
    """H.264 with B-frames, whose container tells when packets are decoded instead of when pictures are shown."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps, options={"bf": "2", "b-adapt": "0", "g": "20"})
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.avi", "a.asf", "a.mkv", "a.mp4"])
def test_pictures_out_of_order_have_even_times_in_every_container(tmp_path: Path, name: str) -> None:
    losses = FrameLossCounter()
    frames = list(source(reordered(tmp_path / name, 30), losses).frames())
    assert [bar_of(frame.jpeg) for frame in frames] == pytest.approx([bar_at(number) for number in range(30)], abs=1.5)
    assert seconds_of(frames) == pytest.approx([number / 10 for number in range(30)], abs=0.0011)
    assert losses.of(CAMERA) == {}


def test_a_stream_without_times_needs_a_rate(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.h264", 12, options={})
    with pytest.raises(ConfigError, match=r"a\.h264: its pictures have no usable times; set `fps`"):
        list(source(path).frames())
    assert seconds_of(list(source(path, fps=4).frames())) == [number / 4 for number in range(12)]


def test_times_of_bursts_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    ticks = [second * 1000 + number for second in range(4) for number in range(5)]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=1000)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number, tick in enumerate(ticks):
            shown = av.VideoFrame.from_ndarray(picture(number), format="bgr24")
            shown.pts, shown.time_base = tick, Fraction(1, 1000)
            container.mux(stream.encode(shown))
        container.mux(stream.encode(None))
    with pytest.raises(ConfigError, match="no usable times"):
        list(source(path).frames())
    assert seconds_of(list(source(path, fps=5).frames())) == [number / 5 for number in range(20)]


def two_tracks(path: Path, first: tuple[int, int, int], second: tuple[int, int, int]) -> Path:
    """A film with two tracks, each with width, height and number of pictures."""
    with av.open(str(path), "w") as container:
        made = []
        for width, height, _ in (first, second):
            stream = container.add_stream("mpeg4", rate=10)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            made.append(stream)
        for stream, (width, height, count) in zip(made, (first, second), strict=True):
            for number in range(count):
                shown = av.VideoFrame.from_ndarray(cv2.resize(picture(number), (width, height)), format="bgr24")
                container.mux(stream.encode(shown))
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param((160, 120, 20), (320, 240, 20), id="a small one before it"),
        pytest.param((640, 480, 1), (320, 240, 20), id="a thumbnail before it"),
    ],
)
def test_the_film_is_read_and_not_its_thumbnails(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, first: tuple[int, int, int], second: tuple[int, int, int]
) -> None:
    losses = FrameLossCounter()
    frames = list(source(two_tracks(tmp_path / name, first, second), losses).frames())
    assert {(frame.width, frame.height, len(frames)) for frame in frames} == {(320, 240, 20)}
    assert "2 video tracks: track 1 (320x240" in caplog.text
    assert losses.of(CAMERA) == {}


def test_a_film_whose_sound_is_longer_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        stream, track = container.add_stream("mpeg4", rate=10), container.add_stream("pcm_s16le", rate=8000)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(number), format="bgr24")))
        container.mux(stream.encode(None))
        for number in range(50):
            sound = av.AudioFrame(format="s16", layout="mono", samples=800)
            sound.sample_rate, sound.pts = 8000, number * 800
            for plane in sound.planes:
                plane.update(bytes(plane.buffer_size))
            container.mux(track.encode(sound))
        container.mux(track.encode(None))
    assert len(list(source(path).frames())) == 10


def test_a_transport_stream_over_the_wrap_of_its_clock_is_whole(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", 20, options={"mpegts_copyts": "1", "output_ts_offset": "95443.0"})
    assert seconds_of(list(source(path).frames())) == [number / 10 for number in range(20)]


def test_a_film_without_a_decodable_picture_says_so(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", 20)
    data = bytearray(path.read_bytes())
    for begin, length in packets_of(path):
        data[begin + 8 : begin + length] = Random(3).randbytes(length - 8)
    path.write_bytes(data)
    losses = FrameLossCounter()
    frames, message = read_until_error(source(path, losses).frames())
    assert frames == [] and message == f"{path}: none of its 20 pictures could be decoded"
    assert losses.of(CAMERA) == {LossReason.UNDECODABLE: 20}


def test_a_name_with_a_colon_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "a.mp4", 3).rename("10:00:00.mp4")
    assert len(list(source(Path("10:00:00.mp4")).frames())) == 3


MATRICES = {
    2: ((-1, 0, 0, 1), (320, 240), (0, -1)),
    4: ((1, 0, 0, -1), (320, 240), (-1, 0)),
    5: ((0, 1, 1, 0), (240, 320), (0, 0)),
    7: ((0, -1, -1, 0), (240, 320), (-1, -1)),
}
"""By EXIF's number: a display matrix that mirrors, the size of the picture, and the corner for the upper left one (row, column)."""


@pytest.mark.parametrize("number", MATRICES)
@pytest.mark.parametrize(("codec", "pix_fmt"), [("libx264", "yuv420p"), ("mjpeg", "yuvj420p")])
def test_a_mirrored_video_is_shown_as_players_show_it(tmp_path: Path, number: int, codec: str, pix_fmt: str) -> None:
    (a, b, c, d), size, (row, column) = MATRICES[number]
    path = tmp_path / "a.mov"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, pix_fmt
        image = picture(20)
        image[:80, :80] = (20, 20, 230)  # red in the upper left corner
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24").reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4 + 40
    data[at : at + 36] = struct.pack(">9i", a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    frame = next(source(path).frames())
    seen = image_of(frame.jpeg)
    assert (frame.width, frame.height) == size == seen.shape[1::-1]
    blue, _, red = (int(value) for value in seen[20 * (2 * row + 1), 20 * (2 * column + 1)])
    assert red > 180 and blue < 80
