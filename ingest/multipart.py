"""Cuts the pictures out of a `multipart/x-mixed-replace` stream. No sockets here: bytes in, parts out.

Cameras write this format freely: boundaries with dashes too many, no Content-Length, bare line feeds. So the boundary is looked for
with its dashes off, and a length is used where it is told.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from etle.errors import SourceBroken

_LONGEST = 32 * 1024 * 1024
"""Bytes; no camera's JPEG is as long, so a part that is is no part."""
_HEAD_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Part:
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


def boundary_of(content_type: str) -> bytes:
    """What separates the parts. Raises SourceBroken if the answer is no such stream."""
    kind, _, rest = content_type.partition(";")
    match = re.search(r'boundary="?([^";\s]+)', rest, re.IGNORECASE)
    if not kind.strip().lower().startswith("multipart/") or not match:
        raise SourceBroken(f"answers with {content_type or 'no content type'}, which is no MJPEG stream (multipart/x-mixed-replace)")
    return b"--" + match[1].encode("latin-1").lstrip(b"-")


class PartCutter:
    """Feed it what arrives; it gives the parts that are whole."""

    def __init__(self, boundary: bytes) -> None:
        self._boundary = boundary
        self._waiting = bytearray()

    def feed(self, data: bytes) -> Iterator[Part]:
        """Raises SourceBroken if a part does not end."""
        self._waiting += data
        while (part := self._next()) is not None:
            yield part
        if len(self._waiting) > _LONGEST:
            raise SourceBroken(f"sends {len(self._waiting)} bytes without the end of a picture")

    def _next(self) -> Part | None:
        start = self._waiting.find(self._boundary)
        head_end = _HEAD_END.search(self._waiting, start) if start >= 0 else None
        if head_end is None:
            if start < 0:  # nothing before a boundary is a part
                del self._waiting[: max(0, len(self._waiting) - len(self._boundary))]
            return None
        headers = _headers(bytes(self._waiting[start + len(self._boundary) : head_end.start()]))
        length = headers.get("content-length", "")
        if length.isdecimal() and 0 < int(length) <= _LONGEST:
            end = head_end.end() + int(length)
            body = bytes(self._waiting[head_end.end() : end]) if len(self._waiting) >= end else None
        else:
            end = self._waiting.find(self._boundary, head_end.end())
            body = bytes(self._waiting[head_end.end() : end]).rstrip(b"\r\n-") if end >= 0 else None
        if body is None:
            return None
        del self._waiting[:end]
        return Part(headers, body)


def _headers(block: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in block.decode("latin-1").splitlines() if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
