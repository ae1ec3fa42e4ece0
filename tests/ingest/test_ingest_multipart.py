"""MultipartParser with every variant that cameras send, split at any position."""

from typing import Any

import pytest
from footage.videos import jpeg
from hypothesis import given
from hypothesis import strategies as st

from etle.errors import SourceBroken
from ingest.sources.multipart import MultipartParser, boundary_of

JPEG = jpeg(2, 64, 48)


def stream(bodies: list[bytes], *, name: str = "frame", dashes: str = "--", newline: str = "\r\n", length: bool = True) -> bytes:
    def part(body: bytes) -> bytes:
        length_line = f"Content-Length: {len(body)}{newline}" if length else ""
        return f"{dashes}{name}{newline}Content-Type: image/jpeg{newline}{length_line}{newline}".encode() + body + newline.encode()

    return b"".join(part(body) for body in bodies) + f"{dashes}{name}--{newline}".encode()


def parse(data: bytes, boundary: str = "frame", steps: tuple[int, ...] = ()) -> list[bytes]:
    """The bodies, with the data fed in pieces of these lengths, the rest at once."""
    parser, bodies = MultipartParser(boundary.encode()), []
    for step in steps:
        bodies += [part.body for part in parser.feed(data[:step])]
        data = data[step:]
    return bodies + [part.body for part in parser.feed(data)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param("multipart/x-mixed-replace; boundary=frame", b"frame", id="as standardised"),
        pytest.param('multipart/x-mixed-replace;boundary="--my frame--"', b"my", id="quoted up to its first space"),
        pytest.param("Multipart/X-Mixed-Replace; Boundary=--frame", b"frame", id="with the dashes in it"),
        pytest.param("multipart/x-mixed-replace; boundary =frame", b"frame", id="with a space before the sign"),
        pytest.param('multipart/x-mixed-replace;charset=x; boundary= "frame"', b"frame", id="with a space behind the sign"),
        pytest.param("multipart/x-mixed-replace", b"", id="not announced"),
    ],
)
def test_boundary(kind: str, expected: bytes) -> None:
    assert boundary_of(kind) == expected


@pytest.mark.parametrize("kind", ["image/jpeg", "text/html; charset=utf-8", ""])
def test_another_content_type_is_rejected(kind: str) -> None:
    with pytest.raises(SourceBroken, match="not an MJPEG stream"):
        boundary_of(kind)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(stream([JPEG] * 3), id="as standardised"),
        pytest.param(stream([JPEG] * 3, newline="\n"), id="bare line feeds"),
        pytest.param(stream([JPEG] * 3, length=False), id="no length"),
        pytest.param(stream([JPEG] * 3, length=False, newline="\n"), id="no length, bare line feeds"),
        pytest.param(stream([JPEG] * 3, dashes="----", length=False), id="too many dashes"),
        pytest.param(stream([JPEG] * 3, dashes=""), id="no dashes"),
        pytest.param(stream([JPEG] * 3, dashes="", length=False), id="neither dashes nor length"),
        pytest.param(b"hello\r\n" + stream([JPEG] * 3), id="text before the first part"),
        pytest.param(stream([JPEG]) + b"\x00\x01garbage--\r\n" + stream([JPEG, JPEG]), id="garbage between parts"),
        pytest.param(stream([JPEG] * 3).replace(b"\r\n--frame\r\n", b"--frame\r\n"), id="no new line after a picture"),
    ],
)
def test_every_variant_gives_the_pictures_unchanged(data: bytes) -> None:
    assert parse(data) == [JPEG] * 3


def wrong_length(difference: int, **given: Any) -> bytes:
    told, right = f"Content-Length: {len(JPEG) + difference}\r\n".encode(), f"Content-Length: {len(JPEG)}\r\n".encode()
    return stream([JPEG] * 3, **given).replace(right, told)


