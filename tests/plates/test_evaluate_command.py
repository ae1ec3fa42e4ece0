"""`etle evaluate plates`: on rendered plates, on real ones if they are available, and with wrong input."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from evaluation import row, write_table

from etle.config.site import DetectionSettings
from etle.errors import EtleError
from etle_cli.main import main
from models.plates.readers.baselines import PpOcrBaseline, main_line
from models.synthetic.plates import render_plate
from models.weights.locate import weight
from pipeline.assembly import needed_weights

PROMISED = {"reader_exact", "finder_recall", "end_to_end_exact", "foreign_read_as_indonesian", "coverage_at_1_percent_error", "n"}
FURTHER = {"finder_precision", "crops_exact", "character_accuracy", "expiry_exact", "colour_right", "certain", "splits", "calibration"}
FURTHER |= {"peers", "cpu_ms", "cost_ratio_to_easyocr"}


@pytest.fixture(scope="session")
def _engines() -> None:
    """Skips if weights of the default engines are missing."""
    for name in needed_weights(DetectionSettings()):
        try:
            weight(name)
        except EtleError as error:
            pytest.skip(f"{name}: {error}")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of four rendered plates, as crops and in grey photos."""
    folder = tmp_path_factory.mktemp("rendered")
    plates = [render_plate(np.random.default_rng(seed)) for seed in (3, 4, 5, 6)]
    photos = [row(f"photo{i}.png", p.text, (200, 150, 200 + p.image.shape[1], 150 + p.image.shape[0])) for i, p in enumerate(plates)]
    crops = [row(f"crop{i}.png", p.text) for i, p in enumerate(plates)]
    write_table(folder, "plates_full.csv", photos, pictures=False)
    write_table(folder, "plate_crops.csv", crops, pictures=False)
    for i, plate in enumerate(plates):
        photo = np.full((480, 900, 3), 110, np.uint8)
        photo[150 : 150 + plate.image.shape[0], 200 : 200 + plate.image.shape[1]] = plate.image
        cv2.imwrite(str(folder / f"photo{i}.png"), photo)
        cv2.imwrite(str(folder / f"crop{i}.png"), plate.image)
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("_engines")
def test_figures_of_rendered_plates_are_printed_and_written_as_json_and_html(rendered, tmp_path, capsys):
    figures, page = tmp_path / "figures.json", tmp_path / "page.html"
    assert main(["evaluate", "plates", str(rendered), "--json", str(figures), "--html", str(page)]) == 0
    report = json.loads(figures.read_text())
    assert set(report) >= PROMISED | FURTHER
    assert report["n"] == report["counts"]["crops"] == 4
    assert report["reader_exact"] >= 0.5
    assert report["crops_exact"] >= 0.5
    assert report["foreign_read_as_indonesian"] is None
    assert report["cpu_ms"]["finder_per_photo"] > 0
    output = capsys.readouterr()
    assert "plates_foreign.csv does not exist" in output.out
    assert "photos: 4 of 4" in output.err
    assert page.read_text().startswith("<!doctype html>")


@pytest.mark.slow
@pytest.mark.usefixtures("_engines")
def test_some_real_photos(shared, tmp_path):
    figures = tmp_path / "figures.json"
    assert main(["evaluate", "plates", str(shared / "data"), "--limit", "2", "--json", str(figures)]) == 0
    report = json.loads(figures.read_text())
    assert report["counts"]["photos"] == report["counts"]["crops"] == report["counts"]["foreign_photos"] == 2
    assert report["crops_exact"] >= 0.5
    assert report["foreign_read_as_indonesian"] == 0
    assert 0 < report["finder_recall"] <= 1


@pytest.mark.parametrize(
    "options, message",
    [
        pytest.param(["--reader", "tesseract"], "no plate reader 'tesseract'. There are: tnkb, ppocr, easyocr", id="unknown reader"),
        pytest.param(["--reader", "ppocr", "--reader", "ppocr"], "'ppocr' is given twice", id="a reader twice"),
        pytest.param(["--reader", "ppocr", "--reader-weights", "x.onnx"], "which is not in `readers`", id="weights of no reader"),
        pytest.param([], "contains none of plates_full.csv", id="empty folder"),
    ],
)
def test_wrong_input_is_reported(tmp_path, capsys, options, message):
    assert main(["evaluate", "plates", str(tmp_path), *options]) == 1
    assert message in capsys.readouterr().err


def test_a_limit_is_at_least_one(tmp_path):
    with pytest.raises(SystemExit, match="2"):
        main(["evaluate", "plates", str(tmp_path), "--limit", "0"])


def test_an_output_file_that_cannot_be_written_is_reported_before_the_evaluation(rendered, tmp_path, capsys):
    assert main(["evaluate", "plates", str(rendered), "--json", str(tmp_path / "nowhere" / "figures.json")]) == 1
    assert "--json" in capsys.readouterr().err
    assert main(["evaluate", "plates", str(rendered), "--html", str(tmp_path)]) == 1
    assert "is a folder" in capsys.readouterr().err


def square(x: float, y: float, height: float) -> list[tuple[float, float]]:
    return [(x, y), (x + 50, y), (x + 50, y + height), (x, y + height)]


@pytest.mark.parametrize(
    "found, text",
    [
        pytest.param([], "", id="nothing found"),
        pytest.param(
            [(square(60, 0, 40), "1234"), (square(0, 0, 40), "b"), (square(120, 0, 38), "XYZ")], "B1234XYZ", id="from left to right"
        ),
        pytest.param([(square(0, 0, 40), "B 1234 XYZ"), (square(30, 42, 18), "05 27")], "B1234XYZ", id="the expiry below is left out"),
        pytest.param([(square(0, 0, 40), "B·1234·XYZ")], "B1234XYZ", id="letters and digits only"),
    ],
)
def test_the_main_line_of_easyocr_results(found, text):
    assert main_line(found) == text


def test_unmodified_pp_ocr_reads_some_rendered_plates(rendered):
    try:
        reader = PpOcrBaseline(weight("ppocrv6-rec"), upper=0.7)
    except EtleError as error:
        pytest.skip(str(error))
    truth = [line.split(",")[1] for line in (rendered / "plate_crops.csv").read_text().splitlines()[1:]]
    texts = [reader.text_of(cv2.imread(str(rendered / f"crop{i}.png"))) for i in range(4)]
    assert sum(text == true for text, true in zip(texts, truth, strict=True)) >= 1
