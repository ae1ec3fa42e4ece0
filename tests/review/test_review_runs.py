"""The pages of runs: a supervisor compares a run with the cases; nobody else does."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from review_app import RunningReview, SignedInUser
from review_cases import CaseSpec
from review_runs import add_run

from etle.storage.runs import PostgresRuns
from etle.types import Case, Violation, ViolationId
from review import comparisons
from review.comparisons import ComparisonEntry, page_of
from review.runs import ENTRIES_PER_PAGE

SignIn = Callable[..., SignedInUser]


def later(violation: Violation, minutes: float) -> Violation:
    """Another violation of the same kind."""
    return replace(violation, id=ViolationId(uuid4()), occurred_at=violation.occurred_at + timedelta(minutes=minutes))


@pytest.fixture(scope="module")
def compared(review: RunningReview) -> Case:
    """A confirmed case that the run `again` reads differently, beside one that it does not find, and one that only it finds."""
    review.empty_queue()
    first = review.add(CaseSpec(name="compared", plate="B1432GMC"))
    with review.signed_in("rina") as rina:
        assert rina.post("/next").status_code == 303
        rina.decide(first, "confirm", plate="B1432GMC")
    review.add(CaseSpec(name="missed", occurred_after=timedelta(minutes=3)))
    add_run(review, "again", [first.violation, later(first.violation, 60)], plates=["B1432GMG"])
    return first


def test_a_supervisor_opens_a_run_and_sees_what_differs(review: RunningReview, compared: Case, sign_in: SignIn) -> None:
    sari = sign_in("sari")
    assert "/runs/compare?a=live&amp;b=again" in sari.get("/runs").text
    page = sari.get("/runs/compare?a=live&b=again").text
    assert re.findall(r"<mark>([^<]+)</mark>", page) == ["B 1432 GMC (97 %)", "B 1432 GMG (97 %)"]
    assert [re.search(rf"kind={kind}[^>]*>[^<]*<b>(\d+)</b>", page)[1] for kind in ("changed", "only_a", "only_b")] == ["1", "1", "1"]
    assert f'href="/cases/{compared.violation.id}"' in page and "100 % (1 / 1)" in page and "0 / 1" in page
    assert {"runs_viewed", "comparison_viewed"} <= {entry.action for entry in review.users.entries(who="sari")}


@pytest.mark.parametrize("kind, sides", [("only_a", ["kasus"]), ("only_b", ["again"]), ("changed", ["kasus", "again"])])
def test_each_list_shows_the_sides_that_found_it(compared: Case, sign_in: SignIn, kind: str, sides: list[str]) -> None:
    page = sign_in("sari").get(f"/runs/compare?a=live&b=again&kind={kind}").text
    assert re.findall(r'<div role="group" aria-label="(\w+)">', page) == sides


def test_the_pictures_of_both_sides_are_shown_and_each_look_is_logged(review: RunningReview, compared: Case, sign_in: SignIn) -> None:
    sari = sign_in("sari")
    live, again = re.findall(r'<image href="([^"]+)"', sari.get("/runs/compare?b=again").text)
    assert live.startswith(f"/cases/{compared.violation.id}/evidence/")
    answer = sari.get(again)
    assert answer.content.startswith(b"\xff\xd8") and answer.headers["Cache-Control"] == "no-store"
    viewed = next(entry for entry in review.users.entries(who="sari") if entry.action == "evidence_viewed")
    assert viewed.detail == f"again {again.rpartition('/')[2].removesuffix('.jpg')}"
    elsewhere = again.replace("again", "absent"), again.replace(".jpg", "0.jpg"), again.replace(str(compared.violation.id), str(uuid4()))
    assert [sari.get(path).status_code for path in elsewhere] == [404] * 3


def test_a_changed_picture_of_a_run_is_not_shown(review: RunningReview, compared: Case, sign_in: SignIn) -> None:
    digest = compared.violation.pictures[0].sha256
    (file,) = (review.folder / "evidence-runs" / "again").rglob(f"{digest}.*")
    kept = file.read_bytes()
    file.write_bytes(b"changed")
    answer = sign_in("sari").get(f"/runs/again/violations/{compared.violation.id}/{digest}.jpg")
    file.write_bytes(kept)
    assert answer.status_code == 409
    assert "evidence_corrupt" in {entry.action for entry in review.users.entries(who="sari")}


@pytest.mark.parametrize("name", ["rina", "agus", "admin"])
def test_only_supervisors_see_runs(compared: Case, sign_in: SignIn, name: str) -> None:
    user = sign_in(name)
    picture = f"/runs/again/violations/{compared.violation.id}/{compared.violation.pictures[0].sha256}.jpg"
    assert [user.get(path).status_code for path in ("/runs", "/runs/compare?b=again", picture)] == [403] * 3
    assert 'href="/runs"' not in user.get("/").text


@pytest.mark.parametrize(
    "query, status",
    [
        ("b=absent", 404), ("a=again&b=", 404), ("b=again&after=x", 400), ("b=again&before=99999999999999999-" + "f" * 36, 400),
        ("b=again&from=2026-13-01", 400), ("b=again&kind=all", 400), ("b=again&camera=elsewhere", 200), ("a=again&b=live", 200),
    ],
)  # fmt: skip
def test_addresses_that_make_no_sense_are_refused(compared: Case, sign_in: SignIn, query: str, status: int) -> None:
    assert sign_in("sari").get(f"/runs/compare?{query}").status_code == status


def test_a_range_narrows_the_comparison(compared: Case, sign_in: SignIn) -> None:
    sari = sign_in("sari")
    assert "<article" in sari.get("/runs/compare?b=again&from=24/11/2026&to=24/11/2026").text
    assert "<article" not in sari.get("/runs/compare?b=again&from=25/11/2026").text


def test_long_lists_have_pages_that_lead_on_and_back(review: RunningReview, compared: Case, sign_in: SignIn) -> None:
    found = [later(compared.violation, 100 + minutes) for minutes in range(2 * ENTRIES_PER_PAGE + 3)]
    add_run(review, "long", found)
    sari, address, seen, back = sign_in("sari"), "/runs/compare?b=long&kind=only_b", [], []
    while address:
        page = sari.get(address).text
        seen += re.findall(r"/runs/long/violations/([0-9a-f-]{36})", page)
        back = re.findall(r'id="previous-page"[^>]*href="([^"]+)"', page)
        links = re.findall(r'id="next-page"[^>]*href="([^"]+)"', page)
        address = links[0].replace("&amp;", "&") if links else ""
    assert seen == [str(each.id) for each in found]
    before = sari.get(back[0].replace("&amp;", "&")).text
    middle = [str(each.id) for each in found[ENTRIES_PER_PAGE : 2 * ENTRIES_PER_PAGE]]
    assert re.findall(r"/runs/long/violations/([0-9a-f-]{36})", before) == middle


def test_a_comparison_of_too_many_violations_asks_for_a_shorter_range(review: RunningReview, compared: Case, sign_in: SignIn) -> None:
    statement = "INSERT INTO run_violations SELECT 'many', gen_random_uuid(), camera, rule, occurred_at, plate, document, recorded_at"
    add_run(review, "many", [compared.violation])
    review.execute(f"{statement} FROM run_violations, generate_series(1, {comparisons.MAX_COMPARED}) WHERE run = 'many'")
    sari = sign_in("sari")
    assert 'id="too-many"' in sari.get("/runs/compare?b=many").text
    assert 'id="too-many"' not in sari.get("/runs/compare?b=many&from=25/11/2026").text


def test_what_changed_is_seen_a_minute_later(review: RunningReview, compared: Case, sign_in: SignIn) -> None:
    sari, address = sign_in("sari"), "/runs/compare?b=growing&kind=only_b"
    add_run(review, "growing", [compared.violation])
    assert "<article" not in sari.get(address).text
    PostgresRuns(review.database).add_violation("growing", later(compared.violation, 180), review.clock.now())
    assert "<article" not in sari.get(address).text
    review.clock.advance(61)
    assert "<article" in sari.get(address).text


def test_pages_of_an_empty_list_and_behind_its_end_are_empty() -> None:
    entries: list[ComparisonEntry] = []
    assert not page_of(entries, 10, None, None).entries
    assert not page_of(entries, 10, None, None).has_next
