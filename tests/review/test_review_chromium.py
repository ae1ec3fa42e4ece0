"""The review in Chromium, with a real web server and a real PostgreSQL."""

import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from review_app import PASSWORDS, RunningReview
from review_cases import CaseSpec

from etle.types import Certainty, VehicleClass, Verdict

SCREENSHOTS = os.environ.get("ETLE_SCREENSHOTS")
LATER = timedelta(minutes=1)
WATCH_FRAMES = """() => {
  const video = document.getElementById("clip"), box = document.querySelector("[data-moving]");
  window.drawn = [];
  const note = (now, shown) => {
    video.requestVideoFrameCallback(note);
    window.drawn.push([shown.mediaTime, ...["x", "y", "width", "height"].map((name) => Number(box.getAttribute(name)))]);
  };
  video.requestVideoFrameCallback(note);
}"""
READY = "#verdict[data-ready=yes]"


@pytest.fixture
def page(chromium: Browser, review: RunningReview) -> Iterator[Page]:
    """A page that fails the test if its console shows an error or a warning, such as a violation of the content policy."""
    review.empty_queue()
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, base_url=review.url)
    page = context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: messages.append(str(error)))
    yield page
    context.close()
    assert [each for each in messages if "422" not in each] == []


def sign_in(page: Page, name: str) -> None:
    page.goto("/")
    page.get_by_label("Nama pengguna").fill(name)
    page.get_by_label("Kata sandi").fill(PASSWORDS[name])
    page.keyboard.press("Enter")
    expect(page.locator("#take")).to_be_focused()


def take(page: Page) -> None:
    page.keyboard.press("Enter")
    page.wait_for_selector(READY)


def screenshot(page: Page, name: str) -> None:
    if SCREENSHOTS:
        Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}.png"))


def test_a_reviewer_decides_two_cases(page: Page, review: RunningReview) -> None:
    """Sign in, take a case, play the clip, correct the plate, confirm; reject the next case by keyboard; then the queue is empty."""
    first = review.add(CaseSpec(name="first", plate="B1432CMC", certainty=Certainty.CHECK, doubtful=5, alternatives=(("B1432GMC", 0.3),)))
    second = review.add(
        CaseSpec(name="second", plate="B6174WWZ", vehicle=VehicleClass.CAR, notes=("number_of_other_vehicle",), occurred_after=LATER)
    )
    sign_in(page, "rina")
    screenshot(page, "home")
    take(page)

    page.wait_for_function("() => document.getElementById('clip').currentTime > 0.3")
    screenshot(page, "case")
    expect(page.locator(".certainty")).to_have_text("periksa huruf ini")
    expect(page.locator(".cell.doubt b")).to_have_text("C")
    expect(page.locator(".facts")).to_contain_text("14:03:21,93 WIB")

    page.keyboard.press("e")
    page.keyboard.type("b1432gmc")
    page.keyboard.press("Enter")
    expect(page.locator("#plate-change")).to_contain_text("B1432CMC → B1432GMC")
    expect(page.locator("#plate")).to_have_value("B 1432 GMC")
    screenshot(page, "case-edited")
    page.keyboard.press("k")

    page.wait_for_url("**/cases/*?after=*")
    page.wait_for_selector(READY)
    expect(page.locator("#previous")).to_contain_text("Dikonfirmasi · B 1432 GMC")
    page.keyboard.press("t")
    expect(page.locator("#reasons")).to_be_visible()
    screenshot(page, "case-reject")
    page.keyboard.press("2")
    expect(page.locator("main")).to_contain_text("Antrean kosong")
    expect(page.locator("#decided-today")).to_have_text("2")
    screenshot(page, "queue-empty")

    decided = review.rows("SELECT violation::text, verdict, reason, plate_text, reviewer, seconds_taken FROM decisions ORDER BY id")
    assert [row[:5] for row in decided] == [
        (str(first.violation.id), "confirm", None, "B1432GMC", "rina"),
        (str(second.violation.id), "reject", "no_violation", "B6174WWZ", "rina"),
    ]
    assert all(row[5] is not None for row in decided)


