"""The application, made of what it is given: cases, evidence, users, a clock. It opens nothing by itself."""

from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from etle.errors import StoreUnavailable
from etle.protocols import CaseStore, Clock, EvidenceStore
from etle.storage.users import Users
from review import browse, files, queue, sign_in
from review.access import SignInNeeded, Viewer, check_form, visitor_or_none, wording_of
from review.deps import Deps
from review.middleware import MetricsMiddleware, open_cases
from review.pages import STATIC_FOLDER, SecurityHeaders, error_page, static_version
from review.passwords import Passwords

if TYPE_CHECKING:
    from etle.observability.metrics import Metrics

ROUTERS: Final = (sign_in.router, queue.router, files.router, browse.router)
PUBLIC: Final = frozenset({"/sign-in", "/language", "/sign-out"})
"""Where nobody has to be signed in, or where it is no matter of rights. A test holds every other route to a right."""


def create_app(
    *,
    cases: CaseStore,
    evidence: EvidenceStore,
    users: Users,
    clock: Clock,
    passwords: Passwords | None = None,
    metrics: "Metrics | None" = None,
) -> FastAPI:
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(check_form)])
    app.state.desk = Deps(cases=cases, evidence=evidence, users=users, clock=clock, passwords=passwords or Passwords(), metrics=metrics)
    app.mount(f"/static/{static_version()}", StaticFiles(directory=STATIC_FOLDER), name="static")
    for routes in ROUTERS:
        app.include_router(routes)
    app.add_exception_handler(SignInNeeded, _to_sign_in)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(StoreUnavailable, _store_away)
    app.add_exception_handler(500, _broken)
    app.add_middleware(SecurityHeaders)
    if metrics is not None:
        app.add_middleware(MetricsMiddleware, metrics=metrics)
        metrics.count_open_cases(partial(open_cases, cases))
    return app


def _to_sign_in(request: Request, error: Exception) -> Response:
    """Pages lead to the form and back; what a page fetches is refused."""
    if "text/html" not in request.headers.get("accept", ""):
        return error_page(request, None, 401)
    query = {"next": request.url.path} if request.method == "GET" and request.url.path != "/" else {}
    if isinstance(error, SignInNeeded) and error.expired:
        query["expired"] = "true"
    return RedirectResponse("/sign-in" + (f"?{urlencode(query)}" if query else ""), status_code=303)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = wording_of(request)("error.csrf") if error.detail == "csrf" else None
    return error_page(request, _visitor(request), error.status_code, text)


def _bad_request(request: Request, error: Exception) -> Response:
    return error_page(request, _visitor(request), 400)


def _store_away(request: Request, error: Exception) -> Response:
    return error_page(request, None, 503)


def _broken(request: Request, error: Exception) -> Response:
    """The log has the traceback; the page does not."""
    return error_page(request, None, 500)


def _visitor(request: Request) -> Viewer | None:
    try:
        return visitor_or_none(request)
    except StoreUnavailable:
        return None
