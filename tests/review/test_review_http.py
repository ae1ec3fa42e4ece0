"""The review over HTTP, with a real web server and a real PostgreSQL: sign-in, permissions, decisions, evidence and the access log."""

import html
import inspect
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.routing import APIRoute
from review_app import PASSWORDS, RunningReview, SignedInUser
from review_app import ROLES as USER_ROLES
from review_cases import CaseSpec

from etle.types import Case, Certainty, Verdict
from review.app import PUBLIC, ROUTERS
from review.pages import static_version
from review.permissions import PERMISSIONS, Permission
from review.sign_in import safe_path
from review.sign_in_attempts import FREE_FAILURES, WINDOW
from review.tokens import csrf_token

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
SECOND = timedelta(seconds=1)
SignIn = Callable[..., SignedInUser]


@pytest.fixture
def open_case(review: RunningReview, reviewer: SignedInUser) -> Case:
    """A new case, assigned to the reviewer."""
    return review.assign_new(reviewer, CaseSpec(name="open", certainty=Certainty.CHECK, doubtful=5))


class TestSigningIn:
    def test_a_page_redirects_to_the_sign_in_form_and_back(self, review: RunningReview) -> None:
        with review.browser() as browser:
            answer = browser.get("/log", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Flog")

    def test_evidence_without_a_session_is_refused_without_a_redirect(self, review: RunningReview, open_case: Case) -> None:
        with review.browser() as browser:
            answer = browser.get(review.evidence_path(open_case), headers={"Accept": "image/*"})
        assert answer.status_code == 401

    def test_the_right_password_opens_a_session_that_scripts_cannot_read(self, review: RunningReview) -> None:
        with review.browser() as browser:
            answer = review.sign_in(browser, "rina", PASSWORDS["rina"])
            cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("etle_session="))
        assert answer.status_code == 303
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie

    def test_behind_https_the_cookie_is_secure(self, review: RunningReview) -> None:
        with review.browser(headers={"X-Forwarded-Proto": "https"}) as browser:
            token = review.csrf_token(browser, "/sign-in")
            form = browser.cookies.get("__Host-etle_form")
            answer = browser.post(
                "/sign-in",
                data={"name": "rina", "password": PASSWORDS["rina"], "csrf": token},
                headers={"Cookie": f"__Host-etle_form={form}"},
            )
        cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("__Host-etle_session="))
        assert "Secure" in cookie and "Path=/" in cookie and "Domain" not in cookie
        assert "strict-transport-security" in answer.headers

    def test_signing_in_again_ends_the_old_session_of_the_browser(self, review: RunningReview, reviewer: SignedInUser) -> None:
        old = reviewer.browser.cookies.get("etle_session")
        reviewer.browser.cookies.delete("etle_session")
        token = review.csrf_token(reviewer.browser, "/sign-in")
        reviewer.browser.cookies.set("etle_session", str(old))
        answer = reviewer.browser.post("/sign-in", data={"name": "dewi", "password": PASSWORDS["dewi"], "csrf": token})
        assert answer.status_code == 303
        with review.browser() as browser:
            assert browser.get("/", headers={"Cookie": f"etle_session={old}", "Accept": "text/html"}).status_code == 303

    @pytest.mark.parametrize("cookie", ["planted", "planted.signature", "x" * 43 + "." + "0" * 64])
    def test_a_planted_cookie_signs_nobody_in(self, review: RunningReview, cookie: str) -> None:
        """Another host of the domain can set a cookie; it knows the CSRF token that belongs to it."""
        for name in ("etle_form", "etle_session"):
            with review.browser() as browser:
                answer = browser.post(
                    "/sign-in",
                    data={"name": "rina", "password": PASSWORDS["rina"], "csrf": csrf_token(cookie)},
                    headers={"Cookie": f"{name}={cookie}"},
                )
            assert answer.status_code == 403 and "set-cookie" not in answer.headers

    def test_over_https_a_cookie_without_the_host_prefix_is_no_session(self, review: RunningReview, reviewer: SignedInUser) -> None:
        with review.browser(headers={"X-Forwarded-Proto": "https"}) as browser:
            token = reviewer.browser.cookies.get("etle_session")
            assert browser.get("/", headers={"Cookie": f"etle_session={token}", "Accept": "text/html"}).status_code == 303
            assert browser.get("/", headers={"Cookie": f"__Host-etle_session={token}", "Accept": "text/html"}).status_code == 200

    def test_the_database_stores_only_the_hash_of_a_session_token(self, review: RunningReview, reviewer: SignedInUser) -> None:
        token = reviewer.browser.cookies.get("etle_session")
        assert token
        stored = [row[0] for row in review.rows("SELECT token_hash FROM sessions")]
        assert stored and all(len(each) == 64 and token not in each for each in stored)

    def test_passwords_are_stored_as_argon2id(self, review: RunningReview) -> None:
        assert all(row[0].startswith("$argon2id$") for row in review.rows("SELECT password_hash FROM users"))

    @pytest.mark.parametrize(
        "name, password",
        [("rina", "not the password"), ("nobody", "not the password"), ("rina\0", "x"), ("x" * 500, "x"), ("rina' OR 1=1 --", "x")],
        ids=["wrong password", "no such user", "a NUL in the name", "a name that is too long", "SQL in the name"],
    )
    def test_wrong_credentials_get_the_same_answer(self, review: RunningReview, name: str, password: str) -> None:
        with review.browser() as browser:
            answer = review.sign_in(browser, name, password)
        assert answer.status_code == 401
        assert "Nama pengguna atau kata sandi salah." in answer.text

    def test_a_disabled_user_is_signed_out_at_once(self, review: RunningReview, sign_in: SignIn) -> None:
        user = sign_in("tono")
        assert user.get("/").status_code == 200
        review.users.disable("tono", review.clock.now())
        assert user.get("/").status_code == 303
        with review.browser() as browser:
            assert review.sign_in(browser, "tono", PASSWORDS["tono"]).status_code == 401

    def test_signing_out_ends_the_session_for_a_copied_cookie(self, sign_in: SignIn) -> None:
        user = sign_in("rina")
        kept = user.browser.cookies.get("etle_session")
        left = user.post("/sign-out")
        assert (left.headers["location"], left.headers["clear-site-data"]) == ("/sign-in", '"cache"')
        assert user.get("/", headers={"Cookie": f"etle_session={kept}"}).status_code == 303

    @pytest.mark.parametrize(
        "steps",
        [
            pytest.param((timedelta(minutes=61),), id="idle for too long"),
            pytest.param((timedelta(minutes=50),) * 13, id="longer than a shift"),
        ],
    )
    def test_a_session_expires(self, review: RunningReview, sign_in: SignIn, steps: tuple[timedelta, ...]) -> None:
        user = sign_in("rina")
        seen = []
        for step in steps:
            review.clock.advance(step.total_seconds())
            seen.append(user.get("/").status_code)
        assert seen[-1] == 303
        assert set(seen[:-1]) <= {200, 303}
        assert seen[: len(steps) // 2] == [200] * (len(steps) // 2)

    def test_guesses_are_throttled_even_if_the_last_one_is_right(self, review: RunningReview) -> None:
        with review.browser(address="10.1.1.1") as browser:
            guesses = [review.sign_in(browser, "bayu", f"guess {n}").status_code for n in range(FREE_FAILURES)]
            held = review.sign_in(browser, "bayu", PASSWORDS["bayu"])
            review.clock.advance(WINDOW.total_seconds() + 1)
            later = review.sign_in(browser, "bayu", PASSWORDS["bayu"])
        assert guesses == [401] * FREE_FAILURES
        assert held.status_code == 429 and "Terlalu banyak percobaan" in held.text
        assert later.status_code == 303

    def test_guesses_from_another_address_do_not_throttle_the_owner(self, review: RunningReview) -> None:
        with review.browser(address="10.1.1.2") as guesser:
            for n in range(FREE_FAILURES + 1):
                review.sign_in(guesser, "bayu", f"guess {n}")
        with review.browser(address="10.1.1.3") as owner:
            assert review.sign_in(owner, "bayu", PASSWORDS["bayu"]).status_code == 303

    @pytest.mark.parametrize(
        "path, expected",
        [
            ("/cases?state=open", "/cases?state=open"),
            ("//evil.example/", "/"),
            ("/\\evil.example/", "/"),
            ("https://evil.example/", "/"),
            ("javascript:alert(1)", "/"),
            ("/\t/evil.example", "/"),
            ("", "/"),
        ],
    )
    def test_signing_in_redirects_to_this_host_only(self, path: str, expected: str) -> None:
        assert safe_path(path) == expected


class TestForms:
    PATHS = ("/sign-in", "/sign-out", "/language", "/next", "/next/ahead", "/cases/{id}/verdict", "/cases/{id}/lease")

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("token", [None, "", "0" * 64, "é"], ids=["none", "empty", "wrong", "not ASCII"])
    def test_a_form_without_its_csrf_token_changes_nothing(
        self, review: RunningReview, reviewer: SignedInUser, open_case: Case, path: str, token: str | None
    ) -> None:
        filled = {
            "name": "rina",
            "password": PASSWORDS["rina"],
            "language": "en",
            "answer": "confirm",
            "opened": "x",
            "known_decisions": "0",
        }
        data = filled | ({} if token is None else {"csrf": token})
        answer = reviewer.browser.post(path.format(id=open_case.violation.id), data=data)
        assert answer.status_code == 403
        assert "kedaluwarsa" in answer.text
        assert review.reload(open_case).decisions == ()

    def test_the_csrf_token_of_another_session_is_refused(self, sign_in: SignIn, reviewer: SignedInUser) -> None:
        other = sign_in("rina")
        assert reviewer.browser.post("/next", data={"csrf": other.csrf}).status_code == 403

    def test_every_form_is_tested(self) -> None:
        posts = {route.path for route in ROUTES if "POST" in (route.methods or set())}
        assert posts == {path.replace("{id}", "{case_id}") for path in self.PATHS}

    def test_a_form_that_is_too_large_is_refused(self, reviewer: SignedInUser) -> None:
        assert reviewer.browser.post("/next", data={"csrf": reviewer.csrf, "x": "y" * 70_000}).status_code == 413


def permissions_of(route: APIRoute) -> frozenset[Permission] | None:
    """Those of which the route requires one; None for a public route."""
    for dependency in route.dependant.dependencies:
        if dependency.call and "require_any." in dependency.call.__qualname__:
            return frozenset(inspect.getclosurevars(dependency.call).nonlocals["permissions"])
    return None


class TestPermissions:
    ALLOWED = {  # noqa: RUF012  # a table
        "rina": {"/", "case", "history", "evidence"},  # it is assigned to her
        "sari": {"/", "/cases", "case", "history", "evidence"},
        "agus": {"/cases", "case", "history", "evidence", "/log"},
        "admin": {"/users", "/log"},
    }

    @pytest.mark.parametrize("name", ALLOWED)
    @pytest.mark.parametrize("path", ["/", "/cases", "case", "history", "evidence", "/log", "/users"])
    def test_each_role_reads_its_own_pages(self, review: RunningReview, sign_in: SignIn, open_case: Case, name: str, path: str) -> None:
        case = f"/cases/{open_case.violation.id}"
        addresses = {"case": case, "history": f"{case}/history", "evidence": review.evidence_path(open_case)}
        answer = sign_in(name).get(addresses.get(path, path))
        if path in self.ALLOWED[name]:
            assert answer.status_code == 200
        elif path == "/":
            assert answer.status_code == 303
        else:
            assert answer.status_code == 403

    @pytest.mark.parametrize("name", ["agus", "admin", "dewi"])
    def test_a_case_that_is_not_assigned_cannot_be_decided(
        self, review: RunningReview, sign_in: SignIn, open_case: Case, name: str
    ) -> None:
        answer = sign_in(name).post(
            f"/cases/{open_case.violation.id}/verdict", answer="confirm", opened="x", known_decisions="0", plate="B1432GMC"
        )
        assert answer.status_code == 403
        assert review.reload(open_case).decisions == ()

    def test_a_denial_is_recorded(self, review: RunningReview, sign_in: SignIn) -> None:
        sign_in("rina").get("/log")
        assert ("rina", "denied", "/log") in review.rows("SELECT who, action, detail FROM access_log")

    def test_a_supervisor_may_decide_what_a_reviewer_decided(
        self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn, open_case: Case
    ) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        sign_in("sari").decide(open_case, "reject emergency_vehicle")
        assert [(each.reviewer, each.verdict) for each in review.reload(open_case).decisions] == [
            (reviewer.name, Verdict.CONFIRM),
            ("sari", Verdict.REJECT),
        ]

    def test_after_the_supervisor_the_reviewer_cannot_undo_it(self, reviewer: SignedInUser, sign_in: SignIn, open_case: Case) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        sign_in("sari").decide(open_case, "reject emergency_vehicle")
        answer = reviewer.post(
            f"/cases/{open_case.violation.id}/verdict", answer="confirm", opened="x", known_decisions="2", plate="B1432GMC"
        )
        assert answer.status_code == 403

    @pytest.mark.parametrize("name", [*ALLOWED, None], ids=str)
    def test_every_route_refuses_whoever_lacks_its_permission(
        self, review: RunningReview, sign_in: SignIn, open_case: Case, name: str | None
    ) -> None:
        """Every role, and nobody, tries every route with every method."""
        values = {
            "case_id": str(open_case.violation.id),
            "digest": open_case.violation.pictures[0].sha256,
            "suffix": "jpg",
            "campaign_id": "zebra",
            "run": "again",
            "violation_id": str(open_case.violation.id),
        }
        with review.browser() as nobody:
            user = sign_in(name) if name else None
            browser, csrf = (user.browser, user.csrf) if user else (nobody, review.csrf_token(nobody, "/sign-in"))
            own = PERMISSIONS[USER_ROLES[name]] if name else frozenset()
            refused = []
            for route in ROUTES:
                permissions = permissions_of(route)
                for method in sorted(route.methods or ()) if permissions is not None and not permissions & own else ():
                    answer = browser.request(method, route.path.format(**values), data={"csrf": csrf} if method == "POST" else None)
                    refused.append((route.path, answer.status_code))
        assert {status for _, status in refused} == {403 if name else 401}, refused
        assert review.reload(open_case).decisions == ()

    def test_every_route_requires_a_permission(self) -> None:
        """A new route without `require_any(...)` fails here."""
        public = {
            route.path
            for route in ROUTES
            if not any("require_any." in each.call.__qualname__ for each in route.dependant.dependencies if each.call)
        }
        assert public == PUBLIC


class TestDecisions:
    def test_a_decision_records_who_when_and_how_long(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        form = reviewer.form(open_case)
        review.clock.advance(7.5)
        reviewer.post(form.pop("action"), **form, answer="confirm", plate="B 1432 GMC", note=" jelas ")
        (decision,) = review.reload(open_case).decisions
        assert (decision.verdict, decision.reason, decision.plate_text, decision.note) == (Verdict.CONFIRM, None, "B1432GMC", "jelas")
        assert (decision.reviewer, decision.decided_at, decision.seconds_taken) == (reviewer.name, review.clock.now(), 7.5)

    def test_a_forged_start_gives_no_duration(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        reviewer.post(f"/cases/{open_case.violation.id}/verdict", answer="confirm", opened="2020", known_decisions="0", plate="B1432GMC")
        assert review.reload(open_case).decisions[0].seconds_taken is None

    @pytest.mark.parametrize(
        "answer, plate, note, accept_irregular, expected",
        [
            pytest.param("confirm", "B1432GMC", "", "", 303, id="confirmed"),
            pytest.param("warn", "b 1432 gmc", "", "", 303, id="warned"),
            pytest.param("reject no_violation", "", "", "", 303, id="rejected without a plate"),
            pytest.param("reject other", "", "mobil jenazah", "", 303, id="rejected for another reason, with a note"),
            pytest.param("confirm", "B1432GMCX9", "", "yes", 303, id="an irregular plate is accepted on purpose"),
            pytest.param("reject", "", "", "", 422, id="no reason"),
            pytest.param("reject other", "", "  ", "", 422, id="another reason without a note"),
            pytest.param("confirm", "", "", "", 422, id="no plate"),
            pytest.param("confirm", "B1432GMCX9", "", "", 422, id="an irregular plate"),
            pytest.param("warn", "???", "", "yes", 422, id="no legible character, though accepted on purpose"),
            pytest.param("reject no_violation", "???", "", "", 422, id="rejected with a text that has no legible character"),
            pytest.param("confirm", "B1432GMC", "x" * 501, "", 422, id="a note that is too long"),
            pytest.param("reject because", "", "", "", 400, id="a reason that is not in the list"),
            pytest.param("confirm other", "B1432GMC", "", "", 400, id="a reason to confirm"),
            pytest.param("delete", "", "", "", 400, id="a verdict that does not exist"),
        ],
    )
    def test_what_a_decision_needs(
        self,
        review: RunningReview,
        reviewer: SignedInUser,
        open_case: Case,
        answer: str,
        plate: str,
        note: str,
        accept_irregular: str,
        expected: int,
    ) -> None:
        form = reviewer.form(open_case)
        response = reviewer.post(form.pop("action"), **form, answer=answer, plate=plate, note=note, accept_irregular=accept_irregular)
        assert response.status_code == expected
        assert len(review.reload(open_case).decisions) == (1 if expected == 303 else 0)

    def test_the_form_keeps_its_input_after_a_problem(self, reviewer: SignedInUser, open_case: Case) -> None:
        form = reviewer.form(open_case)
        page = reviewer.post(form.pop("action"), **form, answer="confirm", plate="B1432GMCX9", note="truk di depan").text
        assert 'value="B1432GMCX9"' in page and 'value="truk di depan"' in page

    def test_a_case_decided_by_another_is_shown_again_first(
        self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn, open_case: Case
    ) -> None:
        form = reviewer.form(open_case)
        sign_in("sari").decide(open_case, "warn", plate="B1432GMC")
        answer = reviewer.post(form.pop("action"), **form, answer="confirm", plate="B1433GMC", note="truk di depan")
        assert answer.status_code == 409
        assert "sari sudah memutus kasus ini: Teguran" in answer.text
        assert 'value="B1433GMC"' in answer.text and 'value="truk di depan"' in answer.text
        assert [each.reviewer for each in review.reload(open_case).decisions] == ["sari"]
        assert ("verdict_late",) in review.rows("SELECT action FROM access_log WHERE violation = %s", str(open_case.violation.id))

    def test_after_the_lease_ran_out_the_typed_text_is_shown(
        self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn, open_case: Case
    ) -> None:
        form = reviewer.form(open_case)
        review.clock.advance(16 * 60)
        assert sign_in("dewi").post("/next").headers["location"] == f"/cases/{open_case.violation.id}"
        answer = reviewer.post(form.pop("action"), **form, answer="reject other", plate="", note="mobil jenazah")
        assert answer.status_code == 409
        assert "di layar dewi" in answer.text and 'value="mobil jenazah"' in answer.text
        assert review.reload(open_case).decisions == ()

    def test_one_form_sent_several_times_at_once_gives_one_decision(
        self, review: RunningReview, reviewer: SignedInUser, open_case: Case
    ) -> None:
        form = reviewer.form(open_case)
        path = form.pop("action")
        with ThreadPoolExecutor(8) as sender:
            answers = [*sender.map(lambda n: reviewer.post(path, **form, answer="confirm", plate="B1432GMC", note=f"no. {n}"), range(8))]
        assert sorted(answer.status_code for answer in answers) == [303] + [409] * 7
        assert len(review.reload(open_case).decisions) == 1
        late = next(answer.text for answer in answers if answer.status_code == 409)
        assert "Kasus ini sudah diputus oleh rina" in late and 'value="no. ' in late
        logged = review.rows("SELECT action FROM access_log WHERE violation = %s AND action = 'decided'", str(open_case.violation.id))
        assert len(logged) == 1

    def test_of_two_supervisors_at_once_one_decides_and_the_other_sees_it(
        self, review: RunningReview, sign_in: SignIn, open_case: Case
    ) -> None:
        supervisors = [sign_in("sari"), sign_in("sari")]
        forms = [each.form(open_case) for each in supervisors]

        def decide(n: int) -> int:
            answer = ("confirm", "reject no_violation")[n]
            return supervisors[n].post(forms[n].pop("action"), **forms[n], answer=answer, plate="B1432GMC").status_code

        with ThreadPoolExecutor(2) as sender:
            assert sorted(sender.map(decide, range(2))) == [303, 409]
        assert len(review.reload(open_case).decisions) == 1

    def test_a_number_of_decisions_that_the_case_never_had_is_refused(
        self, review: RunningReview, reviewer: SignedInUser, open_case: Case
    ) -> None:
        form = reviewer.form(open_case) | {"known_decisions": "7"}
        assert reviewer.post(form.pop("action"), **form, answer="confirm", plate="B1432GMC").status_code == 409
        assert review.reload(open_case).decisions == ()

    def test_a_changed_verdict_adds_a_decision(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        reviewer.decide(open_case, "reject unclear_picture")
        assert [each.verdict for each in review.reload(open_case).decisions] == [Verdict.CONFIRM, Verdict.REJECT]
        assert review.reload(open_case).state is Verdict.REJECT

    def test_views_edits_and_decisions_are_recorded(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        reviewer.get(f"/cases/{open_case.violation.id}")
        reviewer.get(review.evidence_path(open_case))
        reviewer.decide(open_case, "confirm", plate="B 1482 GMC")
        lines = [
            tuple(row)
            for row in review.rows(
                "SELECT action, detail FROM access_log WHERE violation = %s AND who = %s ORDER BY id",
                str(open_case.violation.id),
                reviewer.name,
            )
        ]
        assert [action for action, _ in lines] == ["case_taken", "case_viewed", "evidence_viewed", "case_viewed", "plate_edited", "decided"]
        assert lines[-2:] == [("plate_edited", "B1432GMC > B1482GMC"), ("decided", "confirm")]

    @pytest.mark.parametrize("sql", ["UPDATE access_log SET who = 'x'", "DELETE FROM access_log", "TRUNCATE access_log"])
    def test_the_access_log_cannot_be_changed(self, review: RunningReview, reviewer: SignedInUser, sql: str) -> None:
        with pytest.raises(Exception, match="rows are only ever added"):
            review.execute(sql)


class TestLeasesAndTypedText:
    def test_a_page_in_use_keeps_its_case(self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn, open_case: Case) -> None:
        for _ in range(4):
            review.clock.advance(10 * 60)
            answer = reviewer.post(f"/cases/{open_case.violation.id}/lease")
            assert (answer.status_code, answer.json()) == (200, {"held": True})
        assert sign_in("dewi").post("/next").headers["location"] == "/"

    def test_a_page_that_was_left_is_told_who_has_the_case(
        self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn, open_case: Case
    ) -> None:
        review.clock.advance(16 * 60)
        dewi = sign_in("dewi")
        dewi.post("/next")
        answer = reviewer.post(f"/cases/{open_case.violation.id}/lease")
        assert answer.status_code == 409 and "di layar dewi" in answer.json()["message"]
        dewi.decide(open_case, "confirm", plate="B1432GMC")
        assert "dewi sudah memutus" in reviewer.post(f"/cases/{open_case.violation.id}/lease").json()["message"]

    def test_after_signing_in_again_the_form_is_as_it_was(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        form = reviewer.form(open_case)
        review.clock.advance(61 * 60)
        browser = reviewer.browser
        fields = {"csrf": reviewer.csrf, **form, "answer": "confirm", "plate": "B 1433 GMC", "note": "truk; di depan é"}
        sent = browser.post(fields.pop("action"), data=fields, headers={"Accept": "text/html"})
        case = f"/cases/{open_case.violation.id}"
        assert sent.status_code == 303 and parse_qs(urlsplit(sent.headers["location"]).query) == {"next": [case], "expired": ["true"]}
        token = review.csrf_token(browser, sent.headers["location"])
        back = browser.post("/sign-in", data={"name": "rina", "password": PASSWORDS["rina"], "csrf": token, "next": case})
        assert back.headers["location"] == case
        page = browser.get(case, headers={"Accept": "text/html"}).text
        assert 'value="B 1433 GMC"' in page and 'value="truk; di depan é"' in page and "belum dicatat" in page
        assert 'value="truk' not in browser.get(case, headers={"Accept": "text/html"}).text
        assert review.reload(open_case).decisions == ()

    def test_a_form_of_the_session_before_keeps_its_text(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        form = reviewer.form(open_case)
        old_csrf = reviewer.csrf
        reviewer.browser.cookies.delete("etle_session")
        review.sign_in(reviewer.browser, "rina", PASSWORDS["rina"])  # in another window of the same browser
        fields = {"csrf": old_csrf, **form, "answer": "confirm", "plate": "B1433GMC", "note": "x" * 500}
        sent = reviewer.browser.post(fields.pop("action"), data=fields, headers={"Accept": "text/html"})
        assert (sent.status_code, sent.headers["location"]) == (303, f"/cases/{open_case.violation.id}")
        assert "x" * 500 in reviewer.get(sent.headers["location"]).text
        assert review.reload(open_case).decisions == ()

    def test_who_signs_in_again_too_late_sees_what_happened_with_the_text(
        self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn, open_case: Case
    ) -> None:
        form = reviewer.form(open_case)
        review.clock.advance(61 * 60)
        sign_in("dewi").post("/next")
        fields = {"csrf": reviewer.csrf, **form, "answer": "confirm", "note": "lihat klip"}
        sent = reviewer.browser.post(fields.pop("action"), data=fields, headers={"Accept": "text/html"})
        token = review.csrf_token(reviewer.browser, sent.headers["location"])
        reviewer.browser.post("/sign-in", data={"name": "rina", "password": PASSWORDS["rina"], "csrf": token})
        answer = reviewer.get(f"/cases/{open_case.violation.id}")
        assert answer.status_code == 409 and "di layar dewi" in answer.text and 'value="lihat klip"' in answer.text

    def test_the_address_of_a_verdict_that_was_not_accepted_can_be_loaded_again(self, reviewer: SignedInUser, open_case: Case) -> None:
        answer = reviewer.get(f"/cases/{open_case.violation.id}/verdict")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{open_case.violation.id}")

    def test_from_another_case_there_is_a_way_back_to_the_case_in_hand(self, review: RunningReview, reviewer: SignedInUser) -> None:
        first = review.assign_new(reviewer, CaseSpec(name="before"))
        reviewer.decide(first, "confirm", plate="B1432GMC")
        second = review.assign_new(reviewer, CaseSpec(name="in hand"))
        assert f'id="in-hand" href="/cases/{second.violation.id}"' in reviewer.get(f"/cases/{first.violation.id}").text
        assert 'id="in-hand"' not in reviewer.get(f"/cases/{second.violation.id}").text

    def test_pictures_of_the_next_case_are_sent_ahead_for_this_session_alone(
        self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn, open_case: Case
    ) -> None:
        following = review.add(CaseSpec(name=f"following {open_case.violation.id}", occurred_after=timedelta(minutes=1)))
        for _ in range(2):
            named = reviewer.post("/next/ahead").json()["pictures"]
            assert named[0] == review.evidence_path(following)
        sent = reviewer.get(named[0])
        assert (sent.headers["cache-control"], sent.headers["vary"]) == ("private, max-age=300, must-revalidate", "Cookie")
        assert reviewer.get(review.evidence_path(open_case)).headers["cache-control"] == "no-store"
        logged = review.rows("SELECT action FROM access_log WHERE violation = %s", str(following.violation.id))
        assert logged == [("evidence_sent_ahead",)]
        assert sign_in("dewi").post("/next").headers["location"] == "/"
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        assert reviewer.get(named[0]).headers["cache-control"] == "no-store"
        assert reviewer.post("/next").headers["location"] == f"/cases/{following.violation.id}"


class TestCompression:
    def test_pages_and_scripts_are_compressed_and_evidence_is_not(
        self, review: RunningReview, reviewer: SignedInUser, open_case: Case
    ) -> None:
        page = reviewer.get(f"/cases/{open_case.violation.id}")
        assert page.headers["content-encoding"] == "gzip"
        picture = reviewer.get(review.evidence_path(open_case))
        assert "content-encoding" not in picture.headers and int(picture.headers["content-length"]) == len(picture.content)

    def test_the_csrf_token_is_another_one_on_each_page(self, review: RunningReview, reviewer: SignedInUser) -> None:
        """Else the lengths of compressed pages that repeat a guess would tell it."""
        tokens = {review.csrf_token(reviewer.browser, "/") for _ in range(3)}
        assert len(tokens) == 3
        assert all(reviewer.browser.post("/language", data={"csrf": token, "language": "id"}).status_code == 303 for token in tokens)


class TestEvidence:
    def test_a_picture_is_served_as_the_original_bytes_that_no_browser_stores(
        self, review: RunningReview, reviewer: SignedInUser, open_case: Case
    ) -> None:
        answer = reviewer.get(review.evidence_path(open_case))
        assert answer.content == review.evidence.get(open_case.violation.pictures[0].sha256)
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize(
        "ranges, lines",
        [
            pytest.param((None, None), 2, id="the whole file twice"),
            pytest.param(("x", "bytes=5-2", "bytes=00-", "bytes=1-", "bytes=-99999999"), 5, id="ranges that get all or nearly all of it"),
            pytest.param(("bytes=0-99", "bytes=100-199", "bytes=200-"), 1, id="a file in parts"),
            pytest.param(("bytes=0-99", "bytes=200-299"), 2, id="a part that was skipped"),
            pytest.param(("bytes=99999999-",), 0, id="no byte is sent"),
        ],
    )
    def test_a_look_is_recorded_whenever_bytes_are_sent_that_continue_no_part(
        self, review: RunningReview, reviewer: SignedInUser, open_case: Case, ranges: tuple[str | None, ...], lines: int
    ) -> None:
        for requested in ranges:
            reviewer.get(review.evidence_path(open_case), headers={"Range": requested} if requested else None)
        logged = review.rows(
            "SELECT detail FROM access_log WHERE violation = %s AND action = 'evidence_viewed'", str(open_case.violation.id)
        )
        assert logged == [(open_case.violation.pictures[0].sha256,)] * lines

    def test_a_cached_picture_is_not_sent_again(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        path = review.evidence_path(open_case)
        tag = reviewer.get(path).headers["etag"]
        again = reviewer.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")

    def test_a_clip_is_served_in_ranges(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        assert open_case.violation.clip is not None
        whole = review.evidence.get(open_case.violation.clip.sha256)
        path = f"/cases/{open_case.violation.id}/evidence/{open_case.violation.clip.sha256}.mp4"
        part = reviewer.get(path, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, whole[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
        assert part.headers["content-type"] == "video/mp4"
        outside = reviewer.get(path, headers={"Range": f"bytes={len(whole)}-"})
        assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{len(whole)}")

    def test_a_clip_is_read_once_for_all_its_ranges(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        assert open_case.violation.clip is not None
        clip = open_case.violation.clip.sha256
        path, reads = f"/cases/{open_case.violation.id}/evidence/{clip}.mp4", review.evidence.reads[clip]
        parts = [reviewer.get(path, headers={"Range": f"bytes={start}-{start + 99}"}) for start in (0, 100, 200)]
        assert [part.status_code for part in parts] == [206] * 3
        assert review.evidence.reads[clip] - reads <= 1

    def test_a_picture_that_was_changed_on_disk_is_an_alarm_and_a_page_that_says_so(
        self, review: RunningReview, reviewer: SignedInUser, open_case: Case
    ) -> None:
        picture = open_case.violation.pictures[0].sha256
        whole = review.evidence.get(picture)
        metrics = review.app.state.deps.metrics
        before = metrics.value("etle_evidence_errors_total", kind="corrupt") or 0
        review.evidence.tamper(picture)
        try:
            answer = reviewer.get(review.evidence_path(open_case))
        finally:
            next(review.evidence.folder.rglob(f"{picture}.*")).write_bytes(whole)
        assert answer.status_code == 409 and "telah berubah" in answer.text and "laporkan" in answer.text
        assert metrics.value("etle_evidence_errors_total", kind="corrupt") == before + 1
        assert ("evidence_corrupt", picture) in review.rows("SELECT action, detail FROM access_log")

    def test_a_file_of_no_or_another_case_is_not_found(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        stray = review.evidence.put(b"of no case", ".jpg")
        base = f"/cases/{open_case.violation.id}/evidence"
        digest = open_case.violation.pictures[0].sha256
        for name in (f"{stray}.jpg", f"{digest}.mp4", f"{digest}.html", "..%2f..%2fetc%2fpasswd.jpg", f"{digest.upper()}.jpg"):
            assert reviewer.get(f"{base}/{name}").status_code == 404

    def test_the_case_of_another_reviewer_is_forbidden(self, review: RunningReview, sign_in: SignIn, open_case: Case) -> None:
        dewi = sign_in("dewi")
        for path in (f"/cases/{open_case.violation.id}", review.evidence_path(open_case), f"/cases/{open_case.violation.id}/plate?text=x"):
            assert dewi.get(path).status_code == 403


class TestMarkup:
    MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

    @pytest.fixture
    def answers(self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn) -> Iterator[list[httpx.Response]]:
        """Every page that shows a plate, a note, a user name or a camera name, each with markup in it."""
        case = review.assign_new(
            reviewer,
            CaseSpec(
                name="markup",
                plate="B1<B>X",
                camera_name=self.MARKUP,
                notes=(self.MARKUP,),
                marks=(self.MARKUP,),
                alternatives=((self.MARKUP, 0.2),),
            ),
        )
        form = reviewer.form(case)
        faulty = reviewer.post(form.pop("action"), **form, answer="confirm", plate=self.MARKUP[:40], note=self.MARKUP)
        reviewer.decide(case, "reject other", plate=self.MARKUP[:40], note=self.MARKUP)
        with review.browser() as browser:
            refused = review.sign_in(browser, self.MARKUP, "x")
            missing = browser.get(f"/sign-in?next={self.MARKUP}")
        path = f"/cases/{case.violation.id}"
        sari, agus = sign_in("sari"), sign_in("agus")
        return iter(
            [
                [
                    faulty,
                    refused,
                    missing,
                    reviewer.get(path),
                    reviewer.get("/"),
                    sari.get("/cases"),
                    sari.get(f"{path}/history"),
                    agus.get("/log"),
                    sari.get("/cases", params={"camera": self.MARKUP, "plate": self.MARKUP}),
                    agus.get("/log", params={"who": self.MARKUP}),
                ]
            ]
        )

    def test_input_is_escaped(self, answers: Iterator[list[httpx.Response]]) -> None:
        for answer in next(iter(answers)):
            assert answer.status_code in (200, 401, 422)
            assert "<script>alert" not in answer.text
            assert "<img src=x" not in answer.text
            assert "B1<B>" not in answer.text


class TestMarks:
    def test_the_marks_of_a_case_are_the_first_thing_on_its_page_in_both_languages_and_in_the_list(
        self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn
    ) -> None:
        case = review.assign_new(reviewer, CaseSpec(name="marked", plate="B1234XY", marks=("burst", "red_without_amber")))
        page = reviewer.get(f"/cases/{case.violation.id}").text
        first = page.index("Beberapa kendaraan menerobos lampu merah ini")
        assert first < page.index("Lampu merah tidak terlihat setelah kuning") < page.index("<h1>") < page.index('id="media"')
        reviewer.browser.cookies.set("etle_language", "en")
        english = reviewer.get(f"/cases/{case.violation.id}").text
        assert "Several vehicles ran this red" in english and "Look for an officer" in english
        assert "Beberapa kendaraan menerobos lampu merah ini" in sign_in("sari").get("/cases", params={"plate": "B1234XY"}).text

    @pytest.mark.parametrize(
        "answer, note, expected",
        [
            pytest.param("confirm", "", 422, id="confirmed without a word"),
            pytest.param("confirm", "  ", 422, id="confirmed with spaces"),
            pytest.param("warn", "", 422, id="warned without a word"),
            pytest.param("confirm", "STNK habis 03/2026, cek ERI", 303, id="confirmed with what proves it"),
            pytest.param("reject no_violation", "", 303, id="rejected"),
        ],
    )
    def test_a_lead_is_confirmed_only_with_what_proves_it(
        self, review: RunningReview, reviewer: SignedInUser, answer: str, note: str, expected: int
    ) -> None:
        case = review.assign_new(reviewer, CaseSpec(name=f"lead {answer} {note}", marks=("lead",)))
        assert "Apa buktinya" in reviewer.get(f"/cases/{case.violation.id}").text
        form = reviewer.form(case)
        response = reviewer.post(form.pop("action"), **form, answer=answer, plate="B1432GMC", note=note)
        assert response.status_code == expected
        assert ("tulis di catatan apa yang membuktikan" in response.text) == (expected == 422)
        assert [each.note for each in review.reload(case).decisions] == ([note] if expected == 303 else [])

    def test_a_case_without_marks_has_no_empty_list(self, reviewer: SignedInUser, open_case: Case) -> None:
        assert 'id="marks"' not in reviewer.get(f"/cases/{open_case.violation.id}").text


class TestHeaders:
    @pytest.mark.parametrize("path, status", [("/sign-in", 200), ("/", 303), ("/nowhere", 404), ("/sign-in?expired=what", 400)])
    def test_every_response_has_the_security_headers(self, review: RunningReview, path: str, status: int) -> None:
        with review.browser() as browser:
            answer = browser.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == status
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"

    def test_the_case_page_keeps_to_the_content_policy(self, review: RunningReview, reviewer: SignedInUser, open_case: Case) -> None:
        page = reviewer.get(f"/cases/{open_case.violation.id}").text
        assert re.findall(r"\s(?:style|on[a-z]+)\s*=", page) == []
        assert all("src=" in script for script in re.findall(r"<script[^>]*>", page))

    @pytest.mark.parametrize("path", ["/static/anything", "/static/{version}/absent.css", "/static/"])
    def test_an_error_page_under_static_is_not_cached(self, reviewer: SignedInUser, path: str) -> None:
        answer = reviewer.get(path.format(version=static_version()))
        assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")

    def test_static_files_are_cached_without_limit_under_their_digest(self, review: RunningReview) -> None:
        with review.browser() as browser:
            sheet = re.search(r"/static/[0-9a-f]{12}/review\.css", browser.get("/sign-in").text)
            assert sheet is not None
            answer = browser.get(sheet.group())
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith("text/css")


class TestBrowsing:
    def test_the_list_is_filtered(self, review: RunningReview, reviewer: SignedInUser, sign_in: SignIn) -> None:
        case = review.assign_new(reviewer, CaseSpec(name="filtered", plate="AE7777QQ"))
        sari = sign_in("sari")
        assert "AE 7777 QQ" in sari.get("/cases", params={"plate": "e 7777", "state": "open"}).text
        assert "AE 7777 QQ" not in sari.get("/cases", params={"plate": "7777", "state": "confirm"}).text
        reviewer.decide(case, "confirm", plate="AE7777QQ")
        assert "AE 7777 QQ" in sari.get("/cases", params={"plate": "7777", "state": "confirm"}).text
        assert "AE 7777 QQ" not in sari.get("/cases", params={"plate": "7777", "to": "2026-11-23"}).text
        assert "AE 7777 QQ" in sari.get("/cases", params={"plate": "7777", "from": "2026-11-24", "to": "2026-11-24"}).text

    def test_pages_lead_to_the_next_and_back_to_the_one_before(self, review: RunningReview, sign_in: SignIn) -> None:
        day = timedelta(days=30)
        cases = [review.add_quickly(CaseSpec(name=f"page {n}", plate=f"Q{n}Q", occurred_after=day + n * SECOND)) for n in range(120)]
        newest_first, sari = [str(case) for case in reversed(cases)], sign_in("sari")

        def page(url: str) -> tuple[list[str], dict[str, str], str]:
            text = sari.get(url).text
            links = {rel: html.unescape(link) for rel, link in re.findall(r'rel="(\w+)" href="([^"]+)"', text)}
            total = re.search(r'id="total">([^<]+)<', text)
            assert total is not None
            return re.findall(r'<a href="/cases/([0-9a-f-]{36})">', text), links, total[1]

        first = page("/cases?from=2026-12-20")
        second = page(first[1]["next"])
        third = page(second[1]["next"])
        assert (first[0], second[0], third[0]) == (newest_first[:50], newest_first[50:100], newest_first[100:])
        assert ("prev" in first[1], "next" in third[1], first[2]) == (False, False, "120 kasus")
        assert page(third[1]["prev"])[0] == second[0]
        back = page(second[1]["prev"])
        assert back[0] == first[0] and "prev" not in back[1] and page(back[1]["next"])[0] == second[0]
        assert page("/cases?from=2026-12-20&order=oldest")[0] == newest_first[::-1][:50]

    def test_cameras_and_officers_to_filter_by_have_names(self, reviewer: SignedInUser, sign_in: SignIn, open_case: Case) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        sari = sign_in("sari")
        text = sari.get("/cases").text
        assert '<option value="sudirman-barat-1">Sudirman Barat 1</option>' in text
        assert "<option>rina</option>" in text and "<option>agus</option>" not in text
        assert f"/cases/{open_case.violation.id}" in sari.get("/cases", params={"reviewer": "rina", "order": "decided"}).text
        assert f"/cases/{open_case.violation.id}" not in sari.get("/cases", params={"reviewer": "dewi"}).text

    def test_the_total_of_all_cases_is_the_maintained_count(self, review: RunningReview, sign_in: SignIn) -> None:
        (stored,) = review.rows("SELECT count(*) FROM decisions WHERE id IN (SELECT max(id) FROM decisions GROUP BY violation)")
        numbers = [
            int(found[1].replace(".", ""))
            for verdict in Verdict
            if (found := re.search(r'id="total">([\d.]+) kasus<', sign_in("sari").get(f"/cases?state={verdict}").text))
        ]
        assert sum(numbers) == stored[0]

    def test_the_rules_to_filter_by_are_those_of_the_law_file(self, sign_in: SignIn) -> None:
        from pipeline.assembly import shipped_law
        from pipeline.rules import RULES

        options = dict(re.findall(r'<option value="([a-z_]+)">([^<]+)</option>', sign_in("sari").get("/cases").text))
        assert {rule: options.get(rule) for rule in RULES} == {rule: shipped_law().offences[rule].title_id for rule in RULES}
        assert options["wrong_way"] == "Melawan arus"

    def test_days_are_typed_and_shown_as_day_month_year(self, review: RunningReview, sign_in: SignIn) -> None:
        review.add_quickly(CaseSpec(name="day", plate="Z9DAY", occurred_after=timedelta(days=60)))
        sari = sign_in("sari")
        page = sari.get("/cases", params={"from": "22/1/2027", "plate": "Z9DAY"}).text
        assert "Z 9 DAY" in page and 'name="from" value="22/01/2027"' in page
        assert "Z 9 DAY" not in sari.get("/cases", params={"from": "25/01/2027", "plate": "Z9DAY"}).text
        assert sari.get("/cases", params={"from": "31/02/2027"}).status_code == 400

    def test_a_date_that_does_not_exist_is_refused(self, sign_in: SignIn) -> None:
        assert sign_in("sari").get("/cases", params={"from": "2026-13-77"}).status_code == 400

    def test_the_history_shows_every_decision(self, reviewer: SignedInUser, sign_in: SignIn, open_case: Case) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        reviewer.decide(open_case, "reject unclear_picture", note="terlalu gelap")
        page = sign_in("agus").get(f"/cases/{open_case.violation.id}/history").text
        assert "Dikonfirmasi" in page and "Gambar tidak jelas" in page and "terlalu gelap" in page and "digantikan" in page
        assert "melihat kasus" in page

    def test_the_pages_are_also_in_english(self, sign_in: SignIn) -> None:
        user = sign_in("rina")
        user.post("/language", language="en", back="/")
        assert "Take the next case" in user.get("/").text or "The queue is empty" in user.get("/").text

    def test_a_case_that_does_not_exist(self, sign_in: SignIn) -> None:
        sari = sign_in("sari")
        assert sari.get("/cases/00000000-0000-0000-0000-000000000000").status_code == 404
        assert sari.get("/cases/7").status_code == 400