def test_every_action_has_a_key(page: Page, review: RunningReview) -> None:
    case = review.add(CaseSpec(name="keys"))
    sign_in(page, "rina")
    take(page)
    clip = page.locator("#clip")

    page.keyboard.press("3")
    expect(page.locator(".shot.active")).to_have_attribute("data-role", "after")
    page.keyboard.press("l")
    expect(page.locator(".shot.active .overlay")).to_be_hidden()
    page.keyboard.press("l")
    expect(page.locator(".shot.active .overlay .plate")).to_be_visible()

    page.keyboard.press("z")
    expect(page.locator("#zoom-level")).not_to_be_empty()
    before = page.locator(".shot.active .pane").get_attribute("style")
    page.mouse.move(500, 350)
    page.mouse.down()
    page.mouse.move(560, 390)
    page.mouse.up()
    assert page.locator(".shot.active .pane").get_attribute("style") != before
    screenshot(page, "case-zoomed")
    page.keyboard.press("z")
    expect(page.locator("#zoom-level")).to_be_empty()

    page.keyboard.press("ArrowRight")
    expect(page.locator(".shot.active")).to_have_attribute("data-role", "clip")
    expect(clip).to_have_js_property("paused", True)
    here = clip.evaluate("video => video.currentTime")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("([before]) => Math.abs(document.getElementById('clip').currentTime - before - 0.1) < 0.06", arg=[here])
    page.keyboard.press(",")
    expect(clip).to_have_js_property("playbackRate", 0.5)
    page.keyboard.press(" ")
    expect(clip).to_have_js_property("paused", False)

    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    screenshot(page, "help")
    page.keyboard.press("k")
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()
    assert review.reload(case).decisions == ()


def test_a_key_pressed_before_the_picture_is_shown_decides_nothing(page: Page, review: RunningReview) -> None:
    case = review.add(CaseSpec(name="early"))
    sign_in(page, "rina")
    page.route("**/*.jpg", lambda route: None)
    page.keyboard.press("Enter")
    page.wait_for_url("**/cases/*", wait_until="commit")
    expect(page.locator("#confirm")).to_be_disabled()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.keyboard.press("t")
    expect(page.locator("#reasons")).to_be_hidden()
    assert review.reload(case).decisions == ()


def test_the_previous_case_is_one_key_away(page: Page, review: RunningReview) -> None:
    case = review.add(CaseSpec(name="slip 1"))
    review.add(CaseSpec(name="slip 2", occurred_after=LATER))
    sign_in(page, "rina")
    take(page)
    page.keyboard.press("p")
    page.wait_for_url("**?after=*")
    page.wait_for_selector(READY)
    page.keyboard.press("u")
    page.wait_for_url(f"**/cases/{case.violation.id}")
    page.wait_for_selector(READY)
    page.keyboard.press("t")
    page.keyboard.press("6")
    expect(page.locator("#note")).to_be_focused()
    page.keyboard.type("mobil jenazah")
    page.keyboard.press("Enter")
    page.wait_for_url("**?after=*")
    assert [(each.verdict, each.reason, each.note) for each in review.reload(case).decisions] == [
        (Verdict.WARN, None, ""),
        (Verdict.REJECT, "other", "mobil jenazah"),
    ]


def test_an_irregular_plate_needs_the_checkbox(page: Page, review: RunningReview) -> None:
    case = review.add(CaseSpec(name="odd"))
    sign_in(page, "rina")
    take(page)
    page.keyboard.press("e")
    page.keyboard.type("B 1432 GMCX9")
    expect(page.locator("#plate-hint")).to_contain_text("tidak berbentuk nomor Indonesia")
    page.keyboard.press("Enter")
    page.keyboard.press("k")
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.locator("#plate")).to_have_value("B 1432 GMCX9")
    page.wait_for_selector(READY)
    page.get_by_label("Simpan apa adanya").check()
    page.keyboard.press("k")
    expect(page.locator("main")).to_contain_text("Antrean kosong")
    assert review.reload(case).decisions[0].plate_text == "B1432GMCX9"


