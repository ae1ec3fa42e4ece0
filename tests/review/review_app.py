"""The running review application for the tests: a real web server, a real PostgreSQL, a manual clock, and signed-in users."""

import re
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from argon2 import PasswordHasher
from fastapi import FastAPI
from review_cases import CaseSpec, violation_message

from etle.http_server import ConnectionLimits, server_config
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.users import UserRole, Users
from etle.testing import ManualClock
from etle.types import Case, Digest, Violation, ViolationId
from review.passwords import Passwords
from review.serve import ReviewServer

ROLES = {
    "rina": UserRole.REVIEWER,
    "dewi": UserRole.REVIEWER,
    "tono": UserRole.REVIEWER,
    "bayu": UserRole.REVIEWER,
    "sari": UserRole.SUPERVISOR,
    "agus": UserRole.AUDITOR,
    "admin": UserRole.ADMIN,
    "budi": UserRole.OPS,
}
PASSWORDS = {name: f"kata sandi {name}" for name in ROLES}
HEADER_TIMEOUT_S = 1.0
FAST_PASSWORDS = Passwords(PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1))
"""argon2id with small costs, for tests that sign in a hundred times."""


class CountingEvidence(FolderEvidence):
    """Evidence in a folder that counts how often each file is read."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, reserve_bytes=0)
        self.folder = folder
        self.reads: Counter[Digest] = Counter()

    def get(self, digest: Digest) -> bytes:
        self.reads[digest] += 1
        return super().get(digest)

    def tamper(self, digest: Digest) -> None:
        (file,) = self.folder.rglob(f"{digest}.*")
        file.write_bytes(b"changed")


@cache
def _template(folder: Path) -> Violation:
    return violation_message(CaseSpec(name="template"), folder).violation


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedInUser:
    name: str
    browser: httpx.Client
    csrf: str
    """CSRF token of the forms of this session."""

    def get(self, path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        return self.browser.get(path, headers={"Accept": "text/html"} | (headers or {}), **options)

    def post(self, path: str, **fields: str) -> httpx.Response:
        return self.browser.post(path, data={"csrf": self.csrf} | fields)

    def form(self, case: Case) -> dict[str, str]:
        """The hidden fields of the verdict form on the case's page, with its `action`."""
        page = self.get(f"/cases/{case.violation.id}").text
        hidden = dict(re.findall(r'<input type="hidden" name="(opened|known_decisions)" value="([^"]*)"', page))
        return {"action": f"/cases/{case.violation.id}/verdict"} | hidden

    def decide(self, case: Case, answer: str, **fields: str) -> None:
        form = self.form(case)
        response = self.post(form.pop("action"), **form, answer=answer, **fields)
        assert response.status_code == 303, response.text


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningReview:
    """The running application with its stores."""

    url: str
    app: FastAPI
    clock: ManualClock
    database: Database
    cases: PostgresCases
    evidence: CountingEvidence
    users: Users
    folder: Path

    def browser(self, address: str | None = None, headers: dict[str, str] | None = None) -> httpx.Client:
        """`address`: the client's address as the proxy in front forwards it."""
        forwarded = {"X-Forwarded-For": address} if address else {}
        return httpx.Client(base_url=self.url, headers=forwarded | (headers or {}), timeout=30)

    def csrf_token(self, browser: httpx.Client, path: str) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get(path, headers={"Accept": "text/html"}).text)
        assert found is not None
        return found[1]

    def sign_in(self, browser: httpx.Client, name: str, password: str) -> httpx.Response:
        token = self.csrf_token(browser, "/sign-in")
        return browser.post("/sign-in", data={"name": name, "password": password, "csrf": token})

    @contextmanager
    def signed_in(self, name: str) -> Iterator[SignedInUser]:
        with self.browser() as browser:
            assert self.sign_in(browser, name, PASSWORDS[name]).status_code == 303
            first = browser.get("/", headers={"Accept": "text/html"})
            yield SignedInUser(name=name, browser=browser, csrf=self.csrf_token(browser, first.headers.get("location", "/")))

    def add(self, spec: CaseSpec) -> Case:
        message = violation_message(spec, self.folder)
        for file in message.files:
            self.evidence.put(file.data, file.suffix)
        self.cases.add(message.violation, message.files)
        return self.case_of(message.violation.id)

    def add_quickly(self, spec: CaseSpec) -> ViolationId:
        """A case that was not drawn: a copy of the only template, without its own files."""
        template = _template(self.folder)
        offset = spec.occurred_after
        violation = replace(
            template,
            id=ViolationId(uuid4()),
            plate=replace(template.plate, text=spec.plate),
            occurred_at=template.occurred_at + offset,
        )
        self.cases.add(violation, ())
        return violation.id

    def assign_new(self, user: SignedInUser, spec: CaseSpec) -> Case:
        """A new case that the queue assigns to the user because it has no other."""
        self.empty_queue()
        case = self.add(replace(spec, name=f"{spec.name} {uuid4()}"))
        assert user.post("/next").headers["location"] == f"/cases/{case.violation.id}"
        return case

    def empty_queue(self) -> None:
        self.execute("DELETE FROM queue")

    def reload(self, case: Case) -> Case:
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
            return [tuple(row) for row in cursor.fetchall()]

    def execute(self, sql: str) -> None:
        with self.database.transaction() as cursor:
            cursor.execute(sql)


@contextmanager
def running(app: FastAPI) -> Iterator[str]:
    """URL of a web server that runs the application on a free port."""
    started = threading.Event()
    limits = ConnectionLimits(proxy="127.0.0.1", header_timeout_s=HEADER_TIMEOUT_S)
    config = server_config(app, host="127.0.0.1", port=0, limits=limits, proxy_headers=True, forwarded_allow_ips="127.0.0.1")
    server = ReviewServer(config, started.set)
    thread = threading.Thread(target=server.run, name="review application")
    thread.start()
    try:
        assert started.wait(30), "the web server does not answer"
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(30)
