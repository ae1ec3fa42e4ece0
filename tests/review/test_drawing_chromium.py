"""A site is drawn in Chromium as a person would, with the mouse, on the rendered demo footage, whose geometry is known."""

import os
import random
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from math import dist
from pathlib import Path
from typing import Any

import pytest
import yaml
from databases import TestDatabases
from drawing_app import CAMERA, DEMO, MemoryPictures, MemoryTrials, RunningDrawing, running_drawing
from playwright.sync_api import Browser, Locator, Page, Route, expect
from test_review_accessibility import SIZES, SMALL_TARGETS, axe, findings

from etle.config.packaged import configs_folder
from etle.config.site import load_site
from etle.config.site_text import change_camera
from etle.types import CameraId, Point
from etle_cli.calibrate.footage import picture_sources
from etle_cli.calibrate.trials import SubprocessTrials
from etle_cli.check.result import CheckState
from etle_cli.commands.check import check_results
from pipeline.scene.calibration import calibrate
from pipeline.site_setup.scene_pictures import SampledPictures
from simulator.camera import PinholeCamera
from simulator.layout import MASUK

__all__ = ["axe"]

pytestmark = pytest.mark.slow
SCREENSHOTS = os.environ.get("ETLE_SCREENSHOTS")
TRUTH = next(each for each in yaml.safe_load(DEMO)["cameras"] if each["id"] == CAMERA)
EMPTY = change_camera(DEMO, CAMERA, dict.fromkeys(("ground_points", "signals", "lines", "lanes", "rules")))
ROAD = PinholeCamera(MASUK, 1920, 1080)
ROAD_POINTS = [(x, y) for x in (-22.0, -19.0, -16.0, -13.0, -11.0) for y in (0.5, 3.0, 5.5) if ROAD.sees(x, y)]
MAX_PX = 3.0
MAX_SHARE = 0.02
ASSESSED_AFTER_MS = 600
"""A change is sent to be judged before that, where nothing else is being judged."""


@pytest.fixture(scope="module")
def jpeg() -> bytes:
    """A frame of the demo."""
    site = load_site(configs_folder() / "demo" / "site.yaml")
    source = picture_sources(site, Path())[CameraId(CAMERA)]
    assert source.recorded is not None
    return next(source.recorded()).jpeg


@pytest.fixture(scope="module")
def drawing(databases: TestDatabases, tmp_path_factory: pytest.TempPathFactory, jpeg: bytes) -> Iterator[RunningDrawing]:
    folder = tmp_path_factory.mktemp("drawing")
    with running_drawing(databases, folder, MemoryPictures({"1": jpeg}), MemoryTrials()) as app:
        yield app


