"""Byte ranges of evidence files."""

import pytest

from review.files import RangeNotSatisfiable, byte_range


@pytest.mark.parametrize(
    "header, expected",
    [
        pytest.param(None, None, id="no range: the whole file"),
        pytest.param("bytes=0-", (0, 100), id="from the start, as a browser requests a clip"),
        pytest.param("bytes=10-19", (10, 20), id="both ends are included"),
        pytest.param("bytes=90-200", (90, 100), id="an end after the file is limited to it"),
        pytest.param("bytes=-10", (90, 100), id="the last ten bytes"),
        pytest.param("bytes=-500", (0, 100), id="more of the last bytes than there are"),
        pytest.param("bytes=20-10", None, id="an end before the start: the whole file"),
        pytest.param("bytes=-", None, id="neither start nor end: the whole file"),
        pytest.param("bytes=0-1,5-6", None, id="several ranges: the whole file"),
        pytest.param("lines=1-2", None, id="another unit: the whole file"),
        pytest.param("bytes=١-٢", None, id="digits of another script: the whole file"),
    ],
)
def test_range(header: str | None, expected: tuple[int, int] | None) -> None:
    assert byte_range(header, 100) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_the_file_is_refused(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        byte_range(header, 100)
