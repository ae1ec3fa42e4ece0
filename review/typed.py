"""What a reviewer typed into a verdict form that could not be taken, because the session had ended.

It is kept in a cookie of the case's page until that is shown again. Scripts keep drafts too (static/draft.js); this works without them.
"""

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import quote

from fastapi import Request, Response
from starlette.datastructures import FormData

from review.session import set_cookie

TYPED_COOKIE: Final = "etle_typed"
LIFETIME_S: Final = 3600
MAX_CHARS: Final = 600
"""Of the note, as of the form, with room for the message that it is too long; a cookie has at most 4 kB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TypedText:
    note: str
    plate: str


def typed_of(form: FormData) -> TypedText:
    note, plate = form.get("note"), form.get("plate")
    return TypedText(note=note[:MAX_CHARS] if isinstance(note, str) else "", plate=plate[:40] if isinstance(plate, str) else "")


def keep_typed(request: Request, response: Response, path: str, typed: TypedText) -> None:
    """`path`: of the case's page, the only one that gets it."""
    value = base64.urlsafe_b64encode(json.dumps(asdict(typed), ensure_ascii=False).encode()).decode()
    set_cookie(request, response, TYPED_COOKIE, value, LIFETIME_S, path=quote(path))


def kept_typed(request: Request) -> TypedText | None:
    cookie = request.cookies.get(TYPED_COOKIE)
    if not cookie:
        return None
    try:
        fields = json.loads(base64.urlsafe_b64decode(cookie))
        return TypedText(note=str(fields["note"])[:MAX_CHARS], plate=str(fields["plate"])[:40])
    except (ValueError, binascii.Error, KeyError, TypeError):
        return None


def drop_typed(request: Request, response: Response) -> None:
    if TYPED_COOKIE in request.cookies:
        response.delete_cookie(TYPED_COOKIE, path=quote(request.url.path))
