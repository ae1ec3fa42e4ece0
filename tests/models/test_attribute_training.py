"""`etle models train attribute` on drawn crops, and what reads its weights."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from etle.errors import InferenceError, WeightsError, WeightsMissing
from etle_cli.main import main
from models.attributes import open_attribute_classifier

COLOURS = {"belt": (220, 60, 40), "no_belt": (40, 60, 220)}


def crop(rng: np.random.Generator, label: str) -> np.ndarray:
    """Noise with a diagonal stripe in the colour of the label."""
    image = rng.integers(60, 120, (60, 80, 3)).astype(np.uint8)
    cv2.line(image, (int(rng.integers(0, 20)), 0), (int(rng.integers(50, 80)), 59), COLOURS[label], 14)
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made, rng = tmp_path_factory.mktemp("crops"), np.random.default_rng(1)
    for label in COLOURS:
        (made / label).mkdir()
        for n in range(60):
            cv2.imwrite(str(made / label / f"{n}.png"), crop(rng, label))
    return made


@pytest.fixture(scope="module")
def weights(folder: Path) -> Path:
    pytest.importorskip("torch", reason="comes with the torch extra")
    out = folder / "belt.onnx"
    assert main(["models", "train", "attribute", str(folder), "--epochs", "2", "--out", str(out)]) == 0
    return out


@pytest.mark.torch
def test_two_epochs_on_easy_crops_tell_the_labels(weights: Path) -> None:
    classifier, rng = open_attribute_classifier(weights), np.random.default_rng(7)
    assert classifier.labels == ("belt", "no_belt") and classifier.name == "belt"
    for label in COLOURS:
        reads = classifier.classify([crop(rng, label) for _ in range(10)])
        assert sum(read.probability(label) > 0.5 for read in reads) >= 9
        assert all(sum(p for _, p in read.probabilities) == pytest.approx(1) for read in reads)


@pytest.mark.torch
def test_the_same_seed_gives_the_same_weights(weights: Path, folder: Path, tmp_path: Path) -> None:
    assert main(["models", "train", "attribute", str(folder), "--epochs", "2", "--out", str(tmp_path / "again.onnx")]) == 0
    assert (tmp_path / "again.onnx").read_bytes() == weights.read_bytes()


@pytest.mark.torch
def test_weights_go_into_the_catalogue(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = ["--name", "belt-2026", "--purpose", "belts", "--licence", "own", "--folder", str(tmp_path)]
    assert main(["models", "add", str(weights), *named]) == 0
    assert "catalogue:belt-2026" in capsys.readouterr().out


@pytest.mark.torch
def test_other_arrays_raise(weights: Path) -> None:
    with pytest.raises(InferenceError):
        open_attribute_classifier(weights).classify([np.zeros((10, 10), np.uint8)])


@pytest.mark.torch
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        pytest.param({"belt": 12}, "has 1 folders of crops", id="one label"),
        pytest.param({"belt": 12, "no_belt": 3}, "no_belt has 3 crops; each label needs 10", id="too few of one"),
    ],
)
def test_too_little_is_said(labels: dict[str, int], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(2)
    for label, count in labels.items():
        (tmp_path / label).mkdir()
        for n in range(count):
            cv2.imwrite(str(tmp_path / label / f"{n}.png"), crop(rng, label))
    assert main(["models", "train", "attribute", str(tmp_path), "--out", str(tmp_path / "a.onnx")]) == 1
    assert message in capsys.readouterr().err


@pytest.mark.torch
def test_a_file_that_is_no_picture_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for label in COLOURS:
        (tmp_path / label).mkdir()
        for n in range(10):
            (tmp_path / label / f"{n}.png").write_bytes(b"no picture")
    assert main(["models", "train", "attribute", str(tmp_path), "--out", str(tmp_path / "a.onnx")]) == 1
    assert "0.png is not a picture" in capsys.readouterr().err


def test_missing_weights(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="etle models train attribute"):
        open_attribute_classifier(tmp_path / "none.onnx")


def test_weights_of_another_kind_are_refused() -> None:
    with pytest.raises(WeightsError, match="no list of labels"):
        open_attribute_classifier(Path(__file__).parents[2] / "models/data/lamps.onnx")
