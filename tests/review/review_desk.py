"""A running application for the tests: a real web server over a real PostgreSQL, a clock that is moved by hand, and its visitors."""

import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import uvicorn
from argon2 import PasswordHasher
from fastapi import FastAPI
from review_cases import Story, parcel

from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.users import UserRole, Users
from etle.types import Case, ViolationId
from review.passwords import Passwords
from review.serve import ReviewServer

PEOPLE = {
    "rina": UserRole.REVIEWER,
    "dewi": UserRole.REVIEWER,
    "tono": UserRole.REVIEWER,
    "bayu": UserRole.REVIEWER,
    "sari": UserRole.SUPERVISOR,
    "agus": UserRole.AUDITOR,
    "admin": UserRole.ADMIN,
}
PASSWORDS = {name: f"kata sandi {name}" for name in PEOPLE}
CHEAP = Passwords(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
"""Argon2id all the same, but for tests that sign in a hundred times."""


class HandClock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def sleep(self, seconds: float) -> None:
        self.pass_time(timedelta(seconds=seconds))

    def pass_time(self, step: timedelta) -> None:
        self._now += step


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who is signed in."""

    name: str
    browser: httpx.Client
    token: str
    """What the forms of this session carry."""

    def get(self, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        return self.browser.get(path, headers={"Accept": "text/html"} | (headers or {}), **options)

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.browser.post(path, data={"csrf": self.token} | fields)

    def form(self, case: Case) -> dict[str, str]:
        """What the verdict form of the case's page would send along, with its `action`."""
        page = self.get(f"/cases/{case.violation.id}").text
        hidden = dict(re.findall(r'<input type="hidden" name="(opened|seen)" value="([^"]*)"', page))
        return {"action": f"/cases/{case.violation.id}/verdict"} | hidden

    def decide(self, case: Case, answer: str, **fields: str) -> None:
        form = self.form(case)
        given = self.post(form.pop("action"), **form, answer=answer, **fields)
        assert given.status_code == 303, given.text


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """The running application and what stands behind it."""

    url: str
    app: FastAPI
    clock: HandClock
    database: Database
    cases: PostgresCases
    evidence: FolderEvidence
    users: Users
    folder: Path

    def browser(self, address: str | None = None, headers: dict[str, str] | None = None) -> httpx.Client:
        """`address`: where the proxy in front says the visitor sits."""
        forwarded = {"X-Forwarded-For": address} if address else {}
        return httpx.Client(base_url=self.url, headers=forwarded | (headers or {}), timeout=30)

    def form_token(self, browser: httpx.Client, path: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get(path, headers={"Accept": "text/html"}).text)
        assert found is not None
        return found[1]

    def sign_in(self, browser: httpx.Client, name: str, password: str) -> httpx.Response:
        token = self.form_token(browser, "/sign-in")
        return browser.post("/sign-in", data={"name": name, "password": password, "csrf": token})

    @contextmanager
    def person(self, name: str) -> Iterator[Person]:
        with self.browser() as browser:
            assert self.sign_in(browser, name, PASSWORDS[name]).status_code == 303
            where = browser.get("/", headers={"Accept": "text/html"})
            yield Person(name=name, browser=browser, token=self.form_token(browser, where.headers.get("location", "/")))

    def add(self, story: Story) -> Case:
        made = parcel(story, self.folder)
        for file in made.files:
            self.evidence.put(file.data, file.suffix)
        self.cases.add(made.violation, made.files)
        return self.case_of(made.violation.id)

    def give(self, person: Person, story: Story) -> Case:
        """A new case, on that reviewer's screen because the queue has no other."""
        self.empty_queue()
        case = self.add(replace(story, name=f"{story.name} {uuid4()}"))
        assert person.post("/next").headers["location"] == f"/cases/{case.violation.id}"
        return case

    def empty_queue(self) -> None:
        self.execute("DELETE FROM queue")

    def case(self, case: Case) -> Case:
        return self.case_of(case.violation.id)

    def case_of(self, violation: ViolationId) -> Case:
        found = self.cases.case(violation)
        assert found is not None
        return found

    def evidence_path(self, case: Case) -> str:
        return f"/cases/{case.violation.id}/evidence/{case.violation.pictures[0].sha256}.jpg"

    def rows(self, sql: str, *values: object) -> Sequence[tuple[Any, ...]]:
        with self.database.transaction() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchall()

    def execute(self, sql: str) -> None:
        with self.database.transaction() as cursor:
            cursor.execute(sql)


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """The address of a web server around the application, on a port of the system's choosing."""
    answers = threading.Event()
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", proxy_headers=True, forwarded_allow_ips="127.0.0.1")
    server = ReviewServer(config, answers.set)
    thread = threading.Thread(target=server.run, name="review pages")
    thread.start()
    try:
        assert answers.wait(30), "the web server does not answer"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
