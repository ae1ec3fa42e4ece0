"""The plate reader on real crops, on the simulator's clip, and on negatives. Limits are slightly below the measured values."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from etle.errors import ConfigError, WeightsError, WeightsMissing
from etle.plates import PlateKind, normalise, parse
from etle.types import PlateColour
from models.plates.readers import PLATE_READERS, open_plate_reader
from models.plates.readers.ppocr import PpOcrPlateReader


def rows(path: Path, every: int = 1) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))[::every]


def picture(path: Path) -> Any:
    image = cv2.imread(str(path))
    assert image is not None, path
    return image


def boxed(data: Path, row: dict[str, str], loose: float = 0.0, seed: int = 0) -> Any:
    """The plate of a row, its box widened by up to `loose` of the plate's height on each side."""
    x1, y1, x2, y2 = (float(row[key]) for key in ("x1", "y1", "x2", "y2"))
    chance = random.Random(f"{row['file']} {row['x1']} {seed}")
    left, top, right, bottom = (chance.uniform(-0.04, loose) * (y2 - y1) if loose else 0.0 for _ in range(4))
    return picture(data / row["file"])[int(max(0, y1 - top)) : int(y2 + bottom) + 1, int(max(0, x1 - left)) : int(x2 + right) + 1]


@pytest.mark.slow
def test_nine_in_ten_real_crops_are_read_exactly(ppocr: PpOcrPlateReader, shared: Path) -> None:
    crops = rows(shared / "data" / "plate_crops.csv", every=3)
    reads = ppocr.read([picture(shared / "data" / row["file"]) for row in crops])
    exact = sum(read.text == row["plate_text"] for read, row in zip(reads, crops, strict=True))
    assert exact >= 0.89 * len(crops), f"{exact} of {len(crops)}"  # measured: 135 of 149
    assert all(len(read.characters) == len(read.text) for read in reads)


@pytest.mark.slow
def test_two_in_three_plates_in_loose_boxes_of_night_pictures(ppocr: PpOcrPlateReader, shared: Path) -> None:
    plates = [row for row in rows(shared / "data" / "plates_full.csv", every=2) if row["x1"] and row["plate_text"]]
    reads = ppocr.read([boxed(shared / "data", row, loose=0.15) for row in plates])
    exact = sum(read.text == row["plate_text"] for read, row in zip(reads, plates, strict=True))
    assert exact >= 0.65 * len(plates), f"{exact} of {len(plates)}"


@pytest.mark.slow
def test_black_plates_are_not_called_white_nor_white_ones_black(ppocr: PpOcrPlateReader, shared: Path) -> None:
    plates = [row for row in rows(shared / "data" / "plates_full.csv") if row["x1"] and row["plate_colour"] in ("black", "white")]
    reads = ppocr.read([boxed(shared / "data", row) for row in plates])
    right = sum(read.colour == row["plate_colour"] for read, row in zip(reads, plates, strict=True))
    assert right >= 0.95 * len(plates), f"{right} of {len(plates)}"


EXPIRIES = {
    "B2842PKM": "02·25",
    "G9058EJ": "08·24",
    "BM1905SG": "05·28",
    "H1714LY": "11·27",
    "AD1254DD": "09·27",
    "L1657I": "04·27",
    "L1458CY": "12·23",
    "W3448WT": "06·25",
    "W1846QU": "01·25",
    "L1590ABC": "03·27",
}
"""Read by eye."""


def test_an_expiry_is_read_correctly_or_not_at_all(ppocr: PpOcrPlateReader, shared: Path) -> None:
    crops = [row for row in rows(shared / "data" / "plate_crops.csv", every=3) if row["plate_text"] in EXPIRIES]
    reads = ppocr.read([picture(shared / "data" / row["file"]) for row in crops])
    found = [(read.expiry, EXPIRIES[row["plate_text"]]) for read, row in zip(reads, crops, strict=True) if read.expiry]
    assert len(found) >= 0.7 * len(EXPIRIES)
    assert all(read == true for read, true in found), found


@pytest.mark.slow
def test_foreign_plates_are_rarely_read_as_plates_of_a_known_area(ppocr: PpOcrPlateReader, shared: Path) -> None:
    foreign = rows(shared / "data" / "plates_foreign.csv")
    plates = [parse(read.text) for read in ppocr.read([boxed(shared / "data", row) for row in foreign])]
    assert sum(plate.region is not None for plate in plates) <= 4, plates  # a Dutch or Slovak plate can have our shape to the letter
    assert sum(not plate.text for plate in plates) >= 9


