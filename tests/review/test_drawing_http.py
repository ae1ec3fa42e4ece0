"""The drawing pages over HTTP: who may use them, what is refused, what is saved, and what is recorded."""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import yaml
from databases import TestDatabases
from drawing_app import CAMERA, DEMO, PEOPLE, MemoryPictures, MemoryTrials, RunningDrawing, running_drawing
from fastapi.routing import APIRoute

from etle.site_desk import TrialState
from etle.storage.users import UserRole
from review.app import DRAWING_ROUTERS, PUBLIC

ROUTES = [route for router in DRAWING_ROUTERS for route in router.routes if isinstance(route, APIRoute)]
JPEG = b"\xff\xd8 a picture"
NO_DRAWINGS = ["", "[", "[]", "null", '{"lines": 3}', "[" * 15_000, '{"lines": [{"id": "x"}]}', '{"lens": {"k1": 1e999}}']


@pytest.fixture(scope="module")
def drawing(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDrawing]:
    with running_drawing(databases, tmp_path_factory.mktemp("drawing"), MemoryPictures({"17": JPEG}), MemoryTrials()) as app:
        yield app


@dataclass(frozen=True, slots=True)
class Person:
    browser: httpx.Client
    csrf: str

    def get(self, path: str) -> httpx.Response:
        return self.browser.get(path, headers={"Accept": "text/html"})

    def post(self, path: str, **fields: Any) -> httpx.Response:
        return self.browser.post(path, data={"csrf": self.csrf, **fields})

    def page(self, camera: str = CAMERA) -> dict[str, Any]:
        found: dict[str, Any] = self.get(f"/cameras/{camera}/drawing").json()
        return found

    def save(self, page: dict[str, Any], **fields: Any) -> httpx.Response:
        return self.post(f"/cameras/{CAMERA}/save", drawing=json.dumps(page["drawing"]), revision=page["revision"], **fields)


@pytest.fixture
def person(drawing: RunningDrawing) -> Iterator[Callable[[str], Person]]:
    def sign_in(name: str) -> Person:
        browser = browsers.enter_context(drawing.browser())
        token = re.search(r'name="csrf" value="([0-9a-f]{64})"', browser.get("/sign-in").text)
        assert token is not None
        answer = browser.post("/sign-in", data={"name": name, "password": f"kata sandi {name}", "csrf": token[1]})
        assert answer.status_code == 303
        page = browser.get("/", headers={"Accept": "text/html"}, follow_redirects=True).text
        csrf = re.search(r'name="csrf" value="([0-9a-f]{64})"', page)
        assert csrf is not None
        return Person(browser, csrf[1])

    with ExitStack() as browsers:
        drawing.desk.file.path.write_text(DEMO)
        drawing.trials.present = TrialState(running=False)
        yield sign_in


@pytest.fixture
def budi(person: Callable[[str], Person]) -> Person:
    return person("budi")


def addresses() -> Iterator[tuple[str, str]]:
    for route in ROUTES:
        if route.path not in PUBLIC:
            for method in sorted(route.methods or ()):
                yield method, route.path.format(camera=CAMERA, key="17", name="3", number=1)


