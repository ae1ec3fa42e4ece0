"""Serves evidence files, whole or in byte ranges.

Browsers may not store them: a look at a stored picture could not be logged, and it would stay on the computer after signing out. Only those
of the case that comes next are sent ahead and kept for some minutes, for this session alone; the log says so.
"""

import logging
import re
import sys
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from etle.errors import EvidenceCorrupt
from etle.observability.metrics import EvidenceError
from etle.types import Digest, Violation
from review.deps import Deps, deps_of
from review.permissions import Permission, Viewer
from review.session import record_access, require_any, visible_case

log = logging.getLogger(__name__)
router = APIRouter()

AHEAD: Final = "private, max-age=300, must-revalidate"
MEDIA_TYPES: Final = {"jpg": "image/jpeg", "mp4": "video/mp4"}
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class RangeNotSatisfiable(Exception):
    """The requested range contains no byte of the file."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the byte after the last one of a Range header. None for the whole file: no header, or one that a server may ignore,
    such as several ranges or another unit (RFC 9110, section 14.2).

    Raises RangeNotSatisfiable.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - _position(last)), size
    else:
        start, stop = _position(first), min(size, _position(last) + 1) if last else size
        if last and _position(last) < start:
            return None
    if start >= stop:
        raise RangeNotSatisfiable
    return start, stop


def _position(digits: str) -> int:
    """Python refuses to parse thousands of digits; a file has no byte at a position of more than 18."""
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) <= 18 else sys.maxsize


def media_type_of(violation: Violation, digest: str, suffix: str) -> str | None:
    """Media type of a file of the violation; None if the violation has no such file."""
    pictures = {picture.sha256 for picture in violation.pictures}
    clips = {violation.clip.sha256} if violation.clip else set()
    digests = {"jpg": pictures, "mp4": clips}.get(suffix, set())
    return MEDIA_TYPES[suffix] if digest in digests else None


@router.get("/cases/{case_id}/evidence/{digest}.{suffix}")
def evidence(
    request: Request,
    case_id: UUID,
    digest: str,
    suffix: str,
    viewer: Annotated[Viewer, Depends(require_any(Permission.DECIDE, Permission.BROWSE))],
) -> Response:
    deps = deps_of(request)
    case = visible_case(deps, viewer, case_id)
    media_type = media_type_of(case.violation, digest, suffix)
    if media_type is None:
        raise HTTPException(404)
    ahead = case.is_reserved and case.assigned_to == viewer.user.name  # another one is on the viewer's screen
    headers = {"ETag": f'"{digest}"', "Accept-Ranges": "bytes", "Cache-Control": AHEAD if ahead else "no-store", "Vary": "Cookie"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    try:
        data = deps.clips.get(Digest(digest)) if suffix == "mp4" else deps.evidence.get(Digest(digest))
    except KeyError:
        raise HTTPException(404) from None
    except EvidenceCorrupt as error:
        _alarm(deps, viewer, case_id, Digest(digest), error)
        raise HTTPException(409, "corrupt") from error
    requested = request.headers.get("range")
    try:
        part = byte_range(requested, len(data))
    except RangeNotSatisfiable:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}"})
    _record_view(deps, viewer, case_id, Digest(digest), part or (0, len(data)), "evidence_sent_ahead" if ahead else "evidence_viewed")
    return _response(part, data, media_type, headers)


def _alarm(deps: Deps, viewer: Viewer, case_id: UUID, digest: Digest, error: EvidenceCorrupt) -> None:
    """The file is not what the camera sent: in the log of the server, the access log, and the metric that the alert rules watch."""
    log.error("evidence of case %s cannot be shown: %s", case_id, error)
    if deps.metrics:
        deps.metrics.evidence_error(EvidenceError.CORRUPT)
    record_access(deps, viewer, "evidence_corrupt", case_id, detail=digest)


def _record_view(deps: Deps, viewer: Viewer, case_id: UUID, digest: Digest, sent: tuple[int, int], action: str) -> None:
    """Whenever bytes are sent, except for the further ranges of a clip."""
    if not deps.ranges.sent(viewer.token, digest, *sent, deps.clock.now()):
        record_access(deps, viewer, action, case_id, detail=digest)


def _response(part: tuple[int, int] | None, data: bytes, media_type: str, headers: dict[str, str]) -> Response:
    if part is None:
        return Response(data, media_type=media_type, headers=headers)
    start, stop = part
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return Response(data[start:stop], status_code=206, media_type=media_type, headers=headers)