@pytest.mark.slow
def test_the_simulators_plates(ppocr: PpOcrPlateReader, shared: Path) -> None:
    """Fully visible plates of at least 40 pixels, on every ninth frame."""
    clip = shared / "simulator" / "clip.mp4"
    if not clip.is_file():
        pytest.skip(f"no simulated clip: {clip} is not there")
    truth = json.loads((shared / "simulator" / "clip.truth.json").read_text(encoding="utf-8"))
    film, wrong, right = cv2.VideoCapture(str(clip)), [], 0
    for frame in truth["frames"]:
        ok, image = film.read()
        assert ok
        for text, quad in _whole_plates(frame) if frame["i"] % 9 == 0 else ():
            x1, y1, x2, y2 = np.concatenate([quad.min(axis=0), quad.max(axis=0)]) + np.array([-4, -2, 4, 2])
            read = ppocr.read([image[max(0, int(y1)) : int(y2) + 1, max(0, int(x1)) : int(x2) + 1]])[0].text
            right += read == text
            wrong += [] if read == text else [(read, text)]
    assert right >= 12
    assert right >= 0.85 * (right + len(wrong)), wrong


def _whole_plates(frame: dict[str, Any]) -> list[tuple[str, Any]]:
    plates = [plate for vehicle in frame["vehicles"] for plate in vehicle["plates"].values()]
    quads = [(normalise(plate["text"]), np.array(plate["quad"]), plate) for plate in plates]
    return [
        (text, quad)
        for text, quad, plate in quads
        if plate["visible"] >= 0.95 and plate["width_px"] >= 40 and quad.min() >= 0 and (quad.max(axis=0) <= (1920, 1080)).all()
    ]


@pytest.mark.parametrize(
    "crop",
    [
        pytest.param(np.zeros((60, 180, 3), np.uint8), id="black"),
        pytest.param(np.full((60, 180, 3), 255, np.uint8), id="white"),
        pytest.param(np.random.default_rng(1).integers(0, 256, (60, 180, 3), dtype=np.uint8), id="noise"),
        pytest.param(np.tile(np.arange(180, dtype=np.uint8)[None, :, None], (60, 1, 3)), id="a gradient"),
        pytest.param(np.zeros((1, 1, 3), np.uint8), id="one pixel"),
        pytest.param(np.zeros((0, 0, 3), np.uint8), id="no pixel"),
        pytest.param(np.zeros((400, 24, 3), np.uint8), id="much higher than wide"),
        pytest.param(np.zeros((8, 900, 3), np.uint8), id="much wider than high"),
    ],
)
def test_nothing_is_read_without_a_plate(ppocr: PpOcrPlateReader, crop: Any) -> None:
    (read,) = ppocr.read([crop])
    assert (read.text, read.characters, read.colour, read.expiry) == ("", (), PlateColour.UNKNOWN, None)


def test_a_read_does_not_depend_on_the_other_crops(ppocr: PpOcrPlateReader, shared: Path) -> None:
    crops = [picture(shared / "data" / row["file"]) for row in rows(shared / "data" / "plate_crops.csv", every=90)]
    assert ppocr.read([]) == []
    assert ppocr.read(crops) == [ppocr.read([crop])[0] for crop in crops]


@pytest.mark.slow
def test_every_read_is_a_plate(ppocr: PpOcrPlateReader, shared: Path) -> None:
    crops = [boxed(shared / "data", row, loose=0.6) for row in rows(shared / "data" / "plates_full.csv", every=9) if row["x1"]]
    texts = [read.text for read in ppocr.read(crops) if read.text]
    assert texts
    assert all(parse(text).kind is not PlateKind.UNKNOWN for text in texts)


def test_unusable_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"gone\.onnx"):
        open_plate_reader("ppocr", tmp_path / "gone.onnx")
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    with pytest.raises(WeightsError, match=r"broken\.onnx"):
        open_plate_reader("ppocr", broken)
    with pytest.raises(WeightsMissing, match=r"english_g2\.pth"):
        open_plate_reader("easyocr", tmp_path / "english_g2.pth")


def test_a_model_that_does_not_list_its_characters_is_rejected(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    other = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [value], [other])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "other.onnx"
    onnx.save(model, str(path))
    with pytest.raises(WeightsError, match="character"):
        open_plate_reader("ppocr", path)


def test_an_unknown_engine_is_rejected_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=", ".join(PLATE_READERS)):
        open_plate_reader("tesseract", tmp_path)
