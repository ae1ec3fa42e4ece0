"""Every page in Chromium at four sizes, and in both themes: axe-core finds nothing (WCAG 2.2 AA), and nothing is wider than the window.

axe-core is fetched by npm when the test runs; its licence (MPL 2.0) is not ours.
"""

import os
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from review_app import PASSWORDS, RunningReview
from review_cases import CaseSpec, of_device, violation_message
from review_runs import add_run

from etle.config.campaign import Campaign
from etle.types import Certainty

pytestmark = pytest.mark.slow
SIZES = [(390, 844), (1024, 600), (1366, 768), (1920, 1080)]
SCREENSHOTS = os.environ.get("ETLE_SCREENSHOTS")
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ZEBRA = Campaign.model_validate(
    {
        "campaign": "zebra",
        "name": "Operasi Zebra 2026",
        "first_day": "2026-11-23",
        "last_day": "2026-12-06",
        "targets": [{"rule": rule, "outcome": "warning"} for rule in ("red_light", "no_helmet", "triple_riding")]
        + [{"rule": "phone", "outcome": "ticket"}],
    }
)
SMALL_TARGETS = """() => [...document.querySelectorAll("button, summary, input, select, a.button, .links a, .rows a")]
  .filter((each) => each.checkVisibility() && each.type !== "hidden")
  .map((each) => [each.outerHTML.slice(0, 80), each.getBoundingClientRect()])
  .filter(([, box]) => box.width < 24 || box.height < 23.5).map(([text]) => text)"""


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = Path(os.environ.get("ETLE_AXE") or tmp_path_factory.mktemp("axe"))
    if not (folder / "node_modules/axe-core/axe.min.js").exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("needs npm, to fetch axe-core")
        done = subprocess.run([npm, "install", "--prefix", folder, "--no-save", "axe-core@4"], capture_output=True, text=True, timeout=120)
        if done.returncode:
            pytest.skip(f"npm could not fetch axe-core: {done.stderr[-200:]}")
    return (folder / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="module")
def addresses(review: RunningReview) -> dict[str, list[tuple[str, str]]]:
    """By user: names and addresses of pages, with a decided case and an open one."""
    review.empty_queue()
    decided = review.add(CaseSpec(name="decided page", marks=("burst",), notes=("number_of_other_vehicle",)))
    with review.signed_in("rina") as rina:
        assert rina.post("/next").status_code == 303
        rina.decide(decided, "reject other", plate="B1432GMC", note="mobil jenazah")
        doubtful = CaseSpec(name="page", certainty=Certainty.CHECK, doubtful=5, marks=("burst",), alternatives=(("B1432CMC", 0.3),))
        opened = review.assign_new(rina, doubtful)
    review.add(CaseSpec(name="against page", wrong_way=True, occurred_after=timedelta(minutes=2)))
    review.add(CaseSpec(name="later", occurred_after=timedelta(days=-2)))
    device = of_device(violation_message(CaseSpec(name="device page"), review.folder).violation, certificate_state="expired")
    review.cases.add(device, ())
    review.app.state.deps.campaigns.add(ZEBRA, "sari", review.clock.now())
    add_run(review, "again", [opened.violation, decided.violation], plates=["B1432GMG", None])
    runs = [("runs", "/runs"), ("comparison", "/runs/compare?a=live&b=again"), ("comparison-only", "/runs/compare?b=again&kind=only_a")]
    case = f"/cases/{opened.violation.id}"
    return {
        "": [("sign-in", "/sign-in")],
        "rina": [("home", "/"), ("case", case), ("refused", "/log")],
        "sari": [
            ("list", "/cases"),
            ("history", f"/cases/{decided.violation.id}/history"),
            ("proposals", "/proposals"),
            ("campaigns", "/campaigns"),
            ("campaign", "/campaigns/zebra?days=5"),
            *runs,
            ("device", f"/cases/{device.id}"),
        ],
        "agus": [("log", "/log"), ("read-only", case)],
        "admin": [("users", "/users")],
    }


def findings(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    result: dict[str, Any] = page.evaluate("(tags) => axe.run({ runOnly: tags })", RULES)
    return [
        f"{each['id']}: {node['html'][:120]} ({node['failureSummary'][:160]})" for each in result["violations"] for node in each["nodes"]
    ]


@pytest.mark.parametrize("width, height, theme", [*((*size, "light") for size in SIZES), (390, 844, "dark"), (1366, 768, "dark")])
def test_every_page_at_every_size(
    chromium: Browser, review: RunningReview, addresses: dict[str, list[tuple[str, str]]], axe: str, width: int, height: int, theme: str
) -> None:
    problems: list[str] = []
    for user, pages in addresses.items():
        context = chromium.new_context(
            viewport={"width": width, "height": height}, color_scheme="light" if theme == "light" else "dark", base_url=review.url
        )
        page = context.new_page()
        if user:
            page.goto("/sign-in")
            page.locator("[name=name]").fill(user)
            page.locator("[name=password]").fill(PASSWORDS[user])
            page.locator("button.primary").click()
            page.wait_for_url(lambda url: "sign-in" not in url)
        for name, address in pages:
            page.goto(address)
            page.wait_for_timeout(400)
            if SCREENSHOTS:
                Path(SCREENSHOTS).mkdir(parents=True, exist_ok=True)
                page.screenshot(path=str(Path(SCREENSHOTS) / f"{name}-{width}-{theme}.png"))
            problems += [f"{name}: {each}" for each in findings(page, axe)]
            for narrower in (width, min(width, 1280)):  # the usual window of a desk, between two of the sizes
                page.set_viewport_size({"width": narrower, "height": height})
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    problems.append(f"{name}: wider than a window of {narrower} px")
            page.set_viewport_size({"width": width, "height": height})
            problems += [f"{name}: a target under 24 px: {each}" for each in page.evaluate(SMALL_TARGETS)]
        context.close()
    assert problems == []
