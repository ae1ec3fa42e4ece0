"""The renderer of riders' heads, the targets of the training, and `etle models train heads`."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from etle.errors import EtleError, WeightsError
from etle.types import Box
from etle_cli.main import main
from models.heads import STEM_WEIGHTS
from models.heads.reader import NetworkHeadReader
from models.synthetic.heads import draw_heads
from models.synthetic.heads.ridden import behind, draw_ridden
from models.synthetic.heads.shapes import paint
from models.synthetic.heads.sprites import rider_sprites
from models.synthetic.heads.values import CANVAS, HeadState, RenderedHead
from models.weights.locate import weight

torch = pytest.importorskip("torch", reason="comes with the torch extra")

from models.training.heads import CELLS, SIDE, cell_targets, render_heads  # noqa: E402  (needs torch)

pytestmark = pytest.mark.torch
HELMET, BARE, UNCLEAR, HIDDEN = range(4)


def test_rendered_heads_are_determined_by_the_generator() -> None:
    first, second = (draw_heads(np.random.default_rng(4)) for _ in range(2))
    assert np.array_equal(first.image, second.image) and first.heads == second.heads


def test_paint_covers_only_what_the_mask_covers() -> None:
    rng = np.random.default_rng(8)
    light, shade = rng.random((CANVAS, CANVAS, 3)).astype(np.float32), rng.random((CANVAS, CANVAS)).astype(np.float32)
    mask = np.zeros((CANVAS, CANVAS), np.float32)
    mask[20:40, 30:33] = 0.5
    painted = light.copy()
    paint(painted, mask, (0.1, 0.2, 0.3), shade)
    expected = light + mask[..., None] * (np.array([0.1, 0.2, 0.3], np.float32) * shade[..., None] - light)
    assert np.array_equal(painted, expected)
    paint(painted, np.zeros_like(mask), (0.1, 0.2, 0.3))
    assert np.array_equal(painted, expected)


def test_all_states_are_rendered_with_their_middle_in_the_picture() -> None:
    rng = np.random.default_rng(5)
    samples = [draw_heads(rng) for _ in range(120)]
    assert set(Counter(head.state for sample in samples for head in sample.heads)) == set(HeadState)
    assert any(not sample.heads for sample in samples) and any(len(sample.heads) >= 3 for sample in samples)
    for sample in samples:
        side = sample.image.shape[0]
        assert sample.image.shape == (side, side, 3) and sample.image.dtype == np.uint8
        assert all(0 <= head.box.centre.x < side and 0 <= head.box.centre.y < side for head in sample.heads)


def test_riders_of_the_simulator_are_rendered_with_their_heads() -> None:
    rng = np.random.default_rng(7)
    scenes = [draw_ridden(rng) for _ in range(40)]
    assert {HeadState.HELMET, HeadState.BARE, HeadState.UNCLEAR} <= {head.state for scene in scenes for head in scene.heads}
    assert max(len(scene.heads) for scene in scenes) >= 3
    for scene in scenes:
        assert scene.light.shape == (CANVAS, CANVAS, 3) and scene.light.dtype == np.float32 and scene.light.min() >= 0


def test_a_head_behind_another_motorcycle_is_hidden() -> None:
    """Heads of the motorcycle behind are covered by the one in front, which is drawn last."""
    hidden = RenderedHead(box=Box(10, 10, 30, 30), state=HeadState.HELMET)
    covered = np.zeros((60, 60), np.float32)
    assert behind(hidden, covered).state is HeadState.HELMET
    covered[10:30, 10:24] = 1
    assert behind(hidden, covered).state is HeadState.UNCLEAR
    covered[10:30, 10:28] = 1
    assert behind(hidden, covered).state is HeadState.HIDDEN


@pytest.mark.parametrize("data", [None, b"no archive"])
def test_an_archive_that_is_missing_or_damaged_is_refused(data: bytes | None, tmp_path: Path) -> None:
    if data is not None:
        (tmp_path / "riders.zip").write_bytes(data)
    with pytest.raises(WeightsError, match="reinstall"):
        rider_sprites(tmp_path / "riders.zip")


def test_windows_have_one_size() -> None:
    rendered = render_heads(np.random.default_rng(6), 4)
    assert rendered.windows.shape == (4, SIDE, SIDE, 3) and len(rendered.heads) == 4


def targets(*heads: tuple[float, float, float, float, int]):
    return cell_targets(np.array(heads, np.float32).reshape(-1, 5))


class TestTargets:
    def test_cells_in_the_middle_are_the_head_and_those_around_do_not_matter(self) -> None:
        made = targets((20, 20, 60, 60, BARE))
        assert made.head[4:6, 4:6].tolist() == [[1, 1], [1, 1]] and made.bare[4, 4] == 1
        assert made.head[3, 4] == -1 and made.bare[3, 4] == -1
        assert made.head[0, 0] == 0 and made.bare[0, 0] == -1
        assert made.sides[:, 4, 4] == pytest.approx(np.log(np.array([16, 16, 24, 24]) / 16))

    @pytest.mark.parametrize(
        ("state", "head", "bare"),
        [
            pytest.param(HELMET, 1, 0, id="a helmet"),
            pytest.param(UNCLEAR, 1, -1, id="unclear: a head of which nothing is told"),
            pytest.param(HIDDEN, -1, -1, id="hidden: neither a head nor none"),
        ],
    )
    def test_states(self, state: int, head: int, bare: int) -> None:
        made = targets((20, 20, 60, 60, state))
        assert (made.head[4, 4], made.bare[4, 4]) == (head, bare)

    def test_of_two_heads_the_nearer_one_counts(self) -> None:
        made = targets((10, 20, 50, 60, HELMET), (44, 20, 84, 60, BARE))
        assert (made.bare[4, 3], made.bare[4, 7]) == (0, 1)

    def test_without_heads_all_cells_are_none(self) -> None:
        assert targets().head.tolist() == np.zeros((CELLS, CELLS)).tolist()


def test_the_command_writes_weights_that_the_reader_opens(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        stem = weight(STEM_WEIGHTS)
    except EtleError as error:
        pytest.skip(str(error))
    out = tmp_path / "heads.onnx"
    assert main(["models", "train", "heads", "--samples", "130", "--out", str(out)]) == 0
    assert "of the clear held-out rendered heads" in capsys.readouterr().out
    assert NetworkHeadReader(stem, out).digest


@pytest.mark.parametrize("option", [["--samples", "5"], ["--threads", "0"]])
def test_odd_options_are_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "train", "heads", *option]) == 1
    assert f"{option[0]} is {option[1]}" in capsys.readouterr().err
