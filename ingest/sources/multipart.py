"""Parses a `multipart/x-mixed-replace` stream. Without I/O: bytes in, parts out.

Cameras deviate from the standard: too many or no dashes, bare line feeds, no Content-Length. A boundary is therefore the announced name
with dashes or a line feed before it and an end of line (or the closing dashes) after it; Content-Length is used where it is present.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etle.errors import SourceBroken

_MAX_PART_BYTES = 32 * 1024 * 1024
"""No camera's JPEG is that large."""
_MAX_BOUNDARY_BYTES = 256
_MAX_HEADER_BYTES = 64 * 1024
_HEADER_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class MultipartPart:
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def boundary_of(content_type: str) -> bytes:
    """The boundary without its dashes. Raises SourceBroken if the content type is not a multipart stream."""
    kind, _, rest = content_type.partition(";")
    match = re.search(r'boundary="?([^";\s]+)', rest, re.IGNORECASE)
    if not kind.strip().lower().startswith("multipart/") or not match:
        raise SourceBroken(f"sends {content_type or 'no content type'}, which is not an MJPEG stream (multipart/x-mixed-replace)")
    return match[1].encode("latin-1").lstrip(b"-")


class MultipartParser:
    """Incremental parser: `feed` takes the received bytes and yields the parts that are complete."""

    def __init__(self, boundary: bytes) -> None:
        self._boundary = re.compile(rb"(?:--|\n)-*" + re.escape(boundary) + rb"(?:--|(?=[ \t]*\r?\n))")
        self._name = boundary.decode("latin-1")
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

    def _next(self) -> MultipartPart | None:
        start = self._boundary.search(self._buffer)
        if start is None:  # bytes before a boundary belong to no part
            self._drop(max(0, len(self._buffer) - _MAX_BOUNDARY_BYTES))
            return None
        header_end = _HEADER_END.search(self._buffer, start.end(), start.end() + _MAX_HEADER_BYTES)
        if header_end is None:
            if len(self._buffer) - start.end() > _MAX_HEADER_BYTES:  # it was not a boundary
                self._drop(start.end())
            return None
        headers = _headers(bytes(self._buffer[start.end() : header_end.start()]))
        begin, length = header_end.end(), _content_length(headers)
        end = begin + length if length else self._next_boundary(begin)
        if end is None or end > len(self._buffer):
            return None
        body = bytes(self._buffer[begin:end])
        self._drop(end)
        return MultipartPart(headers, body if length else body.rstrip(b"\r\n"))

    def _drop(self, count: int) -> None:
        del self._buffer[:count]
        self._searched = 0

    def _next_boundary(self, begin: int) -> int | None:
        """Start of the boundary after a body of unknown length; None if it has not arrived yet."""
        following = self._boundary.search(self._buffer, max(begin, self._searched))
        self._searched = max(0, len(self._buffer) - _MAX_BOUNDARY_BYTES)
        return following.start() if following else None


def _content_length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and 0 < int(length) <= _MAX_PART_BYTES else None


def _headers(block: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.decode("latin-1").splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
