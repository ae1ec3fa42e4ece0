"""Cuts the pictures out of a `multipart/x-mixed-replace` stream. No sockets here: bytes in, parts out.

Cameras write this format freely: dashes too many or none, bare line feeds, no Content-Length. So a boundary is the announced name with
dashes or a new line before it and the end of a line (or the closing dashes) behind it, and a length is used where it is told.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etle.errors import SourceBroken

_LONGEST = 32 * 1024 * 1024
"""Bytes; no camera's JPEG is as long, so a part that is is no part."""
_LONGEST_BOUNDARY = 256
_LONGEST_HEAD = 64 * 1024
_HEAD_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class MultipartPart:
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def boundary_of(content_type: str) -> bytes:
    """The name that separates the parts, without its dashes. Raises SourceBroken if the answer is no such stream."""
    kind, _, rest = content_type.partition(";")
    match = re.search(r'boundary="?([^";\s]+)', rest, re.IGNORECASE)
    if not kind.strip().lower().startswith("multipart/") or not match:
        raise SourceBroken(f"answers with {content_type or 'no content type'}, which is no MJPEG stream (multipart/x-mixed-replace)")
    return match[1].encode("latin-1").lstrip(b"-")


class MultipartParser:
    """Feed it what arrives; it gives the parts that are whole."""

    def __init__(self, boundary: bytes) -> None:
        self._boundary = re.compile(rb"(?:--|\n)-*" + re.escape(boundary) + rb"(?:--|(?=[ \t]*\r?\n))")
        self._name = boundary.decode("latin-1")
        self._waiting = bytearray(b"\n")  # the first boundary may stand without dashes too
        self._idle = 0
        self._searched = 0
        """So far in what waits there is no end of the part that has begun: it is not looked through again."""

    def feed(self, data: bytes) -> Iterator[MultipartPart]:
        """Raises SourceBroken if a part does not end, or none begins."""
        self._waiting += data
        self._idle += len(data)
        while (part := self._next()) is not None:
            self._idle = 0
            yield part
        if self._idle > _LONGEST:
            raise SourceBroken(f"sends {self._idle} bytes without a whole picture between two of its boundaries ({self._name!r})")

    def _next(self) -> MultipartPart | None:
        start = self._boundary.search(self._waiting)
        if start is None:  # nothing before a boundary is a part
            self._drop(max(0, len(self._waiting) - _LONGEST_BOUNDARY))
            return None
        head_end = _HEAD_END.search(self._waiting, start.end(), start.end() + _LONGEST_HEAD)
        if head_end is None:
            if len(self._waiting) - start.end() > _LONGEST_HEAD:  # that was no boundary
                self._drop(start.end())
            return None
        headers = _headers(bytes(self._waiting[start.end() : head_end.start()]))
        begin, length = head_end.end(), _told_length(headers)
        end = begin + length if length else self._following(begin)
        if end is None or end > len(self._waiting):
            return None
        body = bytes(self._waiting[begin:end])
        self._drop(end)
        return MultipartPart(headers, body if length else body.rstrip(b"\r\n"))

    def _drop(self, count: int) -> None:
        del self._waiting[:count]
        self._searched = 0

    def _following(self, begin: int) -> int | None:
        """Where the boundary behind a body of unknown length begins; None if it is not there yet."""
        following = self._boundary.search(self._waiting, max(begin, self._searched))
        self._searched = max(0, len(self._waiting) - _LONGEST_BOUNDARY)
        return following.start() if following else None


def _told_length(headers: Mapping[str, str]) -> int | None:
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() and 0 < int(length) <= _LONGEST else None


def _headers(block: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.decode("latin-1").splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