@dataclass
class Operator:
    """A person at the page: sees the picture, zooms in where it matters, and is off by up to a pixel of the screen."""

    page: Page
    draws: random.Random

    def sign_in(self, url: str, name: str = "budi") -> None:
        self.page.goto(url)
        self.page.locator("[name=name]").fill(name)
        self.page.locator("[name=password]").fill(f"kata sandi {name}")
        self.page.keyboard.press("Enter")
        self.page.wait_for_selector("main[data-assessed]")
        expect(self.page.locator("#picture-position")).not_to_be_empty()

    def at(self, px: tuple[float, float]) -> tuple[float, float]:
        """Where a pixel of the picture is on the screen."""
        box = self.page.locator("#stage").bounding_box()
        x, y, width, _ = (float(each) for each in str(self.page.locator("#stage svg").get_attribute("viewBox")).split())
        assert box is not None
        scale = box["width"] / width
        return box["x"] + (px[0] - x) * scale, box["y"] + (px[1] - y) * scale

    def go_to(self, px: tuple[float, float]) -> None:
        """Zoom in and put the mouse there."""
        self.page.mouse.move(*self.at(px))
        self.page.mouse.wheel(0, -900)
        self.page.wait_for_timeout(40)
        left, top = self.at(px)
        self.page.mouse.move(round(left + self.draws.uniform(-1, 1)), round(top + self.draws.uniform(-1, 1)))

    def click(self, px: tuple[float, float], *typed: float) -> None:
        """`typed`: into the fields that then have the focus, one after the other."""
        self.go_to(px)
        self.page.mouse.down()
        self.page.mouse.up()
        for number, value in enumerate(typed):
            self.page.keyboard.type(f"{value:g}")
            self.page.keyboard.press("Tab" if number + 1 < len(typed) else "Enter")
        self.zoom_out()

    def zoom_out(self) -> None:
        self.page.locator("#zoom-fit").click()

    def drag(self, start: tuple[float, float], end: tuple[float, float], *, zoom: float = -500) -> None:
        self.page.mouse.move(*self.at(start))
        self.page.mouse.wheel(0, zoom)
        self.page.wait_for_timeout(40)
        self.page.mouse.move(*map(round, self.at(start)))
        self.page.mouse.down()
        self.page.mouse.move(*map(round, self.at(end)), steps=6)
        self.page.mouse.up()
        self.zoom_out()

    def tool(self, name: str) -> None:
        self.page.locator(f"button[data-tool={name}]").click()

    def screenshot(self, name: str) -> None:
        if SCREENSHOTS:
            Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page that fails the test if its console shows an error or a warning, such as a violation of the content policy."""
    context = chromium.new_context(viewport={"width": 1366, "height": 768})
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: messages.append(str(error)))
    yield page
    context.close()
    assert [each for each in messages if not any(f" {status} " in each for status in (401, 403, 409))] == []


def test_a_busy_server_is_asked_once_at_a_time(page: Page, drawing: RunningDrawing) -> None:
    """While an answer takes long, no further question is sent; the next one is about what is drawn by then."""
    drawing.desk.file.path.write_text(DEMO)
    Operator(page, random.Random(2)).sign_in(drawing.url)
    asked: list[Route] = []
    page.route("**/assessment", lambda route: asked.append(route))
    page.locator("#tab-drawing").click()
    page.locator("#items .lines li .name").first.click()
    name = page.locator("[data-field='name lines 0']")
    for typed in ("pertama", "kedua", "ketiga"):
        name.fill(typed)
        page.wait_for_timeout(ASSESSED_AFTER_MS)
    assert ["pertama" in (each.request.post_data or "") for each in asked] == [True]
    name.fill("henti")
    page.wait_for_timeout(ASSESSED_AFTER_MS)
    with page.expect_request("**/assessment") as last:
        asked[0].continue_()
    assert "henti" in (last.value.post_data or "") and "pertama" not in (last.value.post_data or "")
    page.wait_for_timeout(ASSESSED_AFTER_MS)
    assert len(asked) == 2
    asked[1].continue_()
    expect(page.locator("#no-problems")).to_be_visible()


def camera_of(path: Path) -> dict[str, Any]:
    return next(each for each in yaml.safe_load(path.read_text())["cameras"] if each["id"] == CAMERA)


def errors_of_metres(path: Path) -> list[float]:
    """Errors of distances between points of the road, as shares of the true distances."""
    calibration = calibrate(load_site(path).with_cameras([CAMERA]).cameras[0])
    seen = {m: calibration.ground(Point(*ROAD.ground(*m))) for m in ROAD_POINTS}
    pairs = [(one, two) for one, two in combinations(ROAD_POINTS, 2) if dist(one, two) >= 3]
    return [abs(dist(seen[one], seen[two]) / dist(one, two) - 1) for one, two in pairs]


def off_by(drawn: Mapping[str, Any], true: Mapping[str, Any], key: str) -> float:
    """The largest distance of a drawn point from the true one, in pixels."""
    return max(dist(one, two) for one, two in zip(drawn[key], true[key], strict=True))


def test_from_a_frame_to_a_site_file(
    page: Page, databases: TestDatabases, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Ground points, stop line, junction, lane, signal head and rules are drawn with the mouse, tried and saved."""
    shutil.copyfile(configs_folder() / "demo" / "masuk.mp4", tmp_path / "masuk.mp4")
    shutil.copyfile(configs_folder() / "demo" / "keluar.mp4", tmp_path / "keluar.mp4")
    (tmp_path / "site.yaml").write_text(EMPTY)
    site, path = load_site(tmp_path / "site.yaml"), tmp_path / "site.yaml"
    work = tmp_path_factory.mktemp("trials")
    with (
        SubprocessTrials(path, tmp_path / "data", None, work) as trials,
        running_drawing(databases, tmp_path, SampledPictures(picture_sources(site, tmp_path)), trials, EMPTY) as drawing,
    ):
        operator = Operator(page, random.Random(7))
        operator.sign_in(drawing.url)
        expect(page.locator("#accuracy")).to_have_text("4 titik lagi untuk meter.")

        for number in (0, 2, 4, 6, 8, 9, 11):
            point = TRUTH["ground_points"][number]
            operator.tool("point")
            operator.click(tuple(point["px"]), *point["m"])
        expect(page.locator("#accuracy")).to_contain_text("Galat di jalan: ±0.")
        page.keyboard.press("g")
        operator.screenshot("draw-metres")

        for line in TRUTH["lines"]:
            operator.tool("line")
            for end in line["points"]:
                operator.click(tuple(end))
        operator.tool("lane")
        for corner in TRUTH["lanes"][0]["polygon"]:
            operator.click(tuple(corner))
        page.keyboard.press("Enter")
        operator.tool("signal")
        head = TRUTH["signals"][0]["head"]
        operator.drag((head[0], head[1]), (head[2], head[3]))
        operator.screenshot("draw-drawing")

        page.locator("#tab-rules").click()
        for rule in ("red_light", "stop_line"):
            page.locator("#add-rule").select_option(rule)
            page.locator("#add-rule-button").click()
        expect(page.locator("#no-problems")).to_be_visible()
        operator.screenshot("draw-rules")

        page.locator("#tab-try").click()
        page.locator("#try").click()
        expect(page.locator("#try-results")).to_contain_text("akan dilaporkan", timeout=240_000)
        plates = page.locator("#try-results > .found b").all_inner_texts()
        page.locator("#try-results > .found button").first.click()
        page.wait_for_selector(".path.marked")
        operator.screenshot("draw-try")
        assert drawing.desk.file.read().text == EMPTY

        page.keyboard.press("Control+s")
        expect(page.locator("#message")).to_contain_text("Disimpan sebagai versi 2")
        expect(page.locator("#unsaved")).to_be_hidden()
        page.goto("about:blank")  # before the application ends

    drawn = camera_of(path)
    assert sorted(plates) == ["B1061XCV", "BE4253WTX", "D6982DU"]
    for line, true in zip(drawn["lines"], TRUTH["lines"], strict=True):
        assert line["id"] == true["id"]
        assert off_by(line, true, "points") < MAX_PX
    assert off_by(drawn["lanes"][0], TRUTH["lanes"][0], "polygon") < MAX_PX
    assert dist(drawn["signals"][0]["head"][:2], head[:2]) < MAX_PX and dist(drawn["signals"][0]["head"][2:], head[2:]) < MAX_PX
    assert max(errors_of_metres(path)) < MAX_SHARE
    found = [*check_results(path, ("run",), tmp_path / "data", 20)]
    assert [each for each in found if each.state is CheckState.PROBLEM] == []


