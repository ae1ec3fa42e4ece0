"""The renderer of signal heads, and `etle models train lamps`."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from etle.types import Box, Lamp
from etle_cli.main import main
from models.signals.head_reader import SignalHeadReader
from models.signals.window import DRAWN_BOX, PLANES, WINDOW, cut_window, in_image, network_input, window_box
from models.synthetic.signals import draw_sample
from models.synthetic.signals.values import SignalState


def test_rendered_heads_are_determined_by_the_generator() -> None:
    first, second = (draw_sample(np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first.image, second.image)
    assert (first.drawn, first.order, first.state, first.head) == (second.drawn, second.order, second.state, second.head)


def test_all_states_are_rendered_with_the_head_near_its_box() -> None:
    rng = np.random.default_rng(5)
    samples = [draw_sample(rng) for _ in range(150)]
    assert set(Counter(sample.state for sample in samples)) == set(SignalState)
    for sample in samples:
        assert (sample.head is None) is (sample.state is SignalState.HIDDEN)
        if sample.head is not None:
            window = window_box(sample.drawn)
            assert window.x1 < sample.head.centre.x < window.x2
            assert window.y1 < sample.head.centre.y < window.y2


@pytest.mark.parametrize("head", [Box(30, 20, 50, 80), Box(20, 30, 80, 50)], ids=["upright", "lying"])
def test_the_drawn_box_is_found_again_from_the_window(head: Box) -> None:
    assert np.abs(np.array(in_image(DRAWN_BOX, head)) - np.array(head)).max() < 1


def test_the_window_repeats_the_edge_of_the_image() -> None:
    image = np.full((60, 20, 3), 7, np.uint8)
    window = cut_window(image, Box(0, 0, 20, 60))
    assert window.shape == (WINDOW[1], WINDOW[0], 3)
    assert (window == 7).all()
    assert network_input(window, [Lamp.RED, Lamp.GREEN]).shape == (1, PLANES, WINDOW[1], WINDOW[0])


@pytest.mark.torch
def test_a_training_writes_a_file_determined_by_the_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="training needs the torch extra")
    monkeypatch.setattr("models.training.lamps._EPOCHS", 2)  # a step of each takes five seconds where the CPU has no bfloat16
    files = [tmp_path / f"{i}.onnx" for i in range(2)]
    for file in files:
        assert main(["models", "train", "lamps", "--samples", "300", "--threads", "1", "--out", str(file)]) == 0
    assert "of held-out rendered heads" in capsys.readouterr().out
    assert files[0].read_bytes() == files[1].read_bytes()
    assert SignalHeadReader(files[0]).digest == SignalHeadReader(files[1]).digest


@pytest.mark.parametrize(
    ("option", "value", "message"), [("--samples", "5", "--samples is 5: give 200"), ("--threads", "0", "--threads is 0: give 1 to 64")]
)
def test_invalid_options_are_rejected(option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "train", "lamps", option, value]) == 1
    assert message in capsys.readouterr().err
