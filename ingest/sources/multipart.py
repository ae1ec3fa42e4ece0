"""Parses a `multipart/x-mixed-replace` stream. Without I/O: bytes in, parts out.

Cameras deviate from the standard: too many or no dashes, bare line feeds, no Content-Length or a wrong one, a blank line too many or too
few, no announced boundary or another. A boundary is therefore the announced name (or the first that is used) with dashes or a line feed
before it and an end of line (or the closing dashes) after it. Content-Length is used where the picture ends there, else the next boundary.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etle.errors import FrameBroken, SourceBroken
from etle.media import jpeg

_MAX_PART_BYTES = 32 * 1024 * 1024
"""No camera's JPEG is that large."""
_MAX_BOUNDARY_BYTES = 256
_MAX_HEADER_BYTES = 64 * 1024
_HEADER_END = re.compile(rb"\r?\n(?:\r?\n|(?=\xff\xd8))")
_BLANK_LINES = re.compile(rb"(?:\r?\n)+(?=\xff\xd8)")
_ANY_BOUNDARY = re.compile(rb"\n--([^\r\n]{1,70}?)[ \t]*\r?\n[A-Za-z][A-Za-z-]*[ \t]*:")
"""A boundary before a header, in a stream that announced none."""


@dataclass(frozen=True, slots=True)
class MultipartPart:
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def boundary_of(content_type: str) -> bytes:
    """The boundary without its dashes; empty if none is announced. Raises SourceBroken if the content type is not a multipart stream."""
    kind, _, rest = content_type.partition(";")
    if not kind.strip().lower().startswith("multipart/"):
        raise SourceBroken(f"sends {content_type or 'no content type'}, which is not an MJPEG stream (multipart/x-mixed-replace)")
    match = re.search(r'boundary\s*=\s*"?([^";\s]+)', rest, re.IGNORECASE)
    return match[1].encode("latin-1", "replace").lstrip(b"-") if match else b""


class MultipartParser:
    """Incremental parser: `feed` takes the received bytes and yields the parts that are complete."""

    def __init__(self, boundary: bytes) -> None:
        """`boundary`: empty if none was announced; the first one that is used is then taken."""
        self._name = ""
        self._found = False
        """Whether the boundary has been used by the camera."""
        if boundary:
            self._use(boundary)
        self._buffer = bytearray(b"\n")  # so that the first boundary is found without dashes too
        self._idle = 0
        self._searched = 0
        """The first bytes of `_buffer` that were already searched for the end of the current part."""

    def feed(self, data: bytes) -> Iterator[MultipartPart]:
        """Raises SourceBroken if a part does not end, or none starts."""
        self._buffer += data
        self._idle += len(data)
        while (part := self._next()) is not None:
            self._idle = 0
            yield part
        if self._idle > _MAX_PART_BYTES:
            raise SourceBroken(f"sends {self._idle} bytes without a complete picture between two boundaries ({self._name!r})")

    def _use(self, boundary: bytes) -> None:
        self._boundary = re.compile(rb"(?:--|\n)-*" + re.escape(boundary) + rb"(?:--|(?=[ \t]*\r?\n))")
        self._name = boundary.decode("latin-1")

    def _use_first_boundary(self) -> bool:
        """Take the boundary that the stream begins with. False if none has arrived."""
        first = _ANY_BOUNDARY.search(self._buffer, 0, _MAX_HEADER_BYTES)
        if first is None:
            return False
        self._use(first[1].lstrip(b"-") or b"-")
        return True

    def _next(self) -> MultipartPart | None:
        if not self._name and not self._use_first_boundary():
            return None
        start = self._boundary.search(self._buffer)
        if start is None and not self._found and self._use_first_boundary():  # another one was announced
            start = self._boundary.search(self._buffer)
        if start is None:  # bytes before a boundary belong to no part
            self._drop(max(0, len(self._buffer) - _MAX_BOUNDARY_BYTES))
            return None
        header_end = _HEADER_END.search(self._buffer, start.end(), start.end() + _MAX_HEADER_BYTES)
        if header_end is None:
            if len(self._buffer) - start.end() > _MAX_HEADER_BYTES:  # it was not a boundary
                self._drop(start.end())
            return None
        self._found = True
        headers = _headers(bytes(self._buffer[start.end() : header_end.start()]))
        begin, length = header_end.end(), _content_length(headers)
        if blank := _BLANK_LINES.match(self._buffer, begin):
            begin = blank.end()
        found = self._with_length(begin, length) if length else self._up_to_boundary(begin)
        if found is None:
            return None
        body, end = found
        self._drop(end)
        return MultipartPart(headers, body)

    def _with_length(self, begin: int, length: int) -> tuple[bytes, int] | None:
        """The body and where it ends. A length that does not end with the picture is not believed."""
        if begin + length > len(self._buffer):
            return self._before_its_length(begin)
        body = bytes(self._buffer[begin : begin + length])
        picture_end = _picture_end(body)
        if picture_end == length:
            return body, begin + length
        if not picture_end and not self._boundary_follows(begin + length):
            return self._up_to_boundary(begin)
        following = self._boundary.search(body, max(0, picture_end - 1)) if picture_end else None
        if following:
            return body[: following.start()].rstrip(b"\r\n"), begin + following.start()
        behind = body[picture_end:].strip(b"\r\n") if picture_end else body
        return (body if behind else body[:picture_end]), begin + length

    def _before_its_length(self, begin: int) -> tuple[bytes, int] | None:
        """The length is too large if a whole picture and the next boundary have arrived before it."""
        if self._buffer.find(self._name.encode("latin-1"), max(begin, self._searched)) < 0:  # faster than the search for a boundary
            self._searched = max(0, len(self._buffer) - _MAX_BOUNDARY_BYTES)
            return None
        found = self._up_to_boundary(begin)
        return found if found and _picture_end(found[0]) == len(found[0]) else None

    def _up_to_boundary(self, begin: int) -> tuple[bytes, int] | None:
        end = self._next_boundary(begin)
        return None if end is None else (bytes(self._buffer[begin:end]).rstrip(b"\r\n"), end)

    def _boundary_follows(self, end: int) -> bool:
        following = self._boundary.search(self._buffer, max(0, end - 1), end + _MAX_BOUNDARY_BYTES)
        return following is not None and not self._buffer[end : following.start()].strip(b"\r\n")

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._searched = 0

    def _next_boundary(self, begin: int) -> int | None:
        """Start of the boundary after a body of unknown length; None if it has not arrived yet."""
        following = self._boundary.search(self._buffer, max(begin, self._searched))
        self._searched = max(0, len(self._buffer) - _MAX_BOUNDARY_BYTES)
        return following.start() if following else None


def _picture_end(body: bytes) -> int:
    """Where the JPEG in the body ends; 0 if it does not, or if it is none."""
    try:
        return jpeg.end_of(body)
    except FrameBroken:
        return 0


def _content_length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and 0 < int(length) <= _MAX_PART_BYTES else None


def _headers(block: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.decode("latin-1").splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
