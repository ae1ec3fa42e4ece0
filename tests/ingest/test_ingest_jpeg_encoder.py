"""Encoding decoded pictures as JPEGs and clips: colours, sizes, and deterministic bytes."""

from io import BytesIO
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from footage.videos import bar_at, bar_of, image_of, jpeg, picture, write_video
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from etle.errors import FrameBroken
from etle.media.jpeg import has_huffman_tables, size_of
from etle.media.video import JpegEncoder, Video, encode_clip, jpeg_of

FULL, LIMITED = 2, 1
BT709, BT601 = 1, 5
NEAR = 9
"""FFmpeg rounds each conversion down. The wrong range is off by 16, the wrong matrix by 20 and more."""


def patches() -> NDArray[np.uint8]:
    """Grey steps and strong colours, in patches that are large against the colour resolution of 4:2:0."""
    colours = [(0, 0, 0), (64, 64, 64), (128, 128, 128), (255, 255, 255), (0, 0, 220), (0, 200, 0), (220, 0, 0), (0, 210, 230)]
    image = np.zeros((64, 32 * len(colours), 3), np.uint8)
    for number, colour in enumerate(colours):
        image[:, 32 * number : 32 * (number + 1)] = colour
    return image


def patch_colours(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.array([image[16:48, 32 * n + 10 : 32 * n + 22].reshape(-1, 3).mean(axis=0) for n in range(image.shape[1] // 32)])


def as_yuv(image: NDArray[np.uint8], pix_fmt: str, colour_range: int, matrix: int) -> av.VideoFrame:
    """The picture as a camera would send it: with these numbers for these colours, and a note that says so."""
    reformatter = av.video.reformatter.VideoReformatter()
    source = av.VideoFrame.from_ndarray(image, format="bgr24")
    frame = reformatter.reformat(source, format=pix_fmt, dst_colorspace=matrix, src_color_range=FULL, dst_color_range=colour_range)
    frame.color_range, frame.colorspace = colour_range, matrix
    return frame


@pytest.mark.parametrize(
    ("pix_fmt", "colour_range", "matrix"),
    [
        pytest.param("yuv420p", LIMITED, BT601, id="SD video"),
        pytest.param("yuv420p", LIMITED, BT709, id="HD video"),
        pytest.param("yuv420p", FULL, BT709, id="HD video of full range"),
        pytest.param("yuvj420p", FULL, BT601, id="JPEG"),
        pytest.param("yuv444p", LIMITED, BT709, id="full colour resolution"),
        pytest.param("nv12", LIMITED, BT709, id="hardware decoder"),
        pytest.param("yuv420p10le", LIMITED, BT709, id="ten bits"),
    ],
)
def test_encoding_preserves_colours(pix_fmt: str, colour_range: int, matrix: int) -> None:
    decoded = image_of(JpegEncoder().encode(as_yuv(patches(), pix_fmt, colour_range, matrix)))
    assert np.abs(patch_colours(decoded) - patch_colours(patches())).max() < NEAR


@pytest.mark.parametrize("pix_fmt", ["bgr24", "rgb24", "gray", "rgba"])
def test_encoding_preserves_colours_of_other_pixel_formats(pix_fmt: str) -> None:
    frame = av.VideoFrame.from_ndarray(patches(), format="bgr24").reformat(format=pix_fmt)
    decoded = image_of(JpegEncoder().encode(frame))
    expected = patches() if pix_fmt != "gray" else cv2.cvtColor(cv2.cvtColor(patches(), cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    assert np.abs(patch_colours(decoded) - patch_colours(np.asarray(expected, np.uint8))).max() < NEAR


@pytest.mark.parametrize("size", [(320, 240), (321, 241), (16, 16), (1920, 1080)])
def test_a_jpeg_of_any_size_can_be_decoded(size: tuple[int, int]) -> None:
    data = JpegEncoder().encode(av.VideoFrame.from_ndarray(picture(3, *size), format="bgr24"))
    assert size_of(data) == size
    assert has_huffman_tables(data)
    assert image_of(data).shape == (size[1], size[0], 3)
    assert data[6:10] == b"JFIF"


def test_the_bytes_depend_only_on_the_picture() -> None:
    frames = [av.VideoFrame.from_ndarray(picture(number), format="bgr24") for number in range(5)]
    together, alone = JpegEncoder(), [JpegEncoder().encode(frame) for frame in frames]
    assert [together.encode(frame) for frame in frames] == alone
    assert [together.encode(frame) for frame in reversed(frames)] == alone[::-1]


def test_an_encoder_accepts_pictures_of_changing_size() -> None:
    encoder = JpegEncoder()
    sizes = [(320, 240), (640, 480), (320, 240)]
    data = [encoder.encode(av.VideoFrame.from_ndarray(picture(1, *size), format="bgr24")) for size in sizes]
    assert [size_of(one) for one in data] == sizes
    assert data[0] == data[2]


def test_a_png_is_encoded_with_the_same_colours() -> None:
    decoded = image_of(jpeg_of(bytes(cv2.imencode(".png", patches())[1])))
    assert np.abs(patch_colours(decoded) - patch_colours(patches())).max() < NEAR


PNG = bytes(cv2.imencode(".png", picture(1, 64, 48))[1])


@given(st.binary(max_size=300), st.integers(0, len(PNG)), st.integers(0, len(PNG)))
def test_any_bytes_give_a_jpeg_or_frame_broken(junk: bytes, keep: int, at: int) -> None:
    for data in (junk, PNG[:keep], PNG[:at] + junk + PNG[at:]):
        try:
            assert size_of(jpeg_of(data)).width > 0
        except FrameBroken as error:
            assert str(error)


class TestEncodeClip:
    def test_has_all_pictures_at_the_given_rate_and_deterministic_bytes(self) -> None:
        images = [picture(number) for number in range(20)]
        data = encode_clip(images, 10, 160, 120)
        assert data == encode_clip(images, 10, 160, 120)
        with av.open(BytesIO(data)) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt, float(stream.average_rate)) == ("h264", "yuv420p", 10)
            assert [frame.to_ndarray(format="bgr24").shape for frame in container.decode(stream)] == [(120, 160, 3)] * 20

    def test_starts_with_its_index_so_that_a_browser_can_play_it_while_loading(self) -> None:
        data = encode_clip([picture(0)] * 3, 5, 160, 120)
        assert data.index(b"moov") < data.index(b"mdat")

    def test_an_odd_size_is_rounded_down(self, tmp_path: Path) -> None:
        (tmp_path / "a.mp4").write_bytes(encode_clip([picture(0)], 5, 161, 121))
        with Video(str(tmp_path / "a.mp4")) as video:
            assert (video.info.width, video.info.height) == (160, 120)

    def test_no_pictures_raise_an_error(self) -> None:
        with pytest.raises(ValueError, match="at least one picture"):
            encode_clip([], 5, 160, 120)


def test_info_of_a_video(tmp_path: Path) -> None:
    with Video(str(write_video(tmp_path / "a.mp4", 25, fps=25, created_at="2026-05-04T03:02:01Z"))) as video:
        facts = video.info
    assert (facts.width, facts.height, facts.fps, facts.pictures, facts.codec) == (320, 240, 25.0, 25, "h264")
    assert facts.duration_s == pytest.approx(1.0)
    assert facts.created_at is not None and facts.created_at.isoformat() == "2026-05-04T03:02:01+00:00"


def test_a_picture_is_encoded_on_demand(tmp_path: Path) -> None:
    with Video(str(write_video(tmp_path / "a.mp4", 5))) as video:
        pictures = list(video.pictures())
    assert [one.seconds for one in pictures] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert bar_of(pictures[3].jpeg()) == pytest.approx(bar_at(3), abs=1)
    assert (pictures[3].width, pictures[3].height) == size_of(pictures[3].jpeg()) == size_of(jpeg(3))
