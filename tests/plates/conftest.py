"""Real photos and weights, where this machine has them; tests that need them skip with the reason."""

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
    """The folder of photos that may not be distributed: ETLE_SHARED, or `shared` beside the repository."""
    folder = Path(os.environ.get("ETLE_SHARED", Path(__file__).parents[2].parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no development pictures: {folder / 'data'} is not there (set ETLE_SHARED)")
    return folder


def weights(name: str, variable: str) -> Path:
    """A file of weights by its name in the catalogue, or from the environment variable."""
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
    """The folder of english_g2.pth."""
    pytest.importorskip("easyocr", reason="EasyOCR comes with the torch extra")
    return weights("easyocr-recognition", "ETLE_EASYOCR_WEIGHTS").parent
