"""Size and integrity of a JPEG, and the capture time in its EXIF data."""

import struct
from datetime import UTC, datetime, timedelta, timezone

import cv2
import pytest
from footage.videos import jpeg, picture, without_tables
from hypothesis import example, given
from hypothesis import strategies as st

from etle.errors import FrameBroken
from etle.media.exif import taken_at
from etle.media.jpeg import has_huffman_tables, size_of
from etle.types import CameraId
from ingest.sources.frames import frame_of

WIB = timezone(timedelta(hours=7))
GOOD = jpeg(3, 64, 48)
AT = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
EXIF_FOLDER, ORIGINAL, OFFSET, SUBSECONDS = 0x8769, 0x9003, 0x9011, 0x9291


def exif(tags: dict[int, str], order: str = "<") -> bytes:
    """An EXIF segment with these texts in its Exif folder, as TIFF writes them."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    folder_at = 8 + 2 + 12 + 4
    first = struct.pack(order + "HHHII", 1, EXIF_FOLDER, 4, 1, folder_at) + struct.pack(order + "I", 0)
    texts_at, entries, texts = folder_at + 2 + 12 * len(tags) + 4, b"", b""
    for tag, text in tags.items():
        value = text.encode() + b"\0"
        place = value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(order + "I", texts_at + len(texts))
        entries += struct.pack(order + "HHI", tag, 2, len(value)) + place
        texts += value if len(value) > 4 else b""
    body = b"Exif\0\0" + head + first + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", 0) + texts
    return b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body


def with_exif(tags: dict[int, str], order: str = "<") -> bytes:
    return GOOD[:2] + exif(tags, order) + GOOD[2:]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "empty: 0 bytes", id="empty"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + bytes(50), "not a JPEG", id="a PNG"),
        pytest.param(b"<html>401</html>", "not a JPEG", id="a web page"),
        pytest.param(GOOD[:100], "truncated after 100 bytes, before the image data", id="only its tables"),
        pytest.param(GOOD[:-300], f"truncated after {len(GOOD) - 300} bytes", id="its end is missing"),
        pytest.param(GOOD[:-1], "is truncated", id="its last byte is missing"),
        pytest.param(b"\xff\xd8\xff\xd9", "is truncated", id="begin and end only"),
        pytest.param(b"\xff\xd8\xff\xda\x00\x04\x00\x00\xff\xd9", "without a size", id="a picture without a size"),
        pytest.param(b"\xff\xd8\xff\xc0\x00\x0b\x08\x00\x00\x00\x00" + bytes(10), "a JPEG of size 0x0", id="no size at all"),
        pytest.param(b"\xff\xd8\xff\xc0\x00\x04\x08\x00" + bytes(10), "size is truncated", id="a size that is cut off"),
    ],
)
def test_an_incomplete_jpeg_is_rejected_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(FrameBroken, match=message):
        size_of(data)


@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="baseline"),
        pytest.param([cv2.IMWRITE_JPEG_PROGRESSIVE, 1], id="progressive"),
        pytest.param([cv2.IMWRITE_JPEG_RST_INTERVAL, 4], id="with restart markers"),
        pytest.param([cv2.IMWRITE_JPEG_OPTIMIZE, 1], id="with optimised tables"),
    ],
)
def test_the_size_is_read_from_the_header(options: list[int]) -> None:
    data = bytes(cv2.imencode(".jpg", picture(1, 322, 246), options)[1])
    assert size_of(data) == (322, 246)
    assert has_huffman_tables(data)


def test_missing_huffman_tables_are_detected() -> None:
    without = without_tables(GOOD)
    assert size_of(without) == (64, 48)
    assert not has_huffman_tables(without)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A JPEG with an EXIF, with some bytes changed, taken out or put in, and cut."""
    data = bytearray(with_exif({ORIGINAL: "2026:11:23 10:00:00", OFFSET: "+07:00"}, draw(st.sampled_from("<>"))))
    for _ in range(draw(st.integers(0, 8))):
        at = draw(st.integers(0, min(len(data), 700) - 1))
        match draw(st.sampled_from(("change", "take", "put"))):
            case "change":
                data[at] = draw(st.one_of(st.integers(0, 255), st.sampled_from((0, 0xC0, 0xD8, 0xD9, 0xDA, 0xE1, 0xFF))))
            case "take":
                del data[at : at + draw(st.integers(1, 20))]
            case "put":
                data[at:at] = draw(st.binary(max_size=20))
        if len(data) < 2:
            break
    return bytes(data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data)


