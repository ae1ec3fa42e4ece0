"""When a picture was taken and which way up it is, from its EXIF data. Only the tags for that are read."""

import re
import struct
from datetime import UTC, datetime, timedelta, timezone, tzinfo

from etle.errors import FrameBroken
from etle.media.jpeg import segments

_APP1 = 0xE1
_HEADER = b"Exif\0\0"
_EXIF_IFD = 0x8769
_ORIGINAL, _OFFSET, _SUBSECONDS = 0x9003, 0x9011, 0x9291
_ORIENTATION = 0x0112
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ASCII = 2
_MAX_ENTRIES = 512


def taken_at(data: bytes, local: tzinfo) -> datetime | None:
    """DateTimeOriginal with sub-seconds and offset; `local` is used if there is no offset. None if the JPEG has no time. Never raises."""
    tiff = _tiff(data)
    return _time(_tags(tiff), local) if tiff else None


def orientation_of(data: bytes) -> int:
    """1 to 8; 1 (upright) if the JPEG does not tell. Never raises."""
    tiff = _tiff(data)
    order = _ORDERS.get(tiff[:4]) if tiff else None
    if tiff is None or order is None:
        return 1
    try:
        (first,) = struct.unpack_from(order + "I", tiff, 4)
        found = [struct.unpack(order + "H", value[:2])[0] for tag, _, _, value in _entries(tiff, order, first) if tag == _ORIENTATION]
    except struct.error:
        return 1
    return found[0] if found and 1 <= found[0] <= 8 else 1


def _tiff(data: bytes) -> bytes | None:
    try:
        exif = next((data[s.start : s.end] for s in segments(data) if s.marker == _APP1 and data.startswith(_HEADER, s.start)), None)
    except FrameBroken:
        return None
    return exif[len(_HEADER) :] if exif else None


def _tags(tiff: bytes) -> dict[int, str]:
    """The text tags of the EXIF directory (IFD). Of a damaged one, those that could be read."""
    order = _ORDERS.get(tiff[:4])
    if order is None:
        return {}
    found: dict[int, str] = {}
    try:
        (first,) = struct.unpack_from(order + "I", tiff, 4)
        for tag, _, _, value in _entries(tiff, order, first):
            if tag == _EXIF_IFD:
                (start,) = struct.unpack(order + "I", value)
                for inner, kind, count, value_or_offset in _entries(tiff, order, start):
                    if kind == _ASCII:
                        found[inner] = _text(tiff, order, count, value_or_offset)
    except struct.error:
        pass  # an offset points outside the data: return the tags read so far
    return found


def _entries(tiff: bytes, order: str, start: int) -> list[tuple[int, int, int, bytes]]:
    (count,) = struct.unpack_from(order + "H", tiff, start)
    return [struct.unpack_from(order + "HHI4s", tiff, start + 2 + 12 * index) for index in range(min(count, _MAX_ENTRIES))]


def _text(tiff: bytes, order: str, count: int, value: bytes) -> str:
    """`value` is the text itself if it fits into four bytes, else its offset."""
    if count > len(value):
        (start,) = struct.unpack(order + "I", value)
        value = tiff[start : start + count]
    return value[:count].split(b"\0")[0].decode("ascii", "replace").strip()


def _time(tags: dict[int, str], local: tzinfo) -> datetime | None:
    digits = re.match(r"\d{1,6}", tags.get(_SUBSECONDS, ""))
    try:
        time = datetime.strptime(tags.get(_ORIGINAL, ""), "%Y:%m:%d %H:%M:%S")  # noqa: DTZ007 - the zone is added below
        time = time.replace(microsecond=int(digits[0].ljust(6, "0")) if digits else 0)
        return time.replace(tzinfo=_offset(tags.get(_OFFSET, "")) or local).astimezone(UTC)
    except (ValueError, OverflowError):  # no time, an offset of 99 hours, or the year 1
        return None


def _offset(text: str) -> tzinfo | None:
    """Also in the forms that some devices write: `Z`, `+0700`, `+7:00`, `+07`."""
    if text.upper() in ("Z", "UTC", "GMT"):
        return UTC
    match = re.fullmatch(r"([+-])(\d\d?)(?::?(\d\d))?", text)
    if not match:
        return None
    sign = -1 if match[1] == "-" else 1
    return timezone(sign * timedelta(hours=int(match[2]), minutes=int(match[3] or 0)))
