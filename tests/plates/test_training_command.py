"""`etle models train reader` and `etle models quantize reader`, on a recogniser ten thousand times smaller than the real one."""

import csv
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest

from etle.errors import ConfigError
from etle_cli.main import main
from models.synthetic.plates import render_plate

pytest.importorskip("torch", reason="training comes with the torch extra")

from miniature_recogniser import write_recogniser

from models.plates.readers.ppocr import PpOcrPlateReader
from models.training.export import export_reader
from models.training.labelled_crops import augment, read_labelled
from models.training.recogniser import plate_recogniser
from models.training.samples import WIDTH

pytestmark = pytest.mark.torch


def write_crops(folder: Path, rows: list[dict[str, str]], name: str = "plates_train.csv") -> Path:
    """Write the CSV and a rendered plate for each row with a file."""
    folder.mkdir(exist_ok=True)
    for number, row in enumerate(rows):
        if row.get("file"):
            cv2.imwrite(str(folder / row["file"]), render_plate(np.random.default_rng(number)).image)
    with (folder / name).open("w", newline="") as file:
        table = csv.DictWriter(file, sorted({key for row in rows for key in row}))
        table.writeheader()
        table.writerows(rows)
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Path:
    return write_recogniser(tmp_path / "start.onnx")


def test_a_trained_reader_is_written_with_its_curve(start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crops = write_crops(tmp_path / "crops", [{"file": "a.png", "plate_text": "B1234XYZ"}, {"file": "b.png", "plate_text": "AB 12 C"}])
    out, state = tmp_path / "reader.onnx", tmp_path / "state.pt"
    words = ["models", "train", "reader", "--start", str(start), "--out", str(out), "--samples", "8", "--batch", "4", "--threads", "1"]
    assert main([*words, "--finetune", str(crops), "--measure", str(crops), "--checkpoint", str(state)]) == 0
    assert "8 lines" in capsys.readouterr().out
    PpOcrPlateReader(out, name="own", confusions={}, width=WIDTH)
    rows = list(csv.DictReader(out.with_suffix(".csv").read_text().splitlines()))
    assert [row["samples"] for row in rows] == ["8"]
    assert {"rendered, averaged", f"{crops}, last"} <= set(rows[0])
    assert state.exists()


def test_interpolation_0_exports_the_initial_weights(start: Path, tmp_path: Path) -> None:
    out = tmp_path / "reader.onnx"
    words = ["models", "train", "reader", "--start", str(start), "--out", str(out), "--samples", "4", "--batch", "4", "--threads", "1"]
    assert main([*words, "--interpolate", "0"]) == 0
    untrained = export_reader(plate_recogniser(start))
    assert out.read_bytes() == untrained
    assert main(words) == 0
    assert out.read_bytes() != untrained


def test_a_reader_is_quantized(start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "rounded.onnx"
    words = ["models", "quantize", "reader", "--start", str(start), "--out", str(out)]
    assert main([*words, "--samples", "8", "--batch", "4", "--threads", "1"]) == 0
    assert "8 lines" in capsys.readouterr().out
    assert any(node.op_type == "QuantizeLinear" for node in onnx.load(out).graph.node)
    PpOcrPlateReader(out, name="own", confusions={}, width=WIDTH)
    assert out.with_suffix(".csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--samples", "8", "--threads", "0"], "--threads is 0", id="no threads"),
        pytest.param(["--samples", "8", "--batch", "1"], "--batch is 1", id="a batch smaller than its threads"),
        pytest.param(["--samples", "8", "--interpolate", "1.5"], "--interpolate is 1.5", id="interpolation above 1"),
        pytest.param(["--samples", "0"], "must be greater than 0", id="no samples"),
        pytest.param(["--samples", "8", "--finetune", "EMPTY"], "has no CSV file", id="a folder without a table"),
    ],
)
def test_invalid_settings_are_named(
    words: list[str], message: str, start: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "EMPTY").mkdir()
    given = [str(tmp_path / word) if word == "EMPTY" else word for word in words]
    assert main(["models", "train", "reader", "--start", str(start), "--out", str(tmp_path / "x.onnx"), *given]) != 0
    assert message in "".join(capsys.readouterr().err.split("\n"))


CROP = {"file": "a.png", "plate_text": "B 1234 XYZ"}


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        pytest.param([CROP], ["B1234XYZ"], id="spaces are no part of a text"),
        pytest.param([CROP, {"file": "b.png", "plate_text": ""}], ["B1234XYZ"], id="a crop without text is left out"),
        pytest.param([CROP, {"file": "b.png", "plate_text": "1234-VII"}], ["B1234XYZ"], id="a text with a hyphen is left out"),
        pytest.param(
            [CROP, {"file": "b.png", "plate_text": "B1XY", "plate_also_in_plate_crops": "yes"}], ["B1234XYZ"], id="kept for measuring"
        ),
    ],
)
def test_only_crops_with_a_usable_text_are_read(rows: list[dict[str, str]], texts: list[str], tmp_path: Path) -> None:
    crops = read_labelled(write_crops(tmp_path / "crops", rows))
    assert [crop.text for crop in crops] == texts


def test_a_plate_in_a_photo_is_cropped_to_its_box(tmp_path: Path) -> None:
    row = CROP | {"x1": "100", "y1": "20", "x2": "200", "y2": "60"}
    (crop,) = read_labelled(write_crops(tmp_path / "photos", [row], name="photos.csv"))
    assert crop.image.shape[:2] == (40 + 2 * 1 + 1 + 1, 100 + 2 * 4 + 1)


@pytest.mark.parametrize(
    ("rows", "names", "message"),
    [
        pytest.param([{"file": "a.png"}], ["a.csv"], "has no row", id="no texts"),
        pytest.param([CROP], ["a.csv", "b.csv"], "more than one CSV file", id="two tables, none of them usual"),
        pytest.param([], [], "has no CSV file", id="an empty folder"),
    ],
)
def test_a_folder_without_crops_is_rejected(rows: list[dict[str, str]], names: list[str], message: str, tmp_path: Path) -> None:
    folder = tmp_path / "crops"
    folder.mkdir()
    for name in names:
        write_crops(folder, rows, name)
    with pytest.raises(ConfigError, match=message):
        read_labelled(folder)


def test_a_row_with_a_missing_image_is_named(tmp_path: Path) -> None:
    folder = write_crops(tmp_path / "crops", [CROP])
    (folder / "a.png").unlink()
    with pytest.raises(ConfigError, match=r"a\.png is not an image"):
        read_labelled(folder)


def test_augmented_crops_differ_and_keep_the_text(tmp_path: Path) -> None:
    (crop,) = read_labelled(write_crops(tmp_path / "crops", [CROP]))
    samples = [augment(crop, np.random.default_rng(number)) for number in range(6)]
    assert {sample.text for sample in samples} == {"B1234XYZ"}
    assert len({sample.line.tobytes() for sample in samples}) == 6
    assert np.array_equal(samples[0].line, augment(crop, np.random.default_rng(0)).line)