def test_metres_from_lane_marks(page: Page, drawing: RunningDrawing) -> None:
    """Marks of 3 m with gaps of 5 m along three lines of the road, which lie 3 m apart."""
    drawing.desk.file.path.write_text(EMPTY)
    operator = Operator(page, random.Random(3))
    operator.sign_in(drawing.url)
    operator.tool("marks")
    page.locator("#marks [name=width]").fill("-3")
    for across in (6.0, 3.0, 0.0):
        page.locator("#marks [name=across]").fill(str(across))
        along = -22.0 if across else -17.0
        page.locator("#marks [name=along]").fill(str(along))
        operator.tool("marks")
        for step in (0.0, 3.0, 8.0, 11.0):
            x = along + step
            if ROAD.sees(x, across):
                operator.click(ROAD.ground(x, across))
        page.keyboard.press("Enter")
    page.keyboard.press("Control+s")
    expect(page.locator("#message")).to_contain_text("Disimpan")
    assert len(camera_of(drawing.desk.file.path)["ground_points"]) >= 10
    assert max(errors_of_metres(drawing.desk.file.path)) < MAX_SHARE


def test_everything_can_be_moved_taken_back_and_removed_with_mouse_or_keys(page: Page, drawing: RunningDrawing) -> None:
    drawing.desk.file.path.write_text(DEMO)
    operator = Operator(page, random.Random(1))
    operator.sign_in(drawing.url)
    page.locator("#tab-drawing").click()
    name = page.locator("#items .lines li .name").first
    name.click()

    end = tuple(TRUTH["lines"][0]["points"][0])
    operator.drag(end, (end[0] + 40, end[1] + 12))
    page.keyboard.press("Control+z")
    handle = page.locator("[data-part='points.0']")
    handle.focus()
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Alt+ArrowDown")
    field = page.locator("[data-field='name lines 0']")
    field.fill("garis-henti")
    field.press("Tab")
    expect(page.locator("#no-problems")).to_be_visible()
    page.locator("#items .lanes li .name").nth(1).click()
    page.keyboard.press("Delete")
    page.keyboard.press("Control+s")
    expect(page.locator("#message")).to_contain_text("Disimpan")
    drawn = camera_of(drawing.desk.file.path)
    line = drawn["lines"][0]
    assert (line["id"], line["points"][0]) == ("garis-henti", [round(end[0] + 10, 1), round(end[1] + 1.1, 1)])
    assert line["beyond"] == TRUTH["lines"][0]["beyond"]
    assert [each["id"] for each in drawn["lanes"]] == ["kiri"]
    assert [rule["line"] for rule in drawn["rules"]] == ["garis-henti", "garis-henti"]


