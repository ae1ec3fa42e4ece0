"""`etle evaluate helmets`: what it counts, and wrong input."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from etle.testing import FixedHeadReader
from etle.types import Box, Detection, Digest, Headgear, PersonBox, RiderHead, VehicleClass
from etle_cli.main import main
from pipeline.evaluation.rider_photos import load_rider_photos
from pipeline.evaluation.riders import HeadCounts, RiderEngines, TripleCounts, as_json, evaluate_riders

COLUMNS = ("file", "more_than_two_riders", "boxes")
ROW = {"file": "a.png", "more_than_two_riders": "1", "boxes": json.dumps([{"helmet": 1, "box": [10, 10, 30, 30]}])}


def write(folder: Path, *rows: dict[str, str], columns=COLUMNS) -> None:
    for row in rows:
        cv2.imwrite(str(folder / row["file"]), np.zeros((200, 300, 3), np.uint8))
    with (folder / "helmets.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, columns, extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)


class OneMotorcycle:
    name, digest = "one", Digest("c" * 64)

    def detect(self, images):
        return [(Detection(box=Box(80, 100, 220, 190), vehicle=VehicleClass.MOTORCYCLE, score=0.9),) for _ in images]

    def detect_part(self, image, part, zoom=1.0):
        return ()


class Riders:
    """The next of these numbers of persons for each crop."""

    name, digest = "riders", Digest("d" * 64)

    def __init__(self, *numbers: int) -> None:
        self._numbers = list(numbers)

    def detect_persons(self, images):
        return [tuple(self._person(n) for n in range(self._numbers.pop(0))) for _ in images]

    def _person(self, n: int) -> PersonBox:
        """The crop begins 49 pixels left of the motorcycle, at the upper edge of the picture."""
        return PersonBox(box=Box(60 + 35 * n, 40, 100 + 35 * n, 170), score=0.9)


def test_pictures_are_counted_by_what_they_show(tmp_path: Path) -> None:
    write(tmp_path, *({**ROW, "file": f"{n}.png", "more_than_two_riders": truth} for n, truth in enumerate("1100")))
    engines = RiderEngines(vehicles=OneMotorcycle(), persons=Riders(3, 2, 3, 1), heads=FixedHeadReader())
    report = evaluate_riders(load_rider_photos(tmp_path), engines, lambda items, _: iter(items))
    assert report.triple == TripleCounts(pictures=2, found=1, others=2, false=1)
    assert as_json(report)["triple_riding"] == {"pictures": 2, "found": 1, "other_pictures": 2, "false": 1}


@pytest.mark.parametrize(
    ("told", "helmet", "counted"),
    [
        pytest.param(Headgear.HELMET, 1, (HeadCounts(n=1, helmet=1), HeadCounts()), id="a helmet told"),
        pytest.param(Headgear.NO_HELMET, 1, (HeadCounts(n=1, bare=1), HeadCounts()), id="a helmet called bare"),
        pytest.param(Headgear.UNKNOWN, 0, (HeadCounts(), HeadCounts(n=1, unknown=1)), id="a bare head that is not told"),
    ],
)
def test_heads_are_counted_by_what_is_told(tmp_path: Path, told: Headgear, helmet: int, counted: tuple[HeadCounts, HeadCounts]) -> None:
    labels = json.dumps([{"helmet": helmet, "box": [110, 42, 140, 72]}])
    write(tmp_path, {**ROW, "boxes": labels})
    heads = FixedHeadReader(
        tuple(
            RiderHead(box=Box(x, 40, x + 30, 70), found=0.9, headgear=gear, score=0.0 if gear is Headgear.UNKNOWN else 0.9)
            for x, gear in ((109, told), (145, Headgear.HELMET))
        )
    )
    engines = RiderEngines(vehicles=OneMotorcycle(), persons=Riders(2), heads=heads)
    report = evaluate_riders(load_rider_photos(tmp_path), engines, lambda items, _: iter(items))
    assert (report.helmets, report.bare) == counted and report.unlabelled == 1
    assert report.helmets.lost == report.bare.lost == 0


def test_a_head_that_is_not_found_is_lost(tmp_path: Path) -> None:
    write(tmp_path, ROW)
    engines = RiderEngines(vehicles=OneMotorcycle(), persons=Riders(1), heads=FixedHeadReader())
    report = evaluate_riders(load_rider_photos(tmp_path), engines, lambda items, _: iter(items))
    assert report.helmets.lost == 1 and as_json(report)["with_helmet"] == {"n": 1, "helmet": 0, "bare": 0, "unknown": 0, "lost": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"more_than_two_riders": "two"}, "row 2: more_than_two_riders is 'two', not 0 or 1", id="an odd number"),
        pytest.param({"boxes": "[1]"}, "row 2: boxes '[1]' is not a list such as", id="odd boxes"),
        pytest.param({"boxes": '[{"helmet": 1, "box": [9, 9, 9, 9]}]'}, "row 2: a box is empty", id="an empty box"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, str], message: str) -> None:
    write(tmp_path, {**ROW, **change})
    assert main(["evaluate", "helmets", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_a_missing_picture_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, ROW)
    (tmp_path / "a.png").unlink()
    assert main(["evaluate", "helmets", str(tmp_path)]) == 1
    assert "row 2: there is no picture" in capsys.readouterr().err


def test_a_missing_column_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, ROW, columns=("file", "boxes"))
    assert main(["evaluate", "helmets", str(tmp_path)]) == 1
    assert "has no column more_than_two_riders" in capsys.readouterr().err
