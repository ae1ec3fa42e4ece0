"""Real pictures and real weights, where this machine has them; a test that needs one says what is missing."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etle.errors import EtleError

if TYPE_CHECKING:
    from models.plates.readers.ppocr import PpOcrPlateReader


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with pictures that may not be given away: ETLE_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("ETLE_SHARED", Path(__file__).parents[2].parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no development pictures: {folder / 'data'} is not there (set ETLE_SHARED)")
    return folder


def weights(name: str, variable: str) -> Path:
    """A weight file by its name in the catalogue, or where the environment variable says."""
    if variable in os.environ:
        return Path(os.environ[variable])
    if find_spec("models.weights.locate") is None:
        pytest.skip(f"no catalogue of weights here; set {variable}")
    from models.weights.locate import weight

    try:
        return Path(weight(name))
    except EtleError as error:
        pytest.skip(f"{name}: {error}")


@pytest.fixture(scope="session")
def ppocr() -> "PpOcrPlateReader":
    from models.plates.readers.ppocr import PpOcrPlateReader

    return PpOcrPlateReader(weights("ppocrv6-rec", "ETLE_PPOCR_WEIGHTS"))


@pytest.fixture(scope="session")
def easyocr_folder() -> Path:
    """Where english_g2.pth lies."""
    pytest.importorskip("easyocr", reason="EasyOCR comes with the torch extra")
    return weights("easyocr-recognition", "ETLE_EASYOCR_WEIGHTS").parent
