"""A camera's values are changed in the text of a site file, and everything else of the text stays as it is."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from etle.config.drawing import CameraDrawing, changed_values, drawing_document
from etle.config.packaged import configs_folder
from etle.config.site import load_site
from etle.config.site_text import change_camera
from etle.errors import ConfigError

DEMO = (configs_folder() / "demo" / "site.yaml").read_text()
BLOCK = """\
site: x   # the place
cameras:
  # the only camera
  - id: satu
    view: rear
    frame_size: [1920, 1080]
    lines:
      # painted in 2024
      - id: henti   # measured
        points: [[1, 2], [3, 4]]

        beyond: [5, 6]
      # to be drawn again
      - id: simpang
        points:
          - [1, 2]
          - [3, 4]
        beyond: [9, 9]
    # the rules are below
    rules:
    - rule: red_light
      line: henti
    # no more rules

    name: ""
detect: {threads: 2}
"""


def camera_of(text: str, name: str = "satu") -> dict[str, Any]:
    return next(each for each in yaml.safe_load(text)["cameras"] if each["id"] == name)


def removed_and_added(before: str, after: str) -> tuple[list[str], list[str]]:
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


def line(name: str, *, beyond: object = (5, 6), points: object = ((1, 2), (3, 4))) -> dict[str, Any]:
    return {"id": name, "points": [list(each) for each in points], "beyond": list(beyond)}  # type: ignore[attr-defined, call-overload]


@pytest.mark.parametrize(
    ("lines", "gone", "came"),
    [
        pytest.param([line("henti"), line("simpang", beyond=(9, 9))], [], [], id="nothing changed"),
        pytest.param(
            [line("henti", beyond=(7, 8)), line("simpang", beyond=(9, 9))],
            ["        beyond: [5, 6]"],
            ["        beyond: [7, 8]"],
            id="one value changed",
        ),
        pytest.param(
            [line("stop"), line("simpang", beyond=(9, 9))],
            ["      - id: henti   # measured"],
            ["      - id: stop   # measured"],
            id="renamed: its comment stays",
        ),
        pytest.param(
            [line("henti")],
            ["      - id: simpang", "        points:", "          - [1, 2]", "          - [3, 4]", "        beyond: [9, 9]"],
            [],
            id="removed",
        ),
        pytest.param(
            [line("henti"), line("simpang", beyond=(9, 9)), line("no")],
            [],
            ["      - {id: 'no', points: [[1, 2], [3, 4]], beyond: [5, 6]}"],
            id="added, with a name that YAML would read as false",
        ),
    ],
)
def test_only_what_differs_is_written_again(lines: list[dict[str, Any]], gone: list[str], came: list[str]) -> None:
    changed = change_camera(BLOCK, "satu", {"lines": lines})
    assert camera_of(changed)["lines"] == lines
    assert removed_and_added(BLOCK, changed) == (gone, came)


def test_a_key_that_is_empty_now_is_removed_and_a_new_one_follows_its_predecessors() -> None:
    changed = change_camera(BLOCK, "satu", {"lines": [], "lens": {"k1": -0.1}, "drawn": {"by": "budi"}, "name": None})
    assert "henti\n" in changed and "lines:" not in changed and "name:" not in changed
    assert list(camera_of(changed)) == ["id", "view", "frame_size", "lens", "rules", "drawn"]
    assert "# the rules are below" in changed and "# no more rules" in changed


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("cameras: [{id: satu, view: rear}]\n", id="the camera in braces"),
        pytest.param("base: &b {id: henti}\ncameras:\n  - id: satu\n    lines: [*b]\n    other: *b\n", id="an anchor"),
    ],
)
def test_an_unusual_notation_is_changed_rightly_or_refused(text: str) -> None:
    """Never damaged."""
    try:
        changed = change_camera(text, "satu", {"lines": [line("baru")]})
    except ConfigError as error:
        assert "notation" in str(error)
    else:
        assert camera_of(changed)["lines"] == [line("baru")]


def test_a_camera_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match="no camera 'dua'"):
        change_camera(BLOCK, "dua", {})


def in_any_order(items: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(json.loads(json.dumps(item), parse_int=float), sort_keys=True) for item in items)


PIXELS = st.tuples(st.floats(0, 1920).map(lambda x: round(x, 1)), st.floats(0, 1080).map(lambda y: round(y, 1))).map(list)
NAMES = st.sampled_from(["henti", "simpang", "no", "1", "null", "1e3", "a-b", "0x1f", "12_3"])
LINES = st.lists(st.fixed_dictionaries({"id": NAMES, "points": st.tuples(PIXELS, PIXELS).map(list), "beyond": PIXELS}), max_size=5)


@given(lines=LINES, points=st.lists(st.fixed_dictionaries({"px": PIXELS, "m": PIXELS}), max_size=6), text=st.sampled_from([DEMO, BLOCK]))
@settings(max_examples=30, deadline=None)
def test_any_drawing_is_read_back_as_it_was_written(lines: list[dict[str, Any]], points: list[dict[str, Any]], text: str) -> None:
    name = "demo-masuk" if text is DEMO else "satu"
    changed = change_camera(text, name, {"lines": lines, "ground_points": points})
    found = camera_of(changed, name)
    assert in_any_order(found.get("lines", [])) == in_any_order(lines)
    assert in_any_order(found.get("ground_points", [])) == in_any_order(points)
    if text is DEMO:
        assert camera_of(changed, "demo-keluar") == camera_of(DEMO, "demo-keluar")


def test_the_demo_drawn_again_is_the_same_file() -> None:
    values = camera_of(DEMO, "demo-masuk")
    drawing = CameraDrawing.model_validate(drawing_document(values))
    editable = {"red_light": frozenset({"line"}), "stop_line": frozenset({"line"})}
    assert change_camera(DEMO, "demo-masuk", changed_values(values, drawing, editable)) == DEMO


class TestWhatAPageMayChange:
    FILE: dict[str, Any] = {  # noqa: RUF012  # a document
        "signals": [{"id": "barat", "feed": {"http": "http://controller/state", "uncertainty_ms": 300}, "head": [1, 2, 3, 4]}],
        "rules": [{"rule": "listed", "file": "stolen.txt", "limit_s": 3}],
    }

    def drawn(self, **changes: Any) -> dict[str, Any]:
        document = {**drawing_document(self.FILE), **changes}
        return changed_values(self.FILE, CameraDrawing.model_validate(document), {"listed": frozenset({"limit_s"})})

    def test_the_address_of_a_controller_is_kept_and_cannot_be_set(self) -> None:
        moved = {"id": "timur", "was": "barat", "heads": [[5, 6, 7, 8]], "order": ["red", "green"]}
        (signal,) = self.drawn(signals=[moved])["signals"]
        assert signal == {"id": "timur", "feed": self.FILE["signals"][0]["feed"], "head": [5, 6, 7, 8], "order": ["red", "green"]}
        with pytest.raises(ValueError, match="feed"):
            self.drawn(signals=[{**moved, "feed": {"http": "http://elsewhere"}}])

    def test_a_setting_that_names_a_file_is_kept_and_cannot_be_set(self) -> None:
        (rule,) = self.drawn(rules=[{"rule": "listed", "was": 0, "settings": {"file": "/etc/passwd", "limit_s": 5}}])["rules"]
        assert rule == {"rule": "listed", "file": "stolen.txt", "limit_s": 5}
        (new,) = self.drawn(rules=[{"rule": "listed", "was": None, "settings": {"file": "/etc/passwd"}}])["rules"]
        assert new == {"rule": "listed"}

    def test_positions_are_rounded_to_a_tenth_of_a_pixel(self) -> None:
        (point,) = self.drawn(ground_points=[{"px": [10.04, 20.06], "m": [1.23456, 2]}])["ground_points"]
        assert point == {"px": [10, 20.1], "m": [1.235, 2]}


def test_later_keys_that_are_not_set_do_not_change_the_digest(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    texts = {"a": DEMO, "b": change_camera(DEMO, "demo-masuk", {"lens": {"k1": -0.1}, "reference": "v/x.jpg"})}
    digests = {}
    for folder, name in (("a", "a"), (".", "a"), ("a", "b"), (".", "b")):
        path = tmp_path / folder / "site.yaml"
        path.write_text(texts[name])
        digests[folder, name] = load_site(path).digest
    assert digests["a", "a"] == digests[".", "a"] != digests["a", "b"] == digests[".", "b"]