class TestWhoMay:
    @pytest.mark.parametrize("name", [*(name for name, role in PEOPLE.items() if role is not UserRole.OPS), None], ids=str)
    def test_every_route_refuses_everybody_but_ops(
        self, drawing: RunningDrawing, person: Callable[[str], Person], name: str | None
    ) -> None:
        """Every role, and nobody, tries every route with every method."""
        with drawing.browser() as nobody:
            user = person(name) if name else Person(nobody, "0" * 64)
            answers = {
                address: user.browser.request(*address, data={"csrf": user.csrf} if address[0] == "POST" else None).status_code
                for address in addresses()
            }
        assert set(answers.values()) == {403 if name else 401}, answers
        assert drawing.desk.file.read().text == DEMO
        assert drawing.trials.present == TrialState(running=False)

    def test_every_route_requires_the_permission(self) -> None:
        public = {
            route.path
            for route in ROUTES
            if not any("require_any." in each.call.__qualname__ for each in route.dependant.dependencies if each.call)
        }
        assert public == PUBLIC
        for route in ROUTES:
            for each in route.dependant.dependencies:
                if each.call and "require_any." in each.call.__qualname__:
                    assert [*inspect.getclosurevars(each.call).nonlocals["permissions"]] == ["draw"]

    def test_a_form_without_its_token_changes_nothing(self, drawing: RunningDrawing, budi: Person) -> None:
        for method, path in addresses():
            if method == "POST":
                assert budi.browser.post(path, data={}).status_code == 403, path
                assert budi.browser.post(path, data={"csrf": "0" * 64}).status_code == 403, path
        assert drawing.desk.file.read().text == DEMO

    def test_the_pages_of_the_cases_are_not_served_here(self, budi: Person) -> None:
        assert [budi.get(path).status_code for path in ("/cases", "/log", "/users", "/proposals")] == [404] * 4

    def test_every_answer_has_the_content_policy(self, budi: Person) -> None:
        for path in (f"/cameras/{CAMERA}", f"/cameras/{CAMERA}/pictures/17.jpg", "/versions"):
            assert "script-src 'self'" in budi.get(path).headers["content-security-policy"]

    def test_the_page_has_no_inline_script_or_style(self, budi: Person) -> None:
        page = budi.get(f"/cameras/{CAMERA}").text
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", page)


class TestPaths:
    """No path or address comes from the browser."""

    @pytest.mark.parametrize("camera", ["nowhere", "..", "%2e%2e%2fsite.yaml", "DEMO-MASUK", "demo-masuk%00"])
    def test_a_camera_that_the_command_line_did_not_name_is_not_found(self, budi: Person, camera: str) -> None:
        assert budi.get(f"/cameras/{camera}/drawing").status_code == 404

    @pytest.mark.parametrize("key", ["18", "..%2f..%2fsite", "17%00", "-1"])
    def test_a_picture_that_is_not_listed_is_not_found(self, budi: Person, key: str) -> None:
        assert budi.get(f"/cameras/{CAMERA}/pictures/{key}.jpg").status_code == 404
        assert budi.get(f"/cameras/{CAMERA}/trial/{key}.jpg").status_code == 404

    @pytest.mark.parametrize("picture", ["../site", "1" * 21, "x"])
    def test_the_reference_is_a_listed_picture(self, budi: Person, picture: str) -> None:
        assert budi.save(budi.page(), picture=picture).status_code == 400

    def test_a_drawing_with_more_than_a_drawing_is_refused(self, drawing: RunningDrawing, budi: Person) -> None:
        page = budi.page()
        page["drawing"]["source"] = {"file": "/etc/passwd"}
        answer = budi.save(page)
        assert answer.status_code == 422
        assert "source" in answer.json()["problems"][0]
        assert drawing.desk.file.read().text == DEMO

    @pytest.mark.parametrize("text", NO_DRAWINGS, ids=[*map(str, range(len(NO_DRAWINGS)))])
    def test_what_is_no_drawing_is_refused(self, drawing: RunningDrawing, budi: Person, text: str) -> None:
        for path in ("save", "assessment", "trial"):
            answer = budi.post(f"/cameras/{CAMERA}/{path}", drawing=text, revision=budi.page()["revision"])
            assert answer.status_code in (200, 400, 422)
            assert answer.status_code != 200 or answer.json()["problems"]
        assert drawing.desk.file.read().text == DEMO
        assert not drawing.trials.present.running

    def test_a_drawing_that_is_too_large_is_refused(self, budi: Person) -> None:
        assert budi.post(f"/cameras/{CAMERA}/save", drawing=" " * 70_000, revision="0" * 64).status_code == 413