@given(st.one_of(damaged(), st.binary(max_size=200), st.binary(max_size=200).map(lambda rest: b"\xff\xd8" + rest)))
@example(b"\xff\xd8" + b"\xff" * 50)
@example(GOOD[:2] + b"\xff\xe1\x00\x02" + GOOD[2:])
def test_any_bytes_give_a_frame_or_frame_broken(data: bytes) -> None:
    taken_at(data, WIB)
    try:
        frame = frame_of(CameraId("cam-1"), 1, data, captured_at=AT, received_at=AT)
    except FrameBroken as error:
        assert str(error)
    else:
        assert frame.jpeg == data and frame.width > 0 and frame.height > 0


@given(st.dictionaries(st.sampled_from((ORIGINAL, OFFSET, SUBSECONDS)), st.text(st.characters(max_codepoint=127), max_size=30)))
@example({ORIGINAL: "2026:11:23 10:00:00", OFFSET: "+99:99"})
@example({ORIGINAL: "0001:01:01 00:00:00", OFFSET: "+14:00"})
@example({ORIGINAL: "9999:12:31 23:59:59", OFFSET: "-14:00", SUBSECONDS: "999999"})
def test_any_exif_gives_a_utc_time_or_none(tags: dict[int, str]) -> None:
    moment = taken_at(with_exif(tags), WIB)
    assert moment is None or moment.utcoffset() == timedelta()


@pytest.mark.parametrize("order", [pytest.param("<", id="Intel"), pytest.param(">", id="Motorola")])
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        pytest.param({ORIGINAL: "2026:11:23 10:00:00"}, datetime(2026, 11, 23, 3, 0, tzinfo=UTC), id="without an offset: the site's zone"),
        pytest.param({ORIGINAL: "2026:11:23 10:00:00", OFFSET: "+09:00"}, datetime(2026, 11, 23, 1, 0, tzinfo=UTC), id="with an offset"),
        pytest.param(
            {ORIGINAL: "2026:11:23 10:00:00", SUBSECONDS: "25"}, datetime(2026, 11, 23, 3, 0, 0, 250_000, tzinfo=UTC), id="hundredths"
        ),
        pytest.param(
            {ORIGINAL: "2026:11:23 10:00:00", SUBSECONDS: "123456"}, datetime(2026, 11, 23, 3, 0, 0, 123_456, tzinfo=UTC), id="microseconds"
        ),
        pytest.param({ORIGINAL: "0000:00:00 00:00:00"}, None, id="a clock that was never set"),
        pytest.param({ORIGINAL: "2026:11:23 10:00:00", OFFSET: "Z"}, datetime(2026, 11, 23, 10, 0, tzinfo=UTC), id="Z"),
        pytest.param({ORIGINAL: "2026:11:23 10:00:00", OFFSET: "+0900"}, datetime(2026, 11, 23, 1, 0, tzinfo=UTC), id="no colon"),
        pytest.param({ORIGINAL: "2026:11:23 10:00:00", OFFSET: "-3:30"}, datetime(2026, 11, 23, 13, 30, tzinfo=UTC), id="one digit"),
        pytest.param({OFFSET: "+07:00"}, None, id="no time"),
        pytest.param({ORIGINAL: "2026:11:23 10:00:00", OFFSET: "+99:99"}, None, id="an invalid offset"),
    ],
)
def test_exif_capture_time(tags: dict[int, str], expected: datetime | None, order: str) -> None:
    assert taken_at(with_exif(tags, order), WIB) == expected
