"""Evidence to the browser: whole or in ranges, as a film needs it. What has a digest for a name never changes, so it may be kept."""

import re
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from etle.types import Digest, Violation
from review.access import Right, Viewer, allow, record
from review.deps import desk_of
from review.permissions import case_in_sight

router = APIRouter()

KINDS: Final = {"jpg": "image/jpeg", "mp4": "video/mp4"}
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class RangeNotSatisfiable(Exception):
    """No byte of the file is in the range that was asked for."""


def byte_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and the one behind the last; None for the whole file, also where we need not understand: several ranges, other units.

    Raises RangeOutside.
    """
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found.group(0) == "bytes=-":
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(0, size - int(last)), size
    else:
        start, stop = int(first), min(size, int(last) + 1) if last else size
        if last and int(last) < int(first):
            return None
    if start >= stop:
        raise RangeNotSatisfiable
    return start, stop


def kind_of(violation: Violation, digest: str, suffix: str) -> str | None:
    """Media type of a file that the violation names; None if it names no such file."""
    pictures = {picture.sha256 for picture in violation.pictures}
    clips = {violation.clip.sha256} if violation.clip else set()
    named = {"jpg": pictures, "mp4": clips}.get(suffix, set())
    return KINDS[suffix] if digest in named else None


@router.get("/cases/{case_id}/evidence/{digest}.{suffix}")
def evidence(
    request: Request,
    case_id: UUID,
    digest: str,
    suffix: str,
    who: Annotated[Viewer, Depends(allow(Right.DECIDE, Right.BROWSE))],
) -> Response:
    desk = desk_of(request)
    case = case_in_sight(desk, who, case_id)
    kind = kind_of(case.violation, digest, suffix)
    if kind is None:
        raise HTTPException(404)
    headers = {"ETag": f'"{digest}"', "Cache-Control": "private, max-age=31536000, immutable", "Accept-Ranges": "bytes"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    try:
        data = desk.evidence.get(Digest(digest))
    except KeyError:
        raise HTTPException(404) from None
    return _answer(desk_record(request, who, case_id, digest), data, kind, headers)


def desk_record(request: Request, who: Viewer, case_id: UUID, digest: str) -> str | None:
    """Records the look, once per file and not for each further piece of a film; gives the range that was asked for."""
    asked = request.headers.get("range")
    if asked is None or asked.startswith("bytes=0-"):
        record(desk_of(request), who, "evidence_viewed", case_id, detail=digest)
    return asked


def _answer(asked: str | None, data: bytes, kind: str, headers: dict[str, str]) -> Response:
    try:
        part = byte_range(asked, len(data))
    except RangeNotSatisfiable:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{len(data)}", "Cache-Control": "no-store"})
    if part is None:
        return Response(data, media_type=kind, headers=headers)
    start, stop = part
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{len(data)}"
    return Response(data[start:stop], status_code=206, media_type=kind, headers=headers)
