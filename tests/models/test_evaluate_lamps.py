"""`etle evaluate lamps`: on rendered heads, and with wrong input."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from test_lamps import picture

from etle.testing import ScriptedLamps
from etle.types import Box, Lamp
from etle_cli.main import main
from pipeline.evaluation.lamp_heads import load_heads
from pipeline.evaluation.lamps import VARIANTS, evaluate_lamps

COLUMNS = ("file", "label", "lamps", "source", "head_box")
READINGS = {"tight": 1, "larger_15": 1, "larger_30": 1, "shifted_10": 4, "shifted_20": 4, "narrow_5px": 1}


def write_heads(folder: Path, rows: Sequence[Mapping[str, str]], columns: Sequence[str] = COLUMNS) -> Path:
    """A table, and a picture of each row's lamp; `redyellow` shows both, `off` none."""
    (folder / "lamps").mkdir()
    with (folder / "lamps.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    for row in rows:
        lit = [lamp for lamp in Lamp if lamp.value in row["label"]]
        image, head = picture(lit, lamp_px=14)
        crop = image[int(head.y1) - 4 : int(head.y2) + 4, int(head.x1) - 4 : int(head.x2) + 4]
        cv2.imwrite(str(folder / "lamps" / row["file"]), crop)
    return folder


def row(label: str, source: str = "a", **more: str) -> dict[str, str]:
    return {"file": f"{label}_{source}.png", "label": label, "lamps": "red-yellow-green", "source": source, "head_box": "4 4 18 46", **more}


def test_every_variant_is_counted_by_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_heads(tmp_path, [row("red"), row("green"), row("off", "b"), row("yellow", "b", head_box="")])
    assert main(["evaluate", "lamps", str(tmp_path), "--json", str(tmp_path / "lamps.json")]) == 0
    figures = json.loads((tmp_path / "lamps.json").read_text(encoding="utf-8"))
    assert {name: each["n"] for name, each in figures["variants"].items()} == {name: 4 * n for name, n in READINGS.items()}
    assert set(figures["sources"]) == {"a", "b"}
    assert figures["variants"]["tight"] == {"n": 4, "right": 1.0, "unknown": 0.0, "wrong": 0.0, "red_where_not_red": 0}
    assert "red where not red" in capsys.readouterr().out


def test_what_counts_as_right_unknown_and_wrong(tmp_path: Path) -> None:
    """The reader calls everything red."""
    heads = load_heads(write_heads(tmp_path, [row("red"), row("green"), row("off"), row("redyellow")]))
    readings = sum(READINGS.values()) * len(heads)
    report = evaluate_lamps(heads, ScriptedLamps([Lamp.RED] * readings), lambda items, _: iter(items))
    tight = report.variants["tight"]
    assert (tight.n, tight.right, tight.unknown, tight.wrong, tight.red_where_not_red) == (4, 1, 0, 3, 3)
    report = evaluate_lamps(heads, ScriptedLamps([Lamp.UNKNOWN] * readings), lambda items, _: iter(items))
    tight = report.variants["tight"]
    assert (tight.n, tight.right, tight.unknown, tight.wrong, tight.red_where_not_red) == (4, 2, 2, 0, 0)


def test_boxes_stay_inside_the_padded_picture(tmp_path: Path) -> None:
    (head,) = load_heads(write_heads(tmp_path, [row("red", head_box="")]))
    image = np.zeros((150, 66, 3), np.uint8)
    assert head.box is None
    for variant in VARIANTS.values():
        for padded, box in variant(image, Box(22, 50, 44, 100)):
            assert 0 <= box.x1 < box.x2 <= padded.shape[1]
            assert 0 <= box.y1 < box.y2 <= padded.shape[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"label": "blue"}, "row 2: label 'blue' is none of red, yellow, green, off, redyellow", id="an odd label"),
        pytest.param({"file": "none.png"}, "row 2: there is no picture", id="a missing picture"),
        pytest.param({"lamps": "red,green"}, "row 2: lamps 'red,green' are not red, yellow and green", id="an odd order"),
        pytest.param({"lamps": "yellow-green"}, "row 2: the label is red, but the lamps are yellow-green", id="a lamp that is not there"),
        pytest.param({"head_box": "1 2 3"}, "row 2: head_box '1 2 3' is not four numbers", id="an odd box"),
        pytest.param({"head_box": "9 9 9 9"}, "row 2: head_box '9 9 9 9' is empty", id="an empty box"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], message: str) -> None:
    write_heads(tmp_path, [row("red")])
    with (tmp_path / "lamps.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerow({**row("red"), **change})
    assert main(["evaluate", "lamps", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_a_missing_column_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_heads(tmp_path, [row("red")], columns=("file", "label", "source"))
    assert main(["evaluate", "lamps", str(tmp_path)]) == 1
    assert "has no column lamps" in capsys.readouterr().err
