"""EasyOCR as an additional reader: weak on Indonesian plates, but independent of the others."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest

from etle.errors import EtleError, WeightsError
from etle.plates import is_plate
from models.plates.readers import open_plate_reader
from models.plates.readers.easyocr_reader import WEIGHTS_NAME

pytestmark = pytest.mark.torch

if TYPE_CHECKING:
    from etle.protocols import PlateReader


@pytest.fixture(scope="module")
def reader(easyocr_folder: Path) -> "PlateReader":
    try:
        return open_plate_reader("easyocr", easyocr_folder / WEIGHTS_NAME)
    except EtleError as error:
        pytest.fail(f"weights exist, but EasyOCR cannot open them: {error}")


def test_one_in_six_real_crops_is_read_exactly_and_every_read_is_a_plate(reader: "PlateReader", shared: Path) -> None:
    with (shared / "data" / "plate_crops.csv").open(encoding="utf-8", newline="") as file:
        crops = list(csv.DictReader(file))[::9]
    reads = reader.read([cv2.imread(str(shared / "data" / row["file"])) for row in crops])
    exact = sum(read.text == row["plate_text"] for read, row in zip(reads, crops, strict=True))
    assert exact >= len(crops) / 6, f"{exact} of {len(crops)}"
    assert all(is_plate(read.text) and len(read.characters) == len(read.text) for read in reads if read.text)


def test_a_black_crop_gives_an_empty_text(reader: "PlateReader") -> None:
    reads = reader.read([np.zeros((60, 180, 3), np.uint8), np.zeros((1, 1, 3), np.uint8)])
    assert [read.text for read in reads] == ["", ""]


def test_other_files_are_rejected(tmp_path: Path) -> None:
    pytest.importorskip("easyocr", reason="EasyOCR comes with the torch extra")
    (tmp_path / "english_g2.pth").write_bytes(b"not a model")
    with pytest.raises(WeightsError, match="EasyOCR"):
        open_plate_reader("easyocr", tmp_path / WEIGHTS_NAME)