class TestSaving:
    def test_who_saved_when_is_in_the_file_in_its_versions_and_in_the_access_log(self, drawing: RunningDrawing, budi: Person) -> None:
        page = budi.page()
        page["drawing"]["lines"][0]["points"][0] = [300, 590.25]
        answer = budi.save(page)
        assert answer.status_code == 200, answer.text
        (camera, _) = yaml.safe_load(drawing.desk.file.read().text)["cameras"]
        assert camera["lines"][0]["points"][0] == [300, 590.2]
        assert camera["drawn"] == {"by": "budi", "at": "2026-11-29T10:00:00+07:00"}
        version = drawing.desk.file.versions()[0]
        assert (version.by, version.number) == ("budi", answer.json()["version"])
        assert answer.json()["drawn"] == "Terakhir disimpan oleh budi, Min 29 Nov 2026 10:00:00 WIB"
        logged = drawing.rows("SELECT who, detail FROM access_log WHERE action = 'drawing_saved' ORDER BY id")[-1]
        assert logged == ("budi", f"{CAMERA} site.yaml version {version.number} {version.digest[:16]}")

    def test_the_rest_of_the_file_stays(self, drawing: RunningDrawing, budi: Person) -> None:
        assert budi.save(budi.page()).status_code == 200
        added = set(drawing.desk.file.read().text.splitlines()) - set(DEMO.splitlines())
        assert added == {"    drawn: {by: budi, at: '2026-11-29T10:00:00+07:00'}"}

    def test_the_picture_becomes_the_reference_beside_the_file(self, drawing: RunningDrawing, budi: Person) -> None:
        assert budi.save(budi.page(), picture="17").status_code == 200
        (camera, _) = yaml.safe_load(drawing.desk.file.read().text)["cameras"]
        assert re.fullmatch(r"site\.yaml\.views/demo-masuk-[0-9a-f]{12}\.jpg", camera["reference"])
        assert (drawing.desk.file.path.parent / camera["reference"]).read_bytes() == JPEG

    def test_what_check_would_refuse_is_not_saved(self, drawing: RunningDrawing, budi: Person) -> None:
        page = budi.page()
        page["drawing"]["lines"][0]["id"] = "stop"  # the rules name `henti`
        answer = budi.save(page)
        assert answer.status_code == 422
        assert "no line 'henti'" in answer.json()["problems"][0]
        assert drawing.desk.file.read().text == DEMO

    def test_over_somebody_elses_saving_it_is_refused_with_what_they_saved(
        self, drawing: RunningDrawing, budi: Person, person: Callable[[str], Person]
    ) -> None:
        mine, theirs, sri = budi.page(), budi.page(), person("sri")
        x, y = mine["drawing"]["lines"][0]["points"][0]
        theirs["drawing"]["lines"][0]["points"][0] = [x + 1, y]
        mine["drawing"]["lines"][0]["points"][0] = [x + 2, y]
        assert sri.save(theirs).status_code == 200
        refused = budi.save(mine)
        assert refused.status_code == 409
        assert "sri saved site.yaml" in refused.json()["message"]
        assert refused.json()["theirs"]["drawing"]["lines"][0]["points"][0] == [x + 1, y]
        assert budi.save({**mine, "revision": refused.json()["theirs"]["revision"]}).status_code == 200
        assert [each.by for each in drawing.desk.file.versions()][:2] == ["budi", "sri"]

    def test_a_version_is_compared_and_restored(self, drawing: RunningDrawing, budi: Person) -> None:
        page = budi.page()
        page["drawing"]["lanes"] = []
        assert budi.save(page).status_code == 200
        listed = budi.get("/versions").json()
        before = listed["versions"][1]
        assert "+      - {id: kiri" in budi.get(f"/versions/{before['number']}").json()["difference"]
        answer = budi.post(f"/versions/{before['number']}/restore", revision=listed["revision"])
        assert answer.status_code == 200
        assert drawing.desk.file.read().text == DEMO
        assert budi.post(f"/versions/{before['number']}/restore", revision=listed["revision"]).status_code == 409
        assert budi.get("/versions/9999").status_code == 404
        assert drawing.rows("SELECT who FROM access_log WHERE action = 'drawing_restored'") == [("budi",)]

    def test_a_file_that_somebody_broke_by_hand_is_named(self, drawing: RunningDrawing, budi: Person) -> None:
        page = budi.page()
        drawing.desk.file.path.write_text("cameras: [")
        answer = budi.get(f"/cameras/{CAMERA}")
        assert answer.status_code == 500
        assert "site.yaml" in answer.text
        assert budi.save(page).status_code == 422


