"""What every plate reader does: the engines that a site file can name, and the fake. `tnkb`, the default, also on real crops."""

import csv
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from etle.config.site import DetectionSettings, Site
from etle.errors import ConfigError, EtleError, InferenceError
from etle.protocols import PlateReader
from etle.testing import ScriptedReader, a_read
from etle_cli.check.result import CheckState
from etle_cli.check.site import check_weights
from models.plates.readers import PLATE_READERS, open_plate_reader, reader_engine, reads_details, trust_of
from models.synthetic.plates import render_plate
from models.weights.locate import weight
from pipeline.assembly import needed_weights, open_engines

if TYPE_CHECKING:
    from etle.types import Image

FAKE = "scripted-reader"
PLATE, BLANK = a_read(), a_read("")


ENGINES = [pytest.param(name, marks=pytest.mark.torch) if name == "easyocr" else name for name in PLATE_READERS]


@cache
def opened(name: str) -> PlateReader:
    if name == "easyocr":
        pytest.importorskip("easyocr", reason="EasyOCR comes with the torch extra")
    try:
        return open_plate_reader(name, weight(reader_engine(name).weights))
    except EtleError as error:
        pytest.skip(f"{name}: {error}")


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest) -> PlateReader:
    return opened(request.param)


@pytest.fixture(params=[*ENGINES, FAKE])
def reader(request: pytest.FixtureRequest) -> PlateReader:
    return ScriptedReader([PLATE, BLANK, PLATE]) if request.param == FAKE else opened(request.param)


@pytest.fixture(scope="module")
def plate() -> "Image":
    image: Image = render_plate(np.random.default_rng(4)).image
    return image


def blank() -> "Image":
    return np.zeros((60, 180, 3), np.uint8)


def test_no_crops_give_no_reads(reader: PlateReader) -> None:
    assert list(reader.read([])) == []


def test_one_read_per_crop_in_their_order(reader: PlateReader, plate: "Image") -> None:
    reads = reader.read([plate, blank(), plate])
    assert len(reads) == 3
    assert reads[1].text == "" and reads[1].characters == ()
    assert reads[0] == reads[2]


def test_each_character_has_a_probability(reader: PlateReader, plate: "Image") -> None:
    (read,) = reader.read([plate])
    assert "".join(character.character for character in read.characters) == read.text
    assert all(0 <= character.probability <= 1 for character in read.characters)
    assert all(0 <= p <= 1 for character in read.characters for _, p in character.alternatives)


def test_reads_name_their_reader(reader: PlateReader, plate: "Image") -> None:
    assert [read.reader for read in reader.read([plate, blank()])] == [reader.name] * 2
    assert len(reader.digest) == 64


def test_a_read_does_not_depend_on_the_other_crops(engine: PlateReader, plate: "Image") -> None:
    alone = engine.read([plate])[0]
    assert engine.read([blank(), plate])[1] == alone


def test_a_crop_too_small_to_be_legible_gives_an_empty_text(engine: PlateReader) -> None:
    assert engine.read([np.zeros((1, 1, 3), np.uint8)])[0].text == ""


def test_the_table_has_the_label_of_each_engine(engine: PlateReader) -> None:
    assert engine.name in {entry.label for entry in PLATE_READERS.values()}


def test_the_fake_raises_what_was_scripted_and_when_its_script_ends() -> None:
    reader = ScriptedReader([InferenceError("no"), PLATE])
    with pytest.raises(InferenceError, match="no"):
        reader.read([blank()])
    assert list(reader.read([blank()])) == [PLATE]
    with pytest.raises(InferenceError, match="2 answers"):
        reader.read([blank()])


def test_only_the_reader_with_the_best_details_reads_them() -> None:
    assert [reads_details(name, ("tnkb", "ppocr")) for name in ("tnkb", "ppocr", "easyocr")] == [True, False, False]
    assert [reads_details(name, ("ppocr",)) for name in ("tnkb", "ppocr")] == [True, True]
    assert (trust_of("tnkb"), trust_of("easyocr"), trust_of("scripted")) == (1.0, 0.15, 1.0)


@pytest.mark.parametrize("settings", [{"readers": ("tesseract",)}, {"tiebreaker": "tesseract"}])
def test_an_unknown_reader_is_named_before_any_model_is_opened(settings: dict[str, object]) -> None:
    detect = DetectionSettings.model_validate(settings)
    with pytest.raises(ConfigError, match=r"no plate reader 'tesseract'\. There are: tnkb, ppocr, easyocr"):
        open_engines(detect)
    (result,) = check_weights(Site.model_construct(detect=detect))
    assert result.state is CheckState.PROBLEM
    assert "tesseract" in result.message


def test_weights_from_the_site_file_replace_those_of_the_catalogue(tmp_path: Path) -> None:
    assert needed_weights(DetectionSettings()) == ("vehicles", "plate-finder", "plate-reader", "ppocrv6-rec")
    custom = DetectionSettings(weights=tmp_path / "a.pt", finder_weights=tmp_path / "b.onnx", reader_weights=tmp_path / "c.onnx")
    assert needed_weights(custom) == ("ppocrv6-rec",)


@pytest.mark.slow
def test_tnkb_reads_real_crops() -> None:
    """Every third of 447 crops of Indonesian plates; 98 % of all are read exactly."""
    data = Path(os.environ.get("ETLE_SHARED", Path(__file__).parents[2].parent / "shared")) / "data"
    if not (data / "plate_crops.csv").is_file():
        pytest.skip(f"no development pictures: {data} is not there (set ETLE_SHARED)")
    with (data / "plate_crops.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[::3]
    reads = opened("tnkb").read([cv2.imread(str(data / row["file"])) for row in rows])
    exact = sum(read.text == row["plate_text"] for read, row in zip(reads, rows, strict=True))
    assert exact >= 0.95 * len(rows), f"{exact} of {len(rows)}"
