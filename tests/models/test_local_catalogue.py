"""Weights that a deployment adds to the catalogue: named in a site file, verified when opened, never replaced."""

from pathlib import Path

import pytest

from etle.errors import WeightsError, WeightsMissing
from etle.types import digest_of
from etle_cli.main import main
from models.weights.catalogue import catalogue
from models.weights.local import local_catalogue
from models.weights.locate import weight, weights_file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ETLE_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def add(file: Path, name: str = "vehicles-jatim") -> int:
    words = ["models", "add", str(file), "--name", name, "--purpose", 'finds "vehicles"\\', "--licence", "AGPL-3.0", "--measured", "mAP .8"]
    return main(words)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "best.onnx"
    file.write_bytes(b"weights")
    return file


def test_added_weights_are_found_by_their_name(folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert add(weights) == 0
    assert "catalogue:vehicles-jatim" in capsys.readouterr().out

    entry = local_catalogue(folder)["vehicles-jatim"]
    assert (entry.sha256, entry.size, entry.purpose, entry.measured) == (digest_of(b"weights"), 7, 'finds "vehicles"\\', ("mAP .8",))
    # as a site file in /srv/etle names them: its paths are made absolute
    assert weights_file(Path("/srv/etle/catalogue:vehicles-jatim")).read_bytes() == b"weights"


def test_a_path_stays_a_path(folder: Path) -> None:
    assert weights_file(Path("/srv/own.onnx")) == Path("/srv/own.onnx")


def test_they_are_listed_with_the_others(folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(weights)
    assert main(["models", "list"]) == 0
    printed = capsys.readouterr().out
    assert "vehicles-jatim  here" in printed
    assert "plate-finder" in printed


def test_a_changed_file_is_not_opened(folder: Path, weights: Path) -> None:
    add(weights)
    (folder / "vehicles-jatim.onnx").write_bytes(b"others!")
    with pytest.raises(WeightsError, match="differs from 'vehicles-jatim'"):
        weight("vehicles-jatim")
    (folder / "vehicles-jatim.onnx").unlink()
    with pytest.raises(WeightsMissing):
        weight("vehicles-jatim")


def test_an_entry_is_never_replaced(folder: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add(weights)
    assert add(weights) == 0, "the same file again"
    weights.write_bytes(b"other weights")
    assert add(weights) == 1
    assert add(weights, next(iter(catalogue()))) == 1
    assert "another name" in capsys.readouterr().err
    assert weight("vehicles-jatim").read_bytes() == b"weights"
    assert add(weights, "vehicles-jatim-2") == 0
    assert list(local_catalogue(folder)) == ["vehicles-jatim", "vehicles-jatim-2"]


@pytest.mark.parametrize("name", ["", "Jatim", "../up", "a b", "x" * 65])
def test_a_name_has_small_letters_and_digits(folder: Path, weights: Path, name: str) -> None:
    assert add(weights, name) == 1
    assert not folder.exists()


def test_an_unknown_name_is_reported_with_the_known_ones(folder: Path, weights: Path) -> None:
    add(weights)
    with pytest.raises(WeightsError, match="vehicles-jatim"):
        weight("vehicles-jateng")
