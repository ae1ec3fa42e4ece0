"""The contract of FrameSource, for every kind of source, read directly and through a LiveBuffer."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import cv2
import pytest
from footage.http_cameras import http_camera, paced, plain
from footage.rtsp import rtsp_server
from footage.videos import image_of, jpeg, picture, write_video

from etle.clock import SystemClock
from etle.config.sources import (
    FileSourceSettings,
    FolderSourceSettings,
    MjpegSourceSettings,
    RtspSourceSettings,
    SnapshotSourceSettings,
    SourceSection,
    SourceSettings,
)
from etle.protocols import FrameSource
from etle.testing import ListSource
from etle.types import CameraId, Frame, digest_of
from ingest.frame_loss import FrameLossCounter
from ingest.sources.live_buffer import LiveBuffer
from ingest.sources.open import open_source

Subject: TypeAlias = SourceSettings | FrameSource
COUNT = 8
BEGIN = "2026-11-23T10:00:00+07:00"


@contextmanager
def a_video_file(folder: Path) -> Iterator[SourceSettings]:
    yield FileSourceSettings(file=write_video(folder / "video.mp4", COUNT), starts_at=BEGIN)


@contextmanager
def a_folder_of_jpegs(folder: Path) -> Iterator[SourceSettings]:
    for number in range(COUNT):
        (folder / f"{number}.jpg").write_bytes(jpeg(number))
    yield FolderSourceSettings(folder=folder, starts_at=BEGIN, fps=5)


@contextmanager
def a_folder_of_pngs(folder: Path) -> Iterator[SourceSettings]:
    for number in range(COUNT):
        cv2.imwrite(str(folder / f"20261123_10000{number}.png"), picture(number))
    yield FolderSourceSettings(folder=folder)


@contextmanager
def an_mjpeg_camera(folder: Path) -> Iterator[SourceSettings]:
    with http_camera(paced(jpeg, 1000, 0.005)) as url:
        yield MjpegSourceSettings(mjpeg=url)


@contextmanager
def a_snapshot_camera(folder: Path) -> Iterator[SourceSettings]:
    with http_camera(*(plain(jpeg(number)) for number in range(200))) as url:
        yield SnapshotSourceSettings(snapshot=url, interval_s=0.01)


@contextmanager
def a_video_over_http(folder: Path) -> Iterator[SourceSettings]:
    body = write_video(folder / "video.ts", 60, options={"format": "mpegts"}).read_bytes()
    with http_camera(plain(body, "video/mp2t")) as url:
        yield RtspSourceSettings(rtsp=url)


@contextmanager
def an_rtsp_camera(folder: Path) -> Iterator[SourceSettings]:
    with rtsp_server() as camera:
        camera.start(write_video(folder / "video.mp4", 100, fps=25))
        yield RtspSourceSettings(rtsp=camera.url)


@contextmanager
def a_list(folder: Path) -> Iterator[FrameSource]:
    """The fake, with the frames of a video file."""
    source = open_source(
        CameraId("cam-1"),
        FileSourceSettings(file=write_video(folder / "video.mp4", COUNT), starts_at=BEGIN),
        SystemClock(),
        FrameLossCounter(),
    )
    yield ListSource(list(source.frames()))


SOURCES = (a_list, a_video_file, a_folder_of_jpegs, a_folder_of_pngs, an_mjpeg_camera, a_snapshot_camera, a_video_over_http)
RTSP = pytest.param(an_rtsp_camera, marks=pytest.mark.server, id="an rtsp camera")


@pytest.fixture(scope="module", params=[*SOURCES, RTSP], ids=lambda factory: factory.__name__.replace("_", " "))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    with request.param(tmp_path_factory.mktemp("source")) as source:
        yield source


@pytest.fixture(scope="module", params=[False, True], ids=["read directly", "read through a buffer"])
def open_it(request: pytest.FixtureRequest, subject: Subject) -> Callable[[], FrameSource]:
    def open_one() -> FrameSource:
        losses = FrameLossCounter()
        source = open_source(CameraId("cam-1"), subject, SystemClock(), losses) if isinstance(subject, SourceSection) else subject
        return LiveBuffer(source, COUNT * 100, losses) if request.param else source

    return open_one


def read(source: FrameSource, count: int, after: int | None = None) -> list[Frame]:
    with ExitStack() as stack:
        frames = source.frames(after)
        if hasattr(frames, "close"):
            stack.enter_context(closing(frames))
        return list(islice(frames, count))


@pytest.fixture(scope="module")
def frames(open_it: Callable[[], FrameSource]) -> list[Frame]:
    frames = read(open_it(), COUNT)
    assert len(frames) == COUNT
    return frames


def test_sha256_is_the_digest_of_the_bytes(frames: list[Frame]) -> None:
    assert [frame.sha256 for frame in frames] == [digest_of(frame.jpeg) for frame in frames]


def test_numbers_rise(frames: list[Frame]) -> None:
    numbers = [frame.sequence for frame in frames]
    assert numbers == sorted(set(numbers))


def test_capture_times_rise_and_are_utc(frames: list[Frame]) -> None:
    times = [frame.captured_at for frame in frames]
    assert times == sorted(set(times))
    assert {frame.captured_at.utcoffset() for frame in frames} | {frame.received_at.utcoffset() for frame in frames} == {timedelta()}


def test_received_at_is_the_time_of_reading(frames: list[Frame]) -> None:
    assert all(abs((datetime.now(UTC) - frame.received_at).total_seconds()) < 300 for frame in frames)


def test_every_frame_is_a_complete_jpeg_of_its_size(frames: list[Frame]) -> None:
    for frame in frames:
        assert image_of(frame.jpeg).shape == (frame.height, frame.width, 3) == (240, 320, 3)
        assert frame.jpeg.startswith(b"\xff\xd8") and frame.jpeg.endswith(b"\xff\xd9")


def test_live_is_true_for_cameras_only(subject: Subject, open_it: Callable[[], FrameSource]) -> None:
    assert open_it().live is subject.live


def test_reading_starts_after_the_given_number(subject: Subject, open_it: Callable[[], FrameSource], frames: list[Frame]) -> None:
    after = frames[2].sequence
    rest = read(open_it(), 3, after)
    assert len(rest) == 3 and rest[0].sequence > after
    if not subject.live:
        again = [(frame.sequence, frame.captured_at, frame.sha256) for frame in rest]
        assert again == [(frame.sequence, frame.captured_at, frame.sha256) for frame in frames[3:6]]


def test_can_be_read_again(subject: Subject, open_it: Callable[[], FrameSource], frames: list[Frame]) -> None:
    again = read(open_it(), COUNT)
    assert len(again) == COUNT
    if not subject.live:
        assert [(frame.sequence, frame.captured_at, frame.sha256) for frame in again] == [
            (frame.sequence, frame.captured_at, frame.sha256) for frame in frames
        ]
