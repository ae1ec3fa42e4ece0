"""The demo's review pages in a real browser: cases of the bundled footage, decided by keyboard."""

import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from demo_footage import DemoRun, etle, violations
from playwright.sync_api import Browser, Page

READY = "#verdict[data-ready=yes]"
DRAWN_BOXES = """async () => {
  const video = document.getElementById("clip"), box = document.querySelector("[data-moving]");
  const clip = JSON.parse(video.closest("[data-clip]").dataset.clip), drawn = [];
  video.pause();
  for (let index = clip.offsets_s.length - 1; index >= 0; index--) {
    video.currentTime = ((index + 0.5) * video.duration) / clip.offsets_s.length;
    let number = -1;
    while (number !== index) {  // a picture from before the seek may come first
      const mediaTime = await new Promise((resolve, reject) => {
        video.requestVideoFrameCallback((now, frame) => resolve(frame.mediaTime));
        setTimeout(() => reject(new Error(`picture ${index} was not shown`)), 10000);
      });
      number = Math.round((mediaTime * clip.offsets_s.length) / video.duration);
    }
    await new Promise(requestAnimationFrame);
    const edges = ["x", "y", "width", "height"].map((name) => Number(box.getAttribute(name)));
    drawn.push([index, box.style.display !== "none", ...edges]);
  }
  return {drawn, offsets: clip.offsets_s, path: clip.path};
}"""
"""Shows each picture of the clip, from the last to the first, and notes the box drawn over it."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_port_in_use_is_reported(demo_run: DemoRun):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = etle("review", "--data", demo_run.data, "--port", str(port), check=False)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in done.stderr
    assert "--port" in done.stderr


def test_a_reviewer_decides_cases_of_the_pipeline(demo_run: DemoRun, chromium: Browser, tmp_path: Path):
    data = tmp_path / "data"
    shutil.copytree(demo_run.data / "evidence", data / "evidence")
    shutil.copytree(demo_run.data / "keys", data / "keys")
    port = free_port()
    command = [sys.executable, "-u", "-m", "etle_cli.main", "demo", "--data", str(data), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        try:
            line = next(line for line in served.stdout if "sign in as" in line)
            found = re.search(r"(http://\S+)\s+sign in as (\S+) with (\S+)", line)
            assert found is not None
            _decide_two(chromium, *found.groups())
        finally:
            served.terminate()
            served.stdout.read()
    assert sorted(row["state"] for row in violations(data)) == sorted(["confirm", "reject"] + ["open"] * (len(violations(data)) - 2))


def _decide_two(chromium: Browser, url: str, name: str, password: str) -> None:
    with chromium.new_page(base_url=url, viewport={"width": 1440, "height": 900}) as page:
        page.goto("/")
        page.get_by_label("Nama pengguna").fill(name)
        page.get_by_label("Kata sandi").fill(password)
        page.keyboard.press("Enter")
        page.locator("#take").wait_for()
        _assert_that_overlays_are_exact(page)
        page.goto("/")
        page.locator("#take").click()
        page.wait_for_selector(READY)
        page.wait_for_function("() => document.getElementById('clip').currentTime > 0.3")
        page.wait_for_function("() => [...document.querySelectorAll('img')].some(each => each.naturalWidth === 1920)")
        page.keyboard.press("k")
        page.wait_for_url("**/cases/*?after=*")
        page.wait_for_selector(READY)
        page.keyboard.press("t")
        with page.expect_navigation():
            page.keyboard.press("2")


def _assert_that_overlays_are_exact(page: Page) -> None:
    """In every picture of every clip in which the vehicle was detected, the box drawn is within 2 pixels of the track's."""
    page.goto("/cases")
    cases = sorted({link.get_attribute("href") or "" for link in page.locator("a[href^='/cases/']").all()})
    compared = 0
    for case in cases:
        page.goto(case)
        page.wait_for_function("() => document.getElementById('clip').readyState === 4")
        shown = page.evaluate(DRAWN_BOXES)
        drawn = {index: (visible, box) for index, visible, *box in shown["drawn"]}
        boxes = {round(second, 3): edges for second, *edges in shown["path"]}
        for index, offset in enumerate(shown["offsets"]):
            if round(offset, 3) in boxes:
                x1, y1, x2, y2 = boxes[round(offset, 3)]
                assert drawn[index] == (True, pytest.approx([x1, y1, x2 - x1, y2 - y1], abs=2)), f"{case}, picture {index}"
                compared += 1
    assert compared > 20 * len(cases) > 0