def test_nothing_that_was_drawn_is_lost(page: Page, drawing: RunningDrawing, chromium: Browser) -> None:
    """Over a reload, after the session ended, and when somebody else saved."""
    drawing.desk.file.path.write_text(DEMO)
    operator = Operator(page, random.Random(1))
    operator.sign_in(drawing.url)
    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("#tab-drawing").click()
    page.locator("#items .lines li .name").nth(1).click()
    page.locator("[data-field='name lines 1']").fill("mulut")
    page.reload()
    page.wait_for_selector("main[data-assessed]")
    expect(page.locator("#message")).to_have_text("Gambar Anda yang belum disimpan ada lagi di sini.")
    page.locator("#tab-drawing").click()
    expect(page.locator("#items")).to_contain_text("mulut")

    drawing.desk.file.path.write_text(DEMO.replace("name: Simpang Demo\n", "name: Simpang lain\n"))
    page.keyboard.press("Control+s")
    expect(page.locator("#conflict-text")).to_contain_text("edited by hand")
    operator.screenshot("draw-conflict")
    page.locator("#conflict-mine").click()
    expect(page.locator("#message")).to_contain_text("Disimpan")
    saved = drawing.desk.file.read().text
    assert "Simpang lain" in saved and "id: mulut" in saved

    page.locator("#items .lines li .name").nth(1).click()
    page.locator("[data-field='name lines 1']").fill("simpang")
    with drawing.database.transaction() as cursor:
        cursor.execute("UPDATE sessions SET ended_at = now()")
    page.keyboard.press("Escape")
    page.locator("#save").click()
    expect(page.locator("#message")).to_contain_text("Masuk lagi di jendela lain")
    other = page.context.new_page()
    Operator(other, random.Random(1)).sign_in(drawing.url)
    other.close()
    page.locator("#save").click()
    expect(page.locator("#message")).to_contain_text("Disimpan")
    assert "id: simpang" in drawing.desk.file.read().text


