"""The pages over HTTP, on a real server and a real PostgreSQL: who gets in, who may do what, and what is recorded of it."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import httpx
import pytest
from fastapi.routing import APIRoute
from review_cases import Story
from review_desk import PASSWORDS, Pages, Person

from etle.types import Case, Certainty, Verdict
from review.app import PUBLIC, ROUTERS
from review.sign_in import MOST_FROM_ONE_ADDRESS, WINDOW, safe_path

ROUTES = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
Visit = Callable[..., Person]


@pytest.fixture
def open_case(pages: Pages, reviewer: Person) -> Case:
    """A fresh case on the reviewer's screen."""
    return pages.give(reviewer, Story(name="open", certainty=Certainty.CHECK, doubtful=5))


class TestSigningIn:
    def test_a_stranger_is_led_to_the_form_and_back(self, pages: Pages) -> None:
        with pages.browser() as browser:
            answer = browser.get("/log", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2Flog")

    def test_evidence_for_a_stranger_is_refused_without_a_detour(self, pages: Pages, open_case: Case) -> None:
        with pages.browser() as browser:
            answer = browser.get(pages.evidence_path(open_case), headers={"Accept": "image/*"})
        assert answer.status_code == 401

    def test_the_right_password_opens_a_session_that_scripts_cannot_read(self, pages: Pages) -> None:
        with pages.browser() as browser:
            answer = pages.sign_in(browser, "rina", PASSWORDS["rina"])
            cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("etle_session="))
        assert answer.status_code == 303
        assert "HttpOnly" in cookie and "SameSite=lax" in cookie and "Secure" not in cookie

    def test_behind_https_the_cookie_is_for_https_only(self, pages: Pages) -> None:
        with pages.browser(headers={"X-Forwarded-Proto": "https"}) as browser:
            token = pages.form_token(browser, "/sign-in")
            form = browser.cookies.get("etle_form")
            answer = browser.post(
                "/sign-in",
                data={"name": "rina", "password": PASSWORDS["rina"], "csrf": token},
                headers={"Cookie": f"etle_form={form}"},
            )
        cookie = next(each for each in answer.headers.get_list("set-cookie") if each.startswith("etle_session="))
        assert "Secure" in cookie
        assert "strict-transport-security" in answer.headers

    def test_the_database_knows_a_session_by_its_digest_only(self, pages: Pages, reviewer: Person) -> None:
        token = reviewer.browser.cookies.get("etle_session")
        assert token
        stored = [row[0] for row in pages.rows("SELECT token_hash FROM sessions")]
        assert stored and all(len(each) == 64 and token not in each for each in stored)

    def test_passwords_are_kept_as_argon2id(self, pages: Pages) -> None:
        assert all(row[0].startswith("$argon2id$") for row in pages.rows("SELECT password_hash FROM users"))

    @pytest.mark.parametrize(
        "name, password",
        [("rina", "not the password"), ("nobody", "not the password"), ("rina\0", "x"), ("x" * 500, "x"), ("rina' OR 1=1 --", "x")],
        ids=["wrong password", "no such user", "a NUL in the name", "a name without end", "SQL for a name"],
    )
    def test_a_wrong_pair_is_refused_alike(self, pages: Pages, name: str, password: str) -> None:
        with pages.browser() as browser:
            answer = pages.sign_in(browser, name, password)
        assert answer.status_code == 401
        assert "Nama pengguna atau kata sandi salah." in answer.text

    def test_a_disabled_user_is_out_at_once(self, pages: Pages, visit: Visit) -> None:
        person = visit("tono")
        assert person.get("/").status_code == 200
        pages.users.disable("tono", pages.clock.now())
        assert person.get("/").status_code == 303
        with pages.browser() as browser:
            assert pages.sign_in(browser, "tono", PASSWORDS["tono"]).status_code == 401

    def test_signing_out_ends_the_session_for_a_kept_cookie_too(self, visit: Visit) -> None:
        person = visit("rina")
        kept = person.browser.cookies.get("etle_session")
        assert person.post("/sign-out").headers["location"] == "/sign-in"
        assert person.get("/", headers={"Cookie": f"etle_session={kept}"}).status_code == 303

    @pytest.mark.parametrize(
        "steps",
        [pytest.param((timedelta(minutes=61),), id="left alone"), pytest.param((timedelta(minutes=50),) * 13, id="longer than a shift")],
    )
    def test_a_session_runs_out(self, pages: Pages, visit: Visit, steps: tuple[timedelta, ...]) -> None:
        person = visit("rina")
        seen = []
        for step in steps:
            pages.clock.pass_time(step)
            seen.append(person.get("/").status_code)
        assert seen[-1] == 303
        assert set(seen[:-1]) <= {200, 303}
        assert seen[: len(steps) // 2] == [200] * (len(steps) // 2)

    def test_guesses_are_held_back_even_if_the_last_one_is_right(self, pages: Pages) -> None:
        with pages.browser(address="10.1.1.1") as browser:
            guesses = [pages.sign_in(browser, "bayu", f"guess {n}").status_code for n in range(MOST_FROM_ONE_ADDRESS)]
            held = pages.sign_in(browser, "bayu", PASSWORDS["bayu"])
            pages.clock.pass_time(WINDOW + timedelta(seconds=1))
            later = pages.sign_in(browser, "bayu", PASSWORDS["bayu"])
        assert guesses == [401] * MOST_FROM_ONE_ADDRESS
        assert held.status_code == 429 and "Terlalu banyak percobaan" in held.text
        assert later.status_code == 303

    def test_guesses_from_elsewhere_do_not_hold_back_the_owner(self, pages: Pages) -> None:
        with pages.browser(address="10.1.1.2") as guesser:
            for n in range(MOST_FROM_ONE_ADDRESS + 1):
                pages.sign_in(guesser, "bayu", f"guess {n}")
        with pages.browser(address="10.1.1.3") as owner:
            assert pages.sign_in(owner, "bayu", PASSWORDS["bayu"]).status_code == 303

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
    def test_after_signing_in_one_stays_here(self, path: str, expected: str) -> None:
        assert safe_path(path) == expected


class TestForms:
    PATHS = ("/sign-in", "/sign-out", "/language", "/next", "/cases/{id}/verdict")

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("token", [None, "", "0" * 64, "é"], ids=["none", "empty", "wrong", "not ASCII"])
    def test_without_its_token_a_form_changes_nothing(
        self, pages: Pages, reviewer: Person, open_case: Case, path: str, token: str | None
    ) -> None:
        filled = {"name": "rina", "password": PASSWORDS["rina"], "language": "en", "answer": "confirm", "opened": "x", "seen": "0"}
        data = filled | ({} if token is None else {"csrf": token})
        answer = reviewer.browser.post(path.format(id=open_case.violation.id), data=data)
        assert answer.status_code == 403
        assert "kedaluwarsa" in answer.text
        assert pages.case(open_case).decisions == ()

    def test_the_token_of_another_session_is_not_ours(self, visit: Visit, reviewer: Person) -> None:
        other = visit("rina")
        assert reviewer.browser.post("/next", data={"csrf": other.token}).status_code == 403

    def test_every_form_of_the_application_is_among_those_tested(self) -> None:
        posts = {route.path for route in ROUTES if "POST" in (route.methods or set())}
        assert posts == {path.replace("{id}", "{case_id}") for path in self.PATHS}

    def test_a_form_without_end_is_refused(self, reviewer: Person) -> None:
        assert reviewer.browser.post("/next", data={"csrf": reviewer.token, "x": "y" * 70_000}).status_code == 413


class TestRights:
    ALLOWED = {  # noqa: RUF012  # a table
        "rina": {"/", "case", "history", "evidence"},  # it was given to her
        "sari": {"/", "/cases", "case", "history", "evidence"},
        "agus": {"/cases", "case", "history", "evidence", "/log"},
        "admin": {"/users", "/log"},
    }

    @pytest.mark.parametrize("name", ALLOWED)
    @pytest.mark.parametrize("path", ["/", "/cases", "case", "history", "evidence", "/log", "/users"])
    def test_each_role_reads_its_own_pages(self, pages: Pages, visit: Visit, open_case: Case, name: str, path: str) -> None:
        case = f"/cases/{open_case.violation.id}"
        addresses = {"case": case, "history": f"{case}/history", "evidence": pages.evidence_path(open_case)}
        answer = visit(name).get(addresses.get(path, path))
        if path in self.ALLOWED[name]:
            assert answer.status_code == 200
        elif path == "/":
            assert answer.status_code == 303
        else:
            assert answer.status_code == 403

    @pytest.mark.parametrize("name", ["agus", "admin", "dewi"])
    def test_who_was_not_given_the_case_cannot_decide_it(self, pages: Pages, visit: Visit, open_case: Case, name: str) -> None:
        answer = visit(name).post(f"/cases/{open_case.violation.id}/verdict", answer="confirm", opened="x", seen="0", plate="B1432GMC")
        assert answer.status_code == 403
        assert pages.case(open_case).decisions == ()

    def test_a_denial_is_recorded(self, pages: Pages, visit: Visit) -> None:
        visit("rina").get("/log")
        assert ("rina", "denied", "/log") in pages.rows("SELECT who, action, detail FROM access_log")

    def test_a_supervisor_may_decide_what_a_reviewer_decided(self, pages: Pages, reviewer: Person, visit: Visit, open_case: Case) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        visit("sari").decide(open_case, "reject emergency_vehicle")
        assert [(each.reviewer, each.verdict) for each in pages.case(open_case).decisions] == [
            (reviewer.name, Verdict.CONFIRM),
            ("sari", Verdict.REJECT),
        ]

    def test_after_the_supervisor_the_reviewer_cannot_undo_it(self, reviewer: Person, visit: Visit, open_case: Case) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        visit("sari").decide(open_case, "reject emergency_vehicle")
        answer = reviewer.post(f"/cases/{open_case.violation.id}/verdict", answer="confirm", opened="x", seen="2", plate="B1432GMC")
        assert answer.status_code == 403

    def test_every_page_asks_for_a_right(self) -> None:
        """A new route without `allow(...)` fails here."""
        open_to_all = {
            route.path
            for route in ROUTES
            if not any("allow." in each.call.__qualname__ for each in route.dependant.dependencies if each.call)
        }
        assert open_to_all == PUBLIC


class TestVerdicts:
    def test_a_verdict_says_who_when_and_how_long(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        form = reviewer.form(open_case)
        pages.clock.pass_time(timedelta(seconds=7.5))
        reviewer.post(form.pop("action"), **form, answer="confirm", plate="B 1432 GMC", note=" jelas ")
        (decision,) = pages.case(open_case).decisions
        assert (decision.verdict, decision.reason, decision.plate_text, decision.note) == (Verdict.CONFIRM, None, "B1432GMC", "jelas")
        assert (decision.reviewer, decision.decided_at, decision.seconds_taken) == (reviewer.name, pages.clock.now(), 7.5)

    def test_a_forged_start_gives_no_time(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        reviewer.post(f"/cases/{open_case.violation.id}/verdict", answer="confirm", opened="2020", seen="0", plate="B1432GMC")
        assert pages.case(open_case).decisions[0].seconds_taken is None

    @pytest.mark.parametrize(
        "answer, plate, note, keep_odd, expected",
        [
            pytest.param("confirm", "B1432GMC", "", "", 303, id="confirmed"),
            pytest.param("warn", "b 1432 gmc", "", "", 303, id="warned"),
            pytest.param("reject no_violation", "", "", "", 303, id="rejected, and the plate does not matter"),
            pytest.param("reject other", "", "mobil jenazah", "", 303, id="rejected for another reason, which is told"),
            pytest.param("confirm", "B1432GMCX9", "", "yes", 303, id="an odd plate is kept on purpose"),
            pytest.param("reject", "", "", "", 422, id="no reason"),
            pytest.param("reject other", "", "  ", "", 422, id="another reason, which is not told"),
            pytest.param("confirm", "", "", "", 422, id="no plate to send a letter to"),
            pytest.param("confirm", "B1432GMCX9", "", "", 422, id="no plate's shape"),
            pytest.param("warn", "???", "", "yes", 422, id="nothing legible, though kept on purpose"),
            pytest.param("confirm", "B1432GMC", "x" * 501, "", 422, id="a note without end"),
            pytest.param("reject because", "", "", "", 400, id="a reason that is not in the list"),
            pytest.param("confirm other", "B1432GMC", "", "", 400, id="a reason to confirm"),
            pytest.param("delete", "", "", "", 400, id="a verdict that does not exist"),
        ],
    )
    def test_what_a_verdict_needs(
        self, pages: Pages, reviewer: Person, open_case: Case, answer: str, plate: str, note: str, keep_odd: str, expected: int
    ) -> None:
        form = reviewer.form(open_case)
        given = reviewer.post(form.pop("action"), **form, answer=answer, plate=plate, note=note, keep_odd=keep_odd)
        assert given.status_code == expected
        assert len(pages.case(open_case).decisions) == (1 if expected == 303 else 0)

    def test_what_was_typed_is_still_there_after_a_fault(self, reviewer: Person, open_case: Case) -> None:
        form = reviewer.form(open_case)
        page = reviewer.post(form.pop("action"), **form, answer="confirm", plate="B1432GMCX9", note="truk di depan").text
        assert 'value="B1432GMCX9"' in page and 'value="truk di depan"' in page

    def test_a_case_decided_meanwhile_is_not_decided_blindly(self, pages: Pages, reviewer: Person, visit: Visit, open_case: Case) -> None:
        form = reviewer.form(open_case)
        visit("sari").decide(open_case, "warn", plate="B1432GMC")
        answer = reviewer.post(form.pop("action"), **form, answer="confirm", plate="B1432GMC")
        assert answer.status_code in (403, 409)
        assert [each.reviewer for each in pages.case(open_case).decisions] == ["sari"]

    def test_changing_ones_mind_adds_a_decision(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        reviewer.decide(open_case, "reject unclear_picture")
        assert [each.verdict for each in pages.case(open_case).decisions] == [Verdict.CONFIRM, Verdict.REJECT]
        assert pages.case(open_case).state is Verdict.REJECT

    def test_views_edits_and_verdicts_are_recorded(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        reviewer.get(f"/cases/{open_case.violation.id}")
        reviewer.get(pages.evidence_path(open_case))
        reviewer.decide(open_case, "confirm", plate="B 1482 GMC")
        lines = [
            tuple(row)
            for row in pages.rows(
                "SELECT action, detail FROM access_log WHERE violation = %s AND who = %s ORDER BY id",
                str(open_case.violation.id),
                reviewer.name,
            )
        ]
        assert [action for action, _ in lines] == ["case_taken", "case_viewed", "evidence_viewed", "case_viewed", "plate_edited", "decided"]
        assert lines[-2:] == [("plate_edited", "B1432GMC > B1482GMC"), ("decided", "confirm")]

    @pytest.mark.parametrize("sql", ["UPDATE access_log SET who = 'x'", "DELETE FROM access_log", "TRUNCATE access_log"])
    def test_the_access_log_cannot_be_changed(self, pages: Pages, reviewer: Person, sql: str) -> None:
        with pytest.raises(Exception, match="rows are only ever added"):
            pages.execute(sql)


class TestEvidence:
    def test_a_picture_is_the_original_bytes_and_may_be_kept_privately(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        answer = reviewer.get(pages.evidence_path(open_case))
        assert answer.content == pages.evidence.get(open_case.violation.pictures[0].sha256)
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"

    def test_a_known_picture_is_not_sent_again(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        path = pages.evidence_path(open_case)
        tag = reviewer.get(path).headers["etag"]
        again = reviewer.get(path, headers={"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")

    def test_a_film_comes_in_ranges(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        assert open_case.violation.clip is not None
        whole = pages.evidence.get(open_case.violation.clip.sha256)
        path = f"/cases/{open_case.violation.id}/evidence/{open_case.violation.clip.sha256}.mp4"
        part = reviewer.get(path, headers={"Range": "bytes=100-199"})
        assert (part.status_code, part.content) == (206, whole[100:200])
        assert part.headers["content-range"] == f"bytes 100-199/{len(whole)}"
        assert part.headers["content-type"] == "video/mp4"
        outside = reviewer.get(path, headers={"Range": f"bytes={len(whole)}-"})
        assert (outside.status_code, outside.headers["content-range"]) == (416, f"bytes */{len(whole)}")

    def test_a_file_that_the_case_does_not_name_is_not_there(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        stray = pages.evidence.put(b"of no case", ".jpg")
        base = f"/cases/{open_case.violation.id}/evidence"
        digest = open_case.violation.pictures[0].sha256
        for name in (f"{stray}.jpg", f"{digest}.mp4", f"{digest}.html", "..%2f..%2fetc%2fpasswd.jpg", f"{digest.upper()}.jpg"):
            assert reviewer.get(f"{base}/{name}").status_code == 404

    def test_another_reviewers_case_is_not_ours_to_see(self, pages: Pages, visit: Visit, open_case: Case) -> None:
        dewi = visit("dewi")
        for path in (f"/cases/{open_case.violation.id}", pages.evidence_path(open_case), f"/cases/{open_case.violation.id}/plate?text=x"):
            assert dewi.get(path).status_code == 403


class TestMarkup:
    NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"

    @pytest.fixture
    def answers(self, pages: Pages, reviewer: Person, visit: Visit) -> Iterator[list[httpx.Response]]:
        """Every page that shows a plate, a note, a name or a camera, all of them hostile."""
        case = pages.give(
            reviewer, Story(name="nasty", plate="B1<B>X", camera_name=self.NASTY, notes=(self.NASTY,), alternatives=((self.NASTY, 0.2),))
        )
        form = reviewer.form(case)
        faulty = reviewer.post(form.pop("action"), **form, answer="confirm", plate=self.NASTY[:40], note=self.NASTY)
        reviewer.decide(case, "reject other", plate=self.NASTY[:40], note=self.NASTY)
        with pages.browser() as browser:
            refused = pages.sign_in(browser, self.NASTY, "x")
            missing = browser.get(f"/sign-in?next={self.NASTY}")
        path = f"/cases/{case.violation.id}"
        sari, agus = visit("sari"), visit("agus")
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
                    sari.get("/cases", params={"camera": self.NASTY, "plate": self.NASTY}),
                    agus.get("/log", params={"who": self.NASTY}),
                ]
            ]
        )

    def test_nothing_typed_or_read_becomes_markup(self, answers: Iterator[list[httpx.Response]]) -> None:
        for answer in next(iter(answers)):
            assert answer.status_code in (200, 401, 422)
            assert "<script>alert" not in answer.text
            assert "<img src=x" not in answer.text
            assert "B1<B>" not in answer.text


class TestHeaders:
    @pytest.mark.parametrize("path, status", [("/sign-in", 200), ("/", 303), ("/nowhere", 404), ("/sign-in?expired=what", 400)])
    def test_every_answer_forbids_what_the_pages_do_not_need(self, pages: Pages, path: str, status: int) -> None:
        with pages.browser() as browser:
            answer = browser.get(path, headers={"Accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        assert answer.status_code == status
        assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"

    def test_no_page_needs_what_the_policy_forbids(self, pages: Pages, reviewer: Person, open_case: Case) -> None:
        page = reviewer.get(f"/cases/{open_case.violation.id}").text
        assert re.findall(r"\s(?:style|on[a-z]+)\s*=", page) == []
        assert all("src=" in script for script in re.findall(r"<script[^>]*>", page))

    def test_static_files_may_be_kept_for_ever_under_their_digest(self, pages: Pages) -> None:
        with pages.browser() as browser:
            sheet = re.search(r"/static/[0-9a-f]{12}/review\.css", browser.get("/sign-in").text)
            assert sheet is not None
            answer = browser.get(sheet.group())
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["content-type"].startswith("text/css")


class TestBrowsing:
    def test_the_list_is_filtered(self, pages: Pages, reviewer: Person, visit: Visit) -> None:
        case = pages.give(reviewer, Story(name="filtered", plate="AE7777QQ"))
        sari = visit("sari")
        assert "AE 7777 QQ" in sari.get("/cases", params={"plate": "e 7777", "state": "open"}).text
        assert "AE 7777 QQ" not in sari.get("/cases", params={"plate": "7777", "state": "confirm"}).text
        reviewer.decide(case, "confirm", plate="AE7777QQ")
        assert "AE 7777 QQ" in sari.get("/cases", params={"plate": "7777", "state": "confirm"}).text
        assert "AE 7777 QQ" not in sari.get("/cases", params={"plate": "7777", "to": "2026-11-23"}).text
        assert "AE 7777 QQ" in sari.get("/cases", params={"plate": "7777", "from": "2026-11-24", "to": "2026-11-24"}).text

    def test_the_rules_to_choose_from_are_those_that_there_are(self) -> None:
        from pipeline.rules import RULES
        from review import browse

        assert set(browse.RULES) == set(RULES)

    def test_a_date_that_is_none_is_told(self, visit: Visit) -> None:
        assert visit("sari").get("/cases", params={"from": "2026-13-77"}).status_code == 400

    def test_the_history_shows_every_decision(self, reviewer: Person, visit: Visit, open_case: Case) -> None:
        reviewer.decide(open_case, "confirm", plate="B1432GMC")
        reviewer.decide(open_case, "reject unclear_picture", note="terlalu gelap")
        page = visit("agus").get(f"/cases/{open_case.violation.id}/history").text
        assert "Dikonfirmasi" in page and "Gambar tidak jelas" in page and "terlalu gelap" in page and "digantikan" in page
        assert "melihat kasus" in page

    def test_the_pages_speak_english_too(self, visit: Visit) -> None:
        person = visit("rina")
        person.post("/language", language="en", back="/")
        assert "Take the next case" in person.get("/").text or "The queue is empty" in person.get("/").text

    def test_a_case_that_does_not_exist(self, visit: Visit) -> None:
        sari = visit("sari")
        assert sari.get("/cases/00000000-0000-0000-0000-000000000000").status_code == 404
        assert sari.get("/cases/7").status_code == 400
