"""Training of the plate colour classifier on rendered plates."""

from pathlib import Path

import numpy as np
import pytest

from etle.errors import WeightsError, WeightsMissing
from etle.types import PlateColour
from etle_cli.main import main
from models.plates.readers.colour import COLOURS, load_network, plate_colour
from models.synthetic.plates import capture_plate, render_plate

pytestmark = pytest.mark.torch


def test_a_few_hundred_plates_are_enough_to_learn_most_colours(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training comes with the torch extra")
    from models.training.colours import train_colours

    result = train_colours(400, 3, lambda _: None)
    assert result.validation > 0.6
    (tmp_path / "colour.npz").write_bytes(result.weights)
    network = load_network(tmp_path / "colour.npz")
    x = np.random.default_rng(1).normal(size=(4, network.first.shape[0])).astype(np.float32)
    assert np.allclose(network.probabilities(x).sum(axis=1), 1)


def test_new_rendered_plates_get_their_colour() -> None:
    rng = np.random.default_rng(77)
    plates = [capture_plate(render_plate(rng), rng) for _ in range(150)]
    results = [(plate.colour, plate_colour(plate.image)) for plate in plates]
    assert sum(true == predicted for true, predicted in results) >= 0.9 * len(results)
    assert {predicted for _, predicted in results} <= {*COLOURS, PlateColour.UNKNOWN}


def test_the_same_seed_gives_the_same_network() -> None:
    pytest.importorskip("torch", reason="training comes with the torch extra")
    from models.training.colours import train_colours

    first, second = (train_colours(120, 5, lambda _: None).weights for _ in range(2))
    assert first == second


def test_other_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"none\.npz"):
        load_network(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"bad\.npz"):
        load_network(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", first=np.zeros((3, 2)), first_bias=np.zeros(2), second=np.zeros((2, 5)), second_bias=np.zeros(5))
    with pytest.raises(WeightsError, match="another network"):
        load_network(tmp_path / "other.npz")


def test_too_few_samples_are_rejected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "train", "plate-colour", "--samples", "5"]) == 1
    assert "--samples is 5: give 100 or more" in capsys.readouterr().err