def test_zones_solid_lines_lists_and_hours_of_rules(page: Page, drawing: RunningDrawing) -> None:
    """Rules of zones, a solid line that may be crossed from one side, lists of names and classes, and hours, as a person sets them."""
    drawing.desk.file.path.write_text(DEMO)
    operator = Operator(page, random.Random(5))
    operator.sign_in(drawing.url)
    page.locator("#tab-drawing").click()
    for corners in ([(500, 500), (900, 500), (900, 700), (500, 700)], [(950, 500), (1250, 500), (1250, 700), (950, 700)]):
        operator.tool("zone")
        for corner in corners:
            operator.click(corner)
        page.keyboard.press("Enter")
    operator.tool("marking")
    for point in ((600, 900), (1000, 900), (1300, 880)):
        operator.click(point)
    page.keyboard.press("Enter")
    cross = page.locator("[data-field='cross 0']")
    cross.click()
    expect(page.locator("[data-part='crossable_from']")).to_be_visible()
    zones = page.locator("#items .zones li .name").all_inner_texts()
    marking = page.locator("#items .markings li .name").first.inner_text()
    assert len(zones) == 2

    page.locator("#tab-rules").click()
    first = len(TRUTH["rules"])

    def field(number: int, name: str) -> Locator:
        return page.locator(f"[data-field='rule {first + number} {name}']")

    for rule in ("odd_even", "bus_lane", "yellow_box", "solid_line", "stopping", "speed"):
        page.locator("#add-rule").select_option(rule)
        page.locator("#add-rule-button").click()
    expect(page.locator("#problems")).to_contain_text("either `line` or `zone`")
    field(0, "zone").select_option(zones[0])
    field(0, "schedule add").click()
    field(0, "schedule 0 fri").uncheck()
    field(0, "schedule 0 hours").fill("16:00-21:00")
    field(0, "schedule 0 holidays").select_option("not")
    field(0, "schedule add").click()
    field(0, "schedule except").fill("2026-12-31")
    field(0, "schedule except").press("Tab")
    open_limits(page, "odd_even")
    field(0, "exempt_colours green").check()
    open_limits(page, "bus_lane")
    field(1, "allowed truck").check()
    field(2, "exit").select_option(zones[1])
    field(2, f"waiting {zones[1]}").check()
    field(4, f"zones {zones[1]}").uncheck()
    field(4, f"beside {TRUTH['lanes'][0]['id']}").check()
    field(5, "lines 0").select_option(TRUTH["lines"][0]["id"])
    field(5, "lines 1").select_option(TRUTH["lines"][1]["id"])
    field(5, "limit_kmh").fill("50")
    field(5, "limit_kmh").press("Tab")
    expect(page.locator("#no-problems")).to_be_visible()
    operator.screenshot("draw-rules-lists")
    page.locator("#save").click()
    expect(page.locator("#message")).to_contain_text("Disimpan")
    saved = camera_of(drawing.desk.file.path)
    odd_even, bus_lane, yellow_box, solid_line, stopping, speed = saved["rules"][first:]
    working = ["mon", "tue", "wed", "thu", "fri"]
    assert odd_even == {
        "rule": "odd_even",
        "zone": zones[0],
        "schedule": {
            "hours": [
                {"days": working[:4], "hours": "16:00-21:00", "holidays": "not"},
                {"days": working, "hours": "06:00-10:00", "holidays": "also"},
            ],
            "except_days": ["2026-12-31"],
        },
        "exempt_colours": ["yellow", "red", "green"],
    }
    assert sorted(bus_lane["allowed"]) == ["bus", "truck"]
    assert (yellow_box["zone"], yellow_box["exit"], yellow_box["waiting"]) == (zones[0], zones[1], [zones[1]])
    assert solid_line == {"rule": "solid_line", "markings": [marking]}
    assert (stopping["zones"], stopping["beside"]) == ([zones[0]], [TRUTH["lanes"][0]["id"]])
    assert speed["lines"] == [each["id"] for each in TRUTH["lines"][:2]]
    side = saved["markings"][0]["crossable_from"]
    assert abs(side[1] - 900) > 30 and 600 < side[0] < 1000

    page.locator("#tab-drawing").click()
    page.locator("#items .zones li .name").first.click()
    name = page.locator("[data-field='name zones 0']")
    name.fill("ganjil-genap")
    name.press("Tab")
    page.locator("#items .markings li .name").first.click()
    cross.click()
    cross.click()
    expect(page.locator("[data-part='crossable_from']")).to_be_hidden()
    page.locator("#tab-rules").click()
    field(0, "schedule 0 hours").fill("")
    field(0, "schedule 0 hours").press("Tab")
    expect(page.locator("#problems")).to_contain_text("hours")
    page.get_by_role("button", name="Hapus Dari dan sampai 1").click()
    expect(page.locator("#no-problems")).to_be_visible()
    page.locator("#save").click()
    expect(page.locator("#unsaved")).to_be_hidden()
    saved = camera_of(drawing.desk.file.path)
    assert [rule.get("zone", rule.get("zones")) for rule in saved["rules"][first:]] == [
        "ganjil-genap", None, "ganjil-genap", None, ["ganjil-genap"], None,
    ]  # fmt: skip
    assert "crossable_from" not in saved["markings"][0]
    assert [row["hours"] for row in saved["rules"][first]["schedule"]["hours"]] == ["06:00-10:00"]