@pytest.mark.parametrize("steps", [(), (700,) * 9, (1,) * 3000], ids=["at once", "in pieces", "byte by byte"])
@pytest.mark.parametrize(
    "data",
    [
        *(pytest.param(wrong_length(difference), id=f"a length that is {difference:+} bytes off") for difference in (64, 2, -2, -500)),
        pytest.param(wrong_length(len(JPEG) + 90), id="a length of two pictures"),
        pytest.param(stream([JPEG] * 3).replace(b"\r\n\r\n\xff\xd8", b"\r\n\xff\xd8"), id="no blank line before a picture"),
        pytest.param(stream([JPEG] * 3).replace(b"\r\n\r\n\xff\xd8", b"\r\n\r\n\r\n\xff\xd8"), id="a blank line too many"),
        pytest.param(
            stream([JPEG] * 3, length=False).replace(b"\r\n\r\n\xff\xd8", b"\r\n\r\n\r\n\xff\xd8"),
            id="a blank line too many, no length",
        ),
    ],
)
def test_every_mistake_of_a_camera_gives_the_pictures_unchanged(data: bytes, steps: tuple[int, ...]) -> None:
    assert parse(data, steps=steps) == [JPEG] * 3


def test_a_boundary_that_was_not_announced_is_taken_from_the_stream() -> None:
    assert parse(stream([JPEG] * 3, name="cam boundary"), "") == [JPEG] * 3
    assert parse(stream([JPEG] * 3, length=False), "") == [JPEG] * 3


def test_a_boundary_that_is_not_the_announced_one_is_taken_from_the_stream() -> None:
    assert parse(stream([JPEG] * 3), "other", steps=(9,) * 50) == [JPEG] * 3


def test_a_trailer_of_the_camera_is_kept() -> None:
    bodies = [JPEG + b"dhav\x59\x19\x01\x00"] * 3
    assert parse(stream(bodies)) == bodies


def test_a_damaged_picture_of_the_right_length_is_given_at_once() -> None:
    bodies = [JPEG[:-30], JPEG]
    assert parse(stream(bodies)) == bodies


def test_a_short_boundary_inside_a_picture_does_not_split_it() -> None:
    body = JPEG[:-2] + b"--b--b\x00\nb" + JPEG[-2:]
    without_end = body.replace(b"--b--", b"--b\x01-")
    assert parse(stream([without_end, JPEG], name="b", length=False), "b") == [without_end, JPEG]


picture_bytes = st.binary(max_size=400).map(lambda middle: b"\xff\xd8" + middle + b"\xff\xd9").filter(lambda body: b"frame" not in body)


@given(
    st.lists(picture_bytes, min_size=1, max_size=5),
    st.sampled_from(("", "--", "----")),
    st.sampled_from(("\r\n", "\n")),
    st.booleans(),
    st.lists(st.integers(1, 300), max_size=20),
)
def test_the_parts_do_not_depend_on_where_the_stream_is_split(
    bodies: list[bytes], dashes: str, newline: str, length: bool, steps: list[int]
) -> None:
    assert parse(stream(bodies, dashes=dashes, newline=newline, length=length), steps=tuple(steps)) == bodies


@given(st.binary(max_size=2000), st.lists(st.integers(1, 300), max_size=10))
def test_a_short_piece_of_garbage_raises_no_error(data: bytes, steps: list[int]) -> None:
    parse(data, steps=tuple(steps))


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8", id="a part that does not end"),
        pytest.param(b"--frame\r\nContent-Type: image/jpeg\r\n", id="headers that do not end"),
        pytest.param(b"\r\n", id="no boundary"),
    ],
)
def test_a_stream_without_a_complete_picture_raises_an_error_and_uses_bounded_memory(begin: bytes) -> None:
    parser, chunk = MultipartParser(b"frame"), bytes(1 << 18)
    assert list(parser.feed(begin)) == []
    with pytest.raises(SourceBroken, match=r"without a complete picture between two boundaries \('frame'\)"):
        for _ in range(160):
            assert list(parser.feed(chunk)) == []
