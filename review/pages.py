"""Renders the templates with the values that every page needs: language, viewer, CSRF token."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from review.deps import deps_of
from review.i18n import translator_of
from review.middleware import HEADERS
from review.permissions import Permission, Viewer
from review.session import form_token, session_token
from review.tokens import csrf_token

STATIC_FOLDER: Final = Path(__file__).parent / "static"
LOCAL_ZONE: Final = "Asia/Jakarta"
"""Time zone of moments that belong to no camera, such as those of the access log."""


@cache
def static_version() -> str:
    """Digest of all files under static/. It is part of their URL, so browsers may cache them without limit."""
    digest = hashlib.sha256()
    for path in sorted(each for each in STATIC_FOLDER.rglob("*") if each.is_file()):
        digest.update(path.relative_to(STATIC_FOLDER).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@cache
def templates() -> Environment:
    return Environment(
        loader=PackageLoader("review"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A template of this package. `nav` is the entry of the navigation that it belongs to."""

    template: str
    nav: str = ""

    def render(self, request: Request, viewer: Viewer | None, status: int = 200, **values: object) -> HTMLResponse:
        t = translator_of(request)
        cookie = viewer.token if viewer else session_token(request) or form_token(request)

        def may(permission: str) -> bool:
            return viewer is not None and viewer.may(Permission(permission))

        def local_time(moment: datetime) -> str:
            return t.date_time(moment, LOCAL_ZONE)

        context: dict[str, object] = {
            "t": t,
            "viewer": viewer,
            "may": may,
            "local_time": local_time,
            "nav": self.nav,
            "has_runs": deps_of(request).comparisons is not None,
            "back": request.url.path if request.method == "GET" else "/",
            "csrf_token": csrf_token(cookie) if cookie else None,
            "static": f"/static/{static_version()}",
        }
        return HTMLResponse(templates().get_template(self.template).render(context | values), status_code=status)


def error_page(request: Request, viewer: Viewer | None, code: int, text: str | None = None) -> Response:
    """`text` replaces the usual text of that status code. Sets the security headers itself, because the handler of
    status 500 runs outside of the middleware."""
    t = translator_of(request)
    shown = code if f"error.{code}.title" in t.texts else 400 if code < 500 else 500
    response = Page(template="error.html").render(
        request, viewer, status=code, title=t(f"error.{shown}.title"), text=text or t(f"error.{shown}.text"), code=code
    )
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response