def open_limits(page: Page, rule: str) -> None:
    page.locator("#rules > li", has=page.locator("b", has_text=re.compile(f"^{rule}$"))).locator("details > summary").click()


def test_a_version_is_compared_and_restored(page: Page, drawing: RunningDrawing) -> None:
    drawing.desk.file.path.write_text(DEMO)
    operator = Operator(page, random.Random(1))
    operator.sign_in(drawing.url)
    page.locator("#tab-drawing").click()
    page.locator("#items .lanes li .name").first.click()
    page.locator("#items .danger").click()
    page.locator("#save").click()
    expect(page.locator("#message")).to_contain_text("Disimpan")
    page.locator("#versions-open").click()
    page.locator("#versions-list li").nth(1).get_by_role("button").click()
    expect(page.locator(".difference .added").first).to_contain_text("id: kiri")
    operator.screenshot("draw-versions")
    page.locator(".difference button").click()
    expect(page.locator("#items")).to_contain_text("kiri")
    assert drawing.desk.file.read().text == DEMO


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("width, height", SIZES)
def test_the_page_is_accessible_at_every_size(
    chromium: Browser, drawing: RunningDrawing, axe: str, width: int, height: int, theme: str
) -> None:
    drawing.desk.file.path.write_text(DEMO)
    context = chromium.new_context(
        viewport={"width": width, "height": height}, color_scheme="light" if theme == "light" else "dark", base_url=drawing.url
    )
    page = context.new_page()
    operator = Operator(page, random.Random(1))
    operator.sign_in(drawing.url)
    problems: list[str] = []
    for step in ("scale", "drawing", "rules", "try"):
        page.locator(f"#tab-{step}").click()
        if step == "drawing":
            page.locator("#items .lanes li .name").first.click()
        page.wait_for_timeout(150)
        operator.screenshot(f"draw-{step}-{width}-{theme}")
        problems += [f"{step}: {each}" for each in findings(page, axe)]
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            problems.append(f"{step}: wider than the window")
        problems += [f"{step}: a target under 24 px: {each}" for each in page.evaluate(SMALL_TARGETS)]
    context.close()
    assert problems == []
