"""A hostile JPEG takes no more time to refuse than a picture takes to accept."""

import time

import pytest

from etle.errors import FrameBroken
from etle.media import jpeg

MEGABYTE = 1_000_000


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"\xff\xd8" + b"\xff" * 8 * MEGABYTE, id="fill bytes"),
        pytest.param(b"\xff\xd8" + b"\xff\xe0\x00\x02" * 2 * MEGABYTE, id="empty segments"),
        pytest.param(b"\xff\xd8" + b"\xff\x01" * 4 * MEGABYTE, id="markers without a length"),
        pytest.param(b"\xff\xd8" + b"\xff\xff\x01" * 2 * MEGABYTE, id="fill bytes before each marker"),
        pytest.param(b"\xff\xd8" + b"\xff\xe0\x00\x04ab" + b"x" + b"\xff\x00" * 4 * MEGABYTE, id="image data without a header"),
    ],
)
def test_a_hostile_jpeg_is_refused_at_once(data: bytes) -> None:
    started = time.process_time()
    with pytest.raises(FrameBroken):
        jpeg.size_of(data)
    assert time.process_time() - started < 0.1


def test_fill_bytes_between_segments_are_skipped() -> None:
    frame_header = b"\xff\xc0\x00\x0b\x08\x00\x02\x00\x03\x01\x01\x11\x00"
    data = b"\xff\xd8" + b"\xff" * 7 + frame_header + b"\xff" * 1000 + b"\xff\xda\x00\x02scan\xff\xd9"
    assert jpeg.size_of(data) == (3, 2)
