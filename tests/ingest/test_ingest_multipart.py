"""Cutting pictures out of a stream, however a camera writes it and the network cuts it."""

import pytest
from footage.videos import jpeg
from hypothesis import given
from hypothesis import strategies as st

from etle.errors import SourceBroken
from ingest.sources.multipart import MultipartParser, boundary_of

JPEG = jpeg(2, 64, 48)


def stream(bodies: list[bytes], *, name: str = "frame", dashes: str = "--", newline: str = "\r\n", length: bool = True) -> bytes:
    def part(body: bytes) -> bytes:
        told = f"Content-Length: {len(body)}{newline}" if length else ""
        return f"{dashes}{name}{newline}Content-Type: image/jpeg{newline}{told}{newline}".encode() + body + newline.encode()

    return b"".join(part(body) for body in bodies) + f"{dashes}{name}--{newline}".encode()


def cut(data: bytes, boundary: str = "frame", steps: tuple[int, ...] = ()) -> list[bytes]:
    """The bodies, with the data fed in pieces of these lengths, the rest at once."""
    cutter, bodies = MultipartParser(boundary.encode()), []
    for step in steps:
        bodies += [part.body for part in cutter.feed(data[:step])]
        data = data[step:]
    return bodies + [part.body for part in cutter.feed(data)]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        pytest.param("multipart/x-mixed-replace; boundary=frame", b"frame", id="as it should be"),
        pytest.param('multipart/x-mixed-replace;boundary="--my frame--"', b"my", id="quoted up to its first space"),
        pytest.param("Multipart/X-Mixed-Replace; Boundary=--frame", b"frame", id="with the dashes in it"),
    ],
)
def test_boundary(kind: str, expected: bytes) -> None:
    assert boundary_of(kind) == expected


@pytest.mark.parametrize("kind", ["image/jpeg", "text/html; charset=utf-8", "multipart/x-mixed-replace", ""])
def test_an_answer_that_is_no_stream_is_said_so(kind: str) -> None:
    with pytest.raises(SourceBroken, match="no MJPEG stream"):
        boundary_of(kind)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(stream([JPEG] * 3), id="by the book"),
        pytest.param(stream([JPEG] * 3, newline="\n"), id="bare line feeds"),
        pytest.param(stream([JPEG] * 3, length=False), id="no length"),
        pytest.param(stream([JPEG] * 3, length=False, newline="\n"), id="no length, bare line feeds"),
        pytest.param(stream([JPEG] * 3, dashes="----", length=False), id="dashes too many"),
        pytest.param(stream([JPEG] * 3, dashes=""), id="no dashes"),
        pytest.param(stream([JPEG] * 3, dashes="", length=False), id="neither dashes nor length"),
        pytest.param(b"hello\r\n" + stream([JPEG] * 3), id="a greeting first"),
        pytest.param(stream([JPEG]) + b"\x00\x01garbage--\r\n" + stream([JPEG, JPEG]), id="garbage in the middle"),
        pytest.param(stream([JPEG] * 3).replace(b"\r\n--frame\r\n", b"--frame\r\n"), id="no new line after a picture"),
    ],
)
def test_every_style_gives_the_pictures_as_they_were_sent(data: bytes) -> None:
    assert cut(data) == [JPEG] * 3


def test_a_short_boundary_inside_a_picture_does_not_cut_it() -> None:
    body = JPEG[:-2] + b"--b--b\x00\nb" + JPEG[-2:]
    without_end = body.replace(b"--b--", b"--b\x01-")
    assert cut(stream([without_end, JPEG], name="b", length=False), "b") == [without_end, JPEG]


picture_bytes = st.binary(max_size=400).map(lambda middle: b"\xff\xd8" + middle + b"\xff\xd9").filter(lambda body: b"frame" not in body)


@given(
    st.lists(picture_bytes, min_size=1, max_size=5),
    st.sampled_from(("", "--", "----")),
    st.sampled_from(("\r\n", "\n")),
    st.booleans(),
    st.lists(st.integers(1, 300), max_size=20),
)
def test_what_is_sent_arrives_however_the_network_cuts_it(
    bodies: list[bytes], dashes: str, newline: str, length: bool, steps: list[int]
) -> None:
    assert cut(stream(bodies, dashes=dashes, newline=newline, length=length), steps=tuple(steps)) == bodies


@given(st.binary(max_size=2000), st.lists(st.integers(1, 300), max_size=10))
def test_garbage_gives_no_error_before_it_is_long(data: bytes, steps: list[int]) -> None:
    cut(data, steps=tuple(steps))


@pytest.mark.parametrize(
    "begin",
    [
        pytest.param(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8", id="a part that does not end"),
        pytest.param(b"--frame\r\nContent-Type: image/jpeg\r\n", id="headers that do not end"),
        pytest.param(b"--other\r\nContent-Length: 10\r\n\r\n0123456789\r\n", id="parts under another name than the announced one"),
    ],
)
def test_a_stream_that_never_gives_a_whole_picture_is_broken_and_fills_no_memory(begin: bytes) -> None:
    cutter, chunk = MultipartParser(b"frame"), bytes(1 << 18)
    assert list(cutter.feed(begin)) == []
    with pytest.raises(SourceBroken, match=r"without a whole picture between two of its boundaries \('frame'\)"):
        for _ in range(160):
            assert list(cutter.feed(chunk)) == []