class TestAssessment:
    def assess(self, budi: Person, page: dict[str, Any], **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = budi.post(f"/cameras/{CAMERA}/assessment", drawing=json.dumps(page["drawing"]), **fields).json()
        return answer

    def test_the_demo_is_accepted_with_its_errors(self, budi: Person) -> None:
        assessed = self.assess(budi, budi.page())
        assert assessed["problems"] == []
        assert assessed["calibration"]["typical_m"] < 0.1
        assert max(m for m, _ in assessed["calibration"]["residuals"]) < 0.02

    def test_a_wrong_point_is_a_problem_and_three_points_are_none(self, budi: Person) -> None:
        page = budi.page()
        page["drawing"]["ground_points"][4]["m"] = [40, 3]
        assert "ground_points[4] fits worst" in self.assess(budi, page)["problems"][0]
        page["drawing"]["ground_points"] = page["drawing"]["ground_points"][:3]
        assert "at least 4 points" in self.assess(budi, page)["problems"][0]

    def test_the_lens_is_fitted_on_request(self, budi: Person) -> None:
        assessed = self.assess(budi, budi.page(), lens_terms="1")
        assert assessed["calibration"]["k1"] == pytest.approx(0, abs=0.01)
        page = budi.page()
        page["drawing"]["ground_points"] = page["drawing"]["ground_points"][:5]
        assert "at least 6 ground points" in self.assess(budi, page, lens_terms="1")["problems"][0]


class TestTrials:
    def test_a_trial_runs_with_the_drawing_that_is_not_saved(
        self, drawing: RunningDrawing, budi: Person, person: Callable[[str], Person]
    ) -> None:
        page = budi.page()
        page["drawing"]["lanes"].pop()
        assert budi.post(f"/cameras/{CAMERA}/trial", drawing=json.dumps(page["drawing"]), seconds="30").json() == {"started": True}
        text, camera, seconds, by = drawing.trials.started[-1]
        assert (camera, seconds, by) == (CAMERA, 30.0, "budi")
        assert [each["id"] for each in yaml.safe_load(text)["cameras"][0]["lanes"]] == ["kiri"]
        refused = person("sri").post(f"/cameras/{CAMERA}/trial", drawing=json.dumps(page["drawing"]))
        assert (refused.status_code, "budi" in refused.json()["message"]) == (409, True)
        assert budi.post(f"/cameras/{CAMERA}/trial/stop").json() == {"stopped": True}
        assert drawing.desk.file.read().text == DEMO

    def test_a_drawing_that_could_not_be_saved_is_not_tried(self, drawing: RunningDrawing, budi: Person) -> None:
        page = budi.page()
        page["drawing"]["lines"] = []
        assert budi.post(f"/cameras/{CAMERA}/trial", drawing=json.dumps(page["drawing"])).status_code == 422
        assert not drawing.trials.present.running

    def test_its_result_and_pictures_are_served_and_looks_are_recorded(self, drawing: RunningDrawing, budi: Person) -> None:
        drawing.trials.present = TrialState(running=False, by="budi", frames=5, document=b'{"frames": 5}')
        drawing.trials.pictures["4"] = JPEG
        assert budi.get(f"/cameras/{CAMERA}/trial").json()["document"] == {"frames": 5}
        assert budi.get(f"/cameras/{CAMERA}/trial/4.jpg").content == JPEG
        assert ("budi", f"{CAMERA} trial 4") in drawing.rows("SELECT who, detail FROM access_log WHERE action = 'scene_viewed'")


def test_a_picture_of_now_is_taken_of_a_live_camera_only(drawing: RunningDrawing, budi: Person) -> None:
    refused = budi.post(f"/cameras/{CAMERA}/pictures")
    assert (refused.status_code, "recording" in refused.json()["problem"]) == (503, True)
    drawing.pictures.live = True
    try:
        assert len(budi.post(f"/cameras/{CAMERA}/pictures").json()["pictures"]) == 2
    finally:
        drawing.pictures.live = False
        del drawing.pictures.jpegs["2"]
