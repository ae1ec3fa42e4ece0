"""Assembles the web application from the stores, the law and the clock that it is given. It opens no connection itself."""

import logging
import re
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from etle.config.law import Law
from etle.errors import ConfigError, StoreError, StoreUnavailable, ValueRejected
from etle.protocols import CaseStore, Clock, EvidenceStore
from etle.storage.campaigns import PostgresCampaigns
from etle.storage.users import Users
from review import browse, case_pages, files, proposals, queue, runs, sign_in
from review import campaigns as campaign_pages
from review.clip_cache import ClipCache
from review.comparisons import RunComparisons
from review.deps import Deps
from review.drawing import pages as drawing_pages
from review.drawing import saving as drawing_saving
from review.drawing.desk import SiteDesk
from review.i18n import translator_of
from review.middleware import FormReader, MetricsMiddleware, PageCompression, SecurityHeaders
from review.pages import STATIC_FOLDER, error_page, static_version
from review.passwords import PasswordPool, Passwords
from review.permissions import Viewer
from review.range_progress import RangeProgress
from review.session import SignInRequired, check_csrf, viewer_or_none
from review.sign_in_attempts import SignInAttempts
from review.typed import keep_typed, typed_of

if TYPE_CHECKING:
    from etle.observability.metrics import Metrics

log = logging.getLogger(__name__)

ROUTERS: Final = (
    sign_in.router,
    queue.router,
    case_pages.router,
    files.router,
    browse.router,
    proposals.router,
    campaign_pages.router,
    runs.router,
)
DRAWING_ROUTERS: Final = (sign_in.router, drawing_pages.router, drawing_saving.router)
CASE_PATH: Final = re.compile(r"/cases/[0-9a-f-]{36}(?=/verdict$)")
PUBLIC: Final = frozenset({"/sign-in", "/language", "/sign-out"})
"""Routes that need no permission. A test checks that every other route does."""


def create_app(
    *,
    cases: CaseStore,
    evidence: EvidenceStore,
    users: Users,
    campaigns: PostgresCampaigns,
    law: Law,
    clock: Clock,
    passwords: Passwords | None = None,
    secret: bytes | None = None,
    metrics: "Metrics | None" = None,
    drawing: SiteDesk | None = None,
    comparisons: RunComparisons | None = None,
) -> FastAPI:
    """`secret`: signs the cookies of sign-in forms; None: a random one, with which forms of other processes are refused.

    `drawing`: serve the pages on which this site is drawn, and none of the cases.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(check_csrf)])
    app.state.deps = Deps(
        cases=cases,
        evidence=evidence,
        clips=ClipCache(evidence),
        ranges=RangeProgress(),
        users=users,
        campaigns=campaigns,
        law=law,
        clock=clock,
        passwords=PasswordPool(passwords or Passwords()),
        attempts=SignInAttempts(),
        secret=secret or secrets.token_bytes(32),
        metrics=metrics,
        comparisons=comparisons,
    )
    app.mount(f"/static/{static_version()}", StaticFiles(directory=STATIC_FOLDER), name="static")
    app.state.desk = drawing
    for router in DRAWING_ROUTERS if drawing else ROUTERS:
        app.include_router(router)
    app.add_exception_handler(SignInRequired, _redirect_to_sign_in)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(ValueRejected, _bad_request)
    app.add_exception_handler(StoreUnavailable, _store_unavailable)
    app.add_exception_handler(ConfigError, _site_file_wrong)
    app.add_exception_handler(500, _internal_error)
    app.add_middleware(FormReader)
    app.add_middleware(PageCompression)
    app.add_middleware(SecurityHeaders)
    if metrics is not None:
        app.add_middleware(MetricsMiddleware, metrics=metrics)
        metrics.count_open_cases(partial(open_cases, cases))
    return app


def open_cases(cases: CaseStore) -> float:
    """Value of the metric `etle_open_cases`: NaN while the database is unavailable, because 0 would mean an empty queue."""
    try:
        return cases.counts().open
    except StoreError as error:
        log.warning("open cases cannot be counted: %s", error)
        return float("nan")


async def _redirect_to_sign_in(request: Request, error: Exception) -> Response:
    """A page redirects to the sign-in form and back afterwards, with what was typed into a verdict form; what a page or script fetches
    gets 401."""
    if "text/html" not in request.headers.get("accept", ""):
        return error_page(request, None, 401)
    case = CASE_PATH.match(request.url.path)
    path = case.group() if case and request.method == "POST" else request.url.path if request.method == "GET" else "/"
    query = {"next": path} if path != "/" else {}
    if isinstance(error, SignInRequired) and error.expired:
        query["expired"] = "true"
    response = RedirectResponse("/sign-in" + (f"?{urlencode(query)}" if query else ""), status_code=303)
    if case and request.method == "POST":
        keep_typed(request, response, path, typed_of(await request.form()))
    return response


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    case = CASE_PATH.match(request.url.path)
    signed_in = error.detail == "csrf" and await run_in_threadpool(_viewer, request) is not None
    if case and signed_in and "text/html" in request.headers.get("accept", ""):
        response = RedirectResponse(case.group(), status_code=303)  # the officer signed in again in another window
        keep_typed(request, response, case.group(), typed_of(await request.form()))
        return response
    return await run_in_threadpool(_error_page, request, error)


def _error_page(request: Request, error: HTTPException) -> Response:
    t = translator_of(request)
    text = {"csrf": t("error.csrf"), "corrupt": t("error.corrupt")}.get(error.detail)
    return error_page(request, _viewer(request), error.status_code, text)


def _bad_request(request: Request, error: Exception) -> Response:
    return error_page(request, _viewer(request), 400)


def _store_unavailable(request: Request, error: Exception) -> Response:
    return error_page(request, None, 503)


def _site_file_wrong(request: Request, error: Exception) -> Response:
    """The site file was edited by hand and cannot be read any more; the page says why."""
    return error_page(request, _viewer(request), 500, str(error))


def _internal_error(request: Request, error: Exception) -> Response:
    """The traceback is in the log, not on the page."""
    return error_page(request, None, 500)


def _viewer(request: Request) -> Viewer | None:
    try:
        return viewer_or_none(request)
    except StoreUnavailable:
        return None