def test_a_lead_asks_for_what_proves_it(page: Page, review: RunningReview) -> None:
    case = review.add(CaseSpec(name="hint", marks=("lead",)))
    sign_in(page, "rina")
    take(page)
    page.keyboard.press("Enter")
    expect(page.locator("#note")).to_be_focused()
    expect(page.locator("#note")).to_have_attribute("placeholder", re.compile("membuktikan pelanggaran"))
    assert review.reload(case).decisions == ()
    page.keyboard.type("STNK habis, cek ERI")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("Antrean kosong")
    assert [(each.verdict, each.note) for each in review.reload(case).decisions] == [(Verdict.CONFIRM, "STNK habis, cek ERI")]


@pytest.mark.parametrize("late_from", [None, 14], ids=["evenly spaced", "after a gap"])
def test_the_box_over_the_clip_is_that_of_the_picture_shown(page: Page, review: RunningReview, late_from: int | None) -> None:
    """In every picture, forwards and backwards, within 2 pixels of the track's box, which moves by 14 from one to the next."""
    case = review.add(CaseSpec(name=f"exact {late_from}", late_from=late_from))
    sign_in(page, "rina")
    take(page)
    page.evaluate(WATCH_FRAMES)
    page.keyboard.press("ArrowLeft")
    for key, count in (("ArrowLeft", 30), ("ArrowRight", 30), ("ArrowLeft", 5)):
        for _ in range(count):
            page.keyboard.press(key)
            page.wait_for_timeout(60)
    drawn = {round(10 * media_time): (x, y, width, height) for media_time, x, y, width, height in page.evaluate("window.drawn")}
    assert sorted(drawn) == list(range(30))
    for step, box in drawn.items():
        x1, y1, x2, y2 = case.violation.path[step].box
        assert box == pytest.approx((x1, y1, x2 - x1, y2 - y1), abs=2)


def test_a_wrong_way_case_shows_the_legal_direction_and_the_moment(page: Page, review: RunningReview) -> None:
    case = review.add(CaseSpec(name="against", wrong_way=True))
    sign_in(page, "rina")
    take(page)
    shown = page.locator(".shot.active .overlay")
    expect(shown.locator(".arrow")).to_have_attribute("points", "640.0,220.0 640.0,680.0")
    foot = case.violation.path[19].box.foot, case.violation.path[20].box.foot
    cy = float(shown.locator(".moment").get_attribute("cy") or 0)
    assert foot[1].y < cy < foot[0].y
    expect(page.locator(".legend")).to_contain_text("arah yang benar")
    expect(page.locator(".shot.clip .overlay .arrow")).to_have_count(1)
    screenshot(page, "case-wrong-way")


def test_nothing_typed_is_lost_and_enter_confirms_after_a_click_on_a_tool(page: Page, review: RunningReview) -> None:
    first = review.add(CaseSpec(name="typed 1"))
    second = review.add(CaseSpec(name="typed 2", occurred_after=LATER))
    sign_in(page, "rina")
    take(page)
    page.keyboard.press("k")
    page.wait_for_url("**?after=*")
    page.wait_for_selector(READY)
    page.locator("#note").fill("helm tidak terlihat")
    page.locator("#plate").fill("B 1433 GMC")

    def assert_kept() -> None:
        page.wait_for_selector(READY)
        expect(page.locator("#note")).to_have_value("helm tidak terlihat")
        expect(page.locator("#plate")).to_have_value("B 1433 GMC")

    page.get_by_role("button", name="English").click()
    assert_kept()
    page.locator("h1").click()
    page.keyboard.press("r")
    page.wait_for_url("**/history")
    page.go_back()
    assert_kept()
    page.goto(f"/cases/{first.violation.id}")
    page.wait_for_selector(READY)
    expect(page.locator("#note")).to_have_value("")
    page.keyboard.press("b")
    page.wait_for_url(f"**/cases/{second.violation.id}")
    assert_kept()
    page.locator("#tool-zoom").click()
    page.locator("#tool-zoom").click()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_contain_text("The queue is empty")
    (decision,) = review.reload(second).decisions
    assert (decision.note, decision.plate_text) == ("helm tidak terlihat", "B1433GMC")
    assert page.evaluate("Object.keys(sessionStorage).filter((key) => key.includes('" + str(second.violation.id) + "')).length") <= 1


