"""What the pages tell of themselves: how quickly they answer, and how long reviewers take."""

import logging
import time
from typing import TYPE_CHECKING

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from etle.errors import StoreError
from etle.protocols import CaseStore

if TYPE_CHECKING:
    from etle.observability.metrics import Metrics

log = logging.getLogger(__name__)


class MetricsMiddleware:
    """Around the whole application: the time to an answer's beginning. One that never began counts as a failure."""

    def __init__(self, app: ASGIApp, metrics: "Metrics") -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, answered = time.perf_counter(), False

        async def send_and_count(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                answered = True
                self.metrics.request(message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self.app(scope, receive, send_and_count)
        finally:
            if not answered:
                self.metrics.request(500, time.perf_counter() - began)


def open_cases(cases: CaseStore) -> float:
    """NaN while the database is away: a monitor must not take that for an empty queue."""
    try:
        return cases.counts().open
    except StoreError as error:
        log.warning("open cases cannot be counted: %s", error)
        return float("nan")
