"""The network that tells a plate's colour, trained on drawn plates."""

from pathlib import Path

import numpy as np
import pytest

from etle.errors import WeightsError, WeightsMissing
from etle.types import PlateColour
from etle_cli.main import main
from models.plates.readers.colour import COLOURS, load_network, plate_colour
from models.synthetic.plates import render_plate, seen
from models.training.colours import train_colours


def test_it_learns_from_a_few_hundred_plates_and_comes_back_from_its_file(tmp_path: Path) -> None:
    learned = train_colours(400, 3, lambda _: None)
    assert learned.right > 0.6
    learned.network.save(tmp_path / "colour.npz")
    back = load_network(tmp_path / "colour.npz")
    x = np.random.default_rng(1).normal(size=(4, back.first.shape[0])).astype(np.float32)
    assert np.allclose(back.probabilities(x), learned.network.probabilities(x), atol=0.02)
    assert np.allclose(back.probabilities(x).sum(axis=1), 1)


def test_drawn_plates_that_it_has_not_seen_get_their_colour() -> None:
    rng = np.random.default_rng(77)
    plates = [seen(render_plate(rng), rng) for _ in range(150)]
    said = [(plate.colour, plate_colour(plate.image)) for plate in plates]
    assert sum(true == told for true, told in said) >= 0.9 * len(said)
    assert {told for _, told in said} <= {*COLOURS, PlateColour.UNKNOWN}


def test_the_same_seed_gives_the_same_network() -> None:
    first, second = (train_colours(120, 5, lambda _: None).network for _ in range(2))
    assert np.array_equal(first.first, second.first)


def test_what_is_no_network_is_told(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"none\.npz"):
        load_network(tmp_path / "none.npz")
    (tmp_path / "bad.npz").write_bytes(b"not a network")
    with pytest.raises(WeightsError, match=r"bad\.npz"):
        load_network(tmp_path / "bad.npz")
    np.savez(tmp_path / "other.npz", first=np.zeros((3, 2)), first_bias=np.zeros(2), second=np.zeros((2, 5)), second_bias=np.zeros(5))
    with pytest.raises(WeightsError, match="another network"):
        load_network(tmp_path / "other.npz")


def test_too_few_samples_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "train", "plate-colour", "--samples", "5"]) == 1
    assert "--samples is 5: give 100 or more" in capsys.readouterr().err