def test_history_is_reached_from_a_page_that_was_not_accepted(page: Page, review: RunningReview) -> None:
    case = review.add(CaseSpec(name="refused"))
    sign_in(page, "rina")
    take(page)
    page.locator("#plate").fill("")
    page.locator("h1").click()
    page.keyboard.press("k")
    expect(page.get_by_role("alert").first).to_be_visible()
    page.wait_for_selector(READY)
    page.keyboard.press("r")
    page.wait_for_url(f"**/cases/{case.violation.id}/history")


def test_the_next_case_needs_no_picture_after_the_verdict_at_10_mbit_s(
    page: Page, review: RunningReview, record_property: Callable[[str, object], None]
) -> None:
    """Its pictures were sent ahead. Records the seconds from the key to the enabled buttons, measured in the page (--junit-xml)."""
    for number in range(4):
        review.add(CaseSpec(name=f"ahead {number}", occurred_after=number * LATER))
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    speed = 10_000_000 / 8
    network.send(
        "Network.emulateNetworkConditions", {"offline": False, "latency": 5, "downloadThroughput": speed, "uploadThroughput": speed}
    )
    sign_in(page, "rina")
    take(page)
    took = []
    for _ in range(3):
        page.wait_for_function("() => document.documentElement.dataset.ahead === 'loaded'")
        pressed = page.evaluate("performance.timeOrigin + performance.now()")
        page.keyboard.press("k")
        page.wait_for_url("**?after=*")
        page.wait_for_selector(READY)
        took.append((page.evaluate("performance.timeOrigin + window.readyAt") - pressed) / 1000)
        cached = page.evaluate(
            """() => {
                const shown = [...document.images].map((image) => image.currentSrc);
                return performance.getEntriesByType('resource').filter((r) => shown.includes(r.name)).every((r) => r.transferSize === 0);
            }"""
        )
        assert cached, "the pictures were requested again"
    record_property("seconds from the verdict to the next case", took)


@pytest.mark.parametrize("width, height", [(1440, 900), (1920, 1080)])
def test_everything_is_on_one_screen(page: Page, review: RunningReview, width: int, height: int) -> None:
    review.add(CaseSpec(name=f"screen {width}", certainty=Certainty.CHECK, doubtful=5))
    page.set_viewport_size({"width": width, "height": height})
    sign_in(page, "rina")
    take(page)
    screenshot(page, f"case-{width}x{height}")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight && document.documentElement.scrollWidth <= innerWidth")
    for part in (".facts h1", ".crop.large", "#plate", ".signal-now", ".measures dd", "#confirm", "#warn", "#reject", "#clip"):
        expect(page.locator(part).first).to_be_in_viewport(ratio=1)


def test_it_fits_a_narrow_screen(page: Page, review: RunningReview) -> None:
    review.add(CaseSpec(name="narrow"))
    page.set_viewport_size({"width": 414, "height": 860})
    sign_in(page, "rina")
    take(page)
    screenshot(page, "case-narrow")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    expect(page.locator("#confirm")).to_be_in_viewport(ratio=1)


def test_it_works_without_scripts(chromium: Browser, review: RunningReview) -> None:
    review.empty_queue()
    case = review.add(CaseSpec(name="no scripts"))
    context = chromium.new_context(java_script_enabled=False, base_url=review.url)
    page = context.new_page()
    sign_in(page, "rina")
    page.locator("#take").click()
    page.get_by_role("button", name="Kendaraan darurat").click()
    expect(page.locator("main")).to_contain_text("Antrean kosong")
    context.close()
    assert review.reload(case).decisions[0].reason == "emergency_vehicle"
