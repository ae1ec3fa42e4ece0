"""Training of the reader: the graph in torch, the training loop, resuming, and the exported file."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest

from etle.errors import ConfigError, WeightsError

torch = pytest.importorskip("torch", reason="training comes with the torch extra")

from miniature_recogniser import write_recogniser  # noqa: E402

from models.plates.readers.ppocr import PpOcrPlateReader  # noqa: E402
from models.synthetic.plates import render_plate  # noqa: E402
from models.training.export import export_reader, quantize_reader  # noqa: E402
from models.training.graph import TorchGraph, replace_weights  # noqa: E402
from models.training.pool import gradient_pool  # noqa: E402
from models.training.progress import ProgressPoint, TrainingProgress  # noqa: E402
from models.training.quantize import FAKE_QUANT, FAKE_QUANT_WEIGHTS, with_fake_quant  # noqa: E402
from models.training.reader import CheckpointPolicy, best_weights, train_reader  # noqa: E402
from models.training.recogniser import CHARACTERS, end_in_softmax, plate_recogniser, with_characters  # noqa: E402
from models.training.samples import WIDTH, draw_sample, network_input  # noqa: E402
from models.training.schedule import Schedule  # noqa: E402
from models.training.shard import TrainTask, ctc_loss, distillation_loss  # noqa: E402
from models.training.validation_set import ValidationSet, decode_greedily, exact_match_rate, read_texts, rendered_set  # noqa: E402
from models.weights.locate import weight  # noqa: E402

pytestmark = pytest.mark.torch

if TYPE_CHECKING:
    from numpy.typing import NDArray


@pytest.fixture(scope="module")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    return plate_recogniser(write_recogniser(tmp_path_factory.mktemp("weights") / "recogniser.onnx"))


@pytest.fixture(scope="module")
def ppocr_model() -> onnx.ModelProto:
    try:
        path = weight("ppocrv6-rec")
    except WeightsError as error:
        pytest.skip(f"ppocrv6-rec: {error}")
    return plate_recogniser(path)


def run(model: "onnx.ModelProto | bytes", batch: "NDArray[np.float32]") -> "NDArray[np.float32]":
    data = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    result: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: batch})[0]
    return result


def noise(count: int = 2, width: int = WIDTH) -> "NDArray[np.float32]":
    return np.random.default_rng(1).uniform(-1, 1, (count, 3, 48, width)).astype(np.float32)


@pytest.mark.parametrize("fixture", ["miniature", "ppocr_model"])
def test_torch_and_onnxruntime_give_the_same_output(fixture: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(fixture)
    with torch.no_grad():
        in_torch = TorchGraph(model)(torch.from_numpy(noise())).numpy()
    assert in_torch.shape[2] == len(CHARACTERS) + 1
    assert np.abs(in_torch - run(model, noise())).max() < 1e-3


def test_changed_weights_are_written_back_into_the_graph(miniature: onnx.ModelProto) -> None:
    net = TorchGraph(miniature)
    net.load_vector(torch.cat([p.detach().reshape(-1) for p in net.parameters()]) * 1.5)
    with torch.no_grad():
        assert np.abs(run(replace_weights(miniature, net.weights()), noise()) - net(torch.from_numpy(noise())).numpy()).max() < 1e-4


def test_only_the_outputs_of_plate_characters_are_kept(tmp_path: Path) -> None:
    path = write_recogniser(tmp_path / "recogniser.onnx")
    names = ["", *onnx.load(path).metadata_props[0].value.splitlines(), " "]
    whole = run(path.read_bytes(), noise())
    kept = run(end_in_softmax(plate_recogniser(path)), noise())
    columns = [0] + [names.index(character) for character in CHARACTERS]
    chosen = whole[..., columns] / whole[..., columns].sum(axis=-1, keepdims=True)
    assert np.abs(chosen - kept).max() < 1e-5


def add_unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node.append(onnx.helper.make_node("Hardmax", [model.graph.output[0].name], ["z"]))


def test_an_unsupported_operator_is_named(miniature: onnx.ModelProto) -> None:
    unsupported = onnx.ModelProto()
    unsupported.CopyFrom(miniature)
    add_unknown_operator(unsupported)
    with pytest.raises(WeightsError, match="Hardmax"):
        TorchGraph(unsupported)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        pytest.param(lambda path: path, "are missing", id="no file"),
        pytest.param(lambda path: path.write_bytes(b"no weights") and path, "not an ONNX file", id="no network"),
        pytest.param(lambda path: write_recogniser(path, characters=None), "`character`", id="no characters in the metadata"),
        pytest.param(lambda path: write_recogniser(path, characters=tuple("0123456789ABC")), "no output for D E F", id="letters missing"),
        pytest.param(lambda path: write_recogniser(path, last="Sigmoid"), "ends in Sigmoid", id="no probabilities at its end"),
    ],
)
def test_other_files_are_rejected(write: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=message):
        plate_recogniser(write(tmp_path / "other.onnx"))


def policy(
    *, report: Callable[[ProgressPoint], None] = lambda point: None, checkpoint: Path | None = None, every: float = 1e9
) -> CheckpointPolicy:
    return CheckpointPolicy(every_minutes=every, checkpoint=checkpoint, sets=[rendered_set(6)], report=report, clock=lambda: 0.0)


def trained(
    model: onnx.ModelProto, samples: int, kept: CheckpointPolicy, *, rate: float = 3e-3, batch: int = 8, threads: int = 1
) -> TrainingProgress:
    schedule = Schedule(samples=samples, peak_rate=rate, warm_up_steps=2)
    return train_reader(model, TrainTask(seed=3, batch=batch), schedule, kept, threads=threads)


def test_ten_steps_lower_the_loss(miniature: onnx.ModelProto) -> None:
    points: list[ProgressPoint] = []
    trained(miniature, 80, policy(report=points.append, every=0))
    assert [point.samples for point in points] == list(range(8, 88, 8))
    assert points[-1].loss < 0.7 * points[0].loss


def test_the_seed_determines_the_weights_and_two_processes_give_the_same_as_one(miniature: onnx.ModelProto) -> None:
    first, again, shared = (trained(miniature, 16, policy(), threads=threads) for threads in (1, 1, 2))
    assert torch.equal(first.weights, again.weights)
    assert float((first.weights - shared.weights).detach().abs().max()) < 1e-4
    assert first.curve[-1].samples == shared.curve[-1].samples == 16


class Interrupted(Exception):
    pass


def test_a_resumed_training_gives_the_same_weights(miniature: onnx.ModelProto, tmp_path: Path) -> None:
    def cut(point: ProgressPoint) -> None:
        if point.samples == 16:
            raise Interrupted

    checkpoint = tmp_path / "state.pt"
    whole = trained(miniature, 32, policy())
    with pytest.raises(Interrupted):
        trained(miniature, 32, policy(report=cut, checkpoint=checkpoint, every=0))
    resumed = trained(miniature, 32, policy(checkpoint=checkpoint))
    assert torch.equal(whole.weights, resumed.weights)
    assert torch.equal(whole.average, resumed.average)
    assert [point.samples for point in resumed.curve] == [8, 16, 32]


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda path: path.write_bytes(b"no checkpoint"), id="not a checkpoint"),
        pytest.param(lambda path: torch.save({"step": 3}, path), id="of another kind"),
        pytest.param(lambda path: TrainingProgress.begin(torch.zeros(7)).save(path), id="of another network"),
    ],
)
def test_other_checkpoints_are_rejected(write: Callable[[Path], object], miniature: onnx.ModelProto, tmp_path: Path) -> None:
    write(tmp_path / "state.pt")
    with pytest.raises(WeightsError, match=r"state\.pt"):
        trained(miniature, 8, policy(checkpoint=tmp_path / "state.pt"))


def test_averaged_weights_are_exported_unless_the_last_ones_read_more() -> None:
    progress = TrainingProgress.begin(torch.zeros(3))
    progress.average.add_(1)
    point = {"minutes": 1.0, "samples": 1, "rate": 0.0, "loss": 0.1}
    for averaged, last, expected in ((0.8, 0.7, 1.0), (0.7, 0.8, 0.0), (0.8, 0.8, 1.0)):
        progress.curve = (ProgressPoint(averaged={"rendered": averaged}, last={"rendered": last}, **point),)  # type: ignore[arg-type]
        assert float(best_weights(progress, "rendered")[0]) == expected


def test_the_learning_rate_warms_up_and_decays_by_time_or_by_samples() -> None:
    schedule = Schedule(minutes=10, peak_rate=1e-3, warm_up_steps=10)
    assert [schedule.fraction_done(seconds=s, samples=0) for s in (0, 300, 600, 900)] == [0, 0.5, 1, 1]
    assert Schedule(samples=100).fraction_done(seconds=9e9, samples=25) == 0.25
    rates = [schedule.learning_rate(step, done) for step, done in ((0, 0.0), (9, 0.0), (500, 0.5), (900, 1.0))]
    assert rates == pytest.approx([1e-4, 1e-3, 5e-4, 0.0])


@pytest.mark.parametrize("length", [{}, {"minutes": 3, "samples": 3}, {"minutes": -1}, {"samples": 0}])
def test_a_schedule_without_a_length_is_rejected(length: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="--minutes"):
        Schedule(**length)  # type: ignore[arg-type]


def test_the_ctc_loss_is_finite_for_texts_of_any_length_and_low_for_a_correct_read() -> None:
    scores = torch.zeros(3, 24, len(CHARACTERS) + 1)
    losses = ctc_loss(scores, ["B1234XYZ", "0527", ""])
    assert bool(torch.isfinite(losses).all())
    scores[..., 0] = 9
    assert float(ctc_loss(scores, ["B1234XYZ", "0527", ""])[2]) < 0.2 < float(losses[2])


def test_samples_contain_numbers_expiries_and_negatives() -> None:
    texts = [draw_sample(np.random.default_rng([1, number])).text for number in range(120)]
    nothing, expiries = sum(not text for text in texts), sum(text.isdigit() for text in texts)
    assert 0.02 < nothing / len(texts) < 0.15
    assert 0.04 < expiries / len(texts) < 0.22


def test_the_training_prepares_lines_as_the_reader_does() -> None:
    from models.plates.readers.ppocr import _blob

    for height, width in ((20, 60), (30, 200), (60, 190)):
        line = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
        assert np.array_equal(network_input(line, WIDTH), _blob(line, WIDTH))


def legible(model: onnx.ModelProto, data: bytes) -> list[tuple[str, str]]:
    """The texts of both models for the lines that the first one reads correctly; the others depend on rounding."""
    drawn = rendered_set(120)
    whole, small = ([decode_greedily(steps) for steps in run(made, drawn.lines)] for made in (model, data))
    return [(whole[i], small[i]) for i, text in enumerate(drawn.texts) if whole[i] == text]


def test_the_exported_file_has_half_the_size_and_reads_the_same(ppocr_model: onnx.ModelProto) -> None:
    data = export_reader(ppocr_model)
    assert len(data) < 0.51 * ppocr_model.ByteSize()
    pairs = legible(ppocr_model, data)
    assert len(pairs) >= 40
    assert sum(whole != small for whole, small in pairs) <= 2


def test_the_quantized_reader_is_smaller_and_reads_nearly_the_same(ppocr_model: onnx.ModelProto) -> None:
    data = quantize_reader(ppocr_model).SerializeToString()
    assert len(data) < 0.4 * ppocr_model.ByteSize()
    pairs = legible(ppocr_model, data)
    assert len(pairs) >= 40
    assert sum(whole != small for whole, small in pairs) <= 0.15 * len(pairs)


def test_fake_quantization_rounds_as_the_quantized_file(miniature: onnx.ModelProto) -> None:
    eight = quantize_reader(miniature)
    rounding = with_fake_quant(miniature, eight)
    kinds = [node.op_type for node in rounding.graph.node]
    assert kinds.count(FAKE_QUANT) == 2 * kinds.count(FAKE_QUANT_WEIGHTS) > 0
    net = TorchGraph(rounding)
    assert torch.equal(net.vector(), TorchGraph(miniature).vector())
    drawn = rendered_set(8).lines
    with torch.no_grad():
        in_torch = net(torch.from_numpy(drawn)).softmax(-1).numpy()
    in_file, in_floats = run(eight, drawn), run(end_in_softmax(miniature), drawn)
    assert np.abs(in_torch - in_file).max() < 0.2 * np.abs(in_floats - in_file).max()


def test_distillation_lowers_the_loss_of_the_quantized_reader(miniature: onnx.ModelProto) -> None:
    rounding = with_fake_quant(miniature, quantize_reader(miniature))
    points: list[ProgressPoint] = []
    schedule = Schedule(samples=160, peak_rate=1e-3, warm_up_steps=2)
    train_reader(rounding, TrainTask(seed=3, batch=8, teacher=miniature), schedule, policy(report=points.append, every=0), threads=1)
    assert all(point.loss > 0 for point in points)
    assert sum(point.loss for point in points[-5:]) < 0.7 * sum(point.loss for point in points[:5])


def test_the_distillation_loss_of_equal_outputs_is_zero() -> None:
    scores = torch.randn(2, 5, 37, generator=torch.Generator().manual_seed(1))
    assert distillation_loss(scores, scores).abs().max() < 1e-6
    assert distillation_loss(scores, scores + torch.arange(37)).min() > 0.1


@pytest.mark.parametrize("write", [export_reader, lambda model: quantize_reader(model).SerializeToString()], ids=["16 bits", "8 bits"])
def test_the_exported_file_opens_in_the_reader_and_can_be_trained_further(
    write: Callable[[onnx.ModelProto], bytes], miniature: onnx.ModelProto, tmp_path: Path
) -> None:
    path = tmp_path / "trained.onnx"
    path.write_bytes(write(miniature))
    reader = PpOcrPlateReader(path, name="tnkb", confusions={}, width=WIDTH)
    assert len(reader.read([render_plate(np.random.default_rng(1)).image])) == 1
    again = plate_recogniser(path)
    assert np.abs(run(end_in_softmax(again), noise()) - run(path.read_bytes(), noise())).max() < 0.02
    with torch.no_grad():
        assert TorchGraph(again)(torch.from_numpy(noise())).shape[0] == 2


def test_a_nan_loss_ends_the_training(miniature: onnx.ModelProto) -> None:
    broken = replace_weights(miniature, {"w1": np.full((12, 3, 5, 5), np.nan, dtype=np.float32)})
    with pytest.raises(WeightsError, match="loss is nan"):
        trained(with_characters(broken), 8, policy())


def test_processes_end_with_the_training(miniature: onnx.ModelProto) -> None:
    with gradient_pool(miniature, TrainTask(seed=1, batch=4), threads=2) as pool:
        gradient, loss = pool.gradient(0)
    assert float(gradient.abs().max()) > 0 and np.isfinite(loss)
    import multiprocessing

    assert multiprocessing.active_children() == []


def test_the_exact_match_rate_counts_whole_texts(miniature: onnx.ModelProto) -> None:
    net, lines = TorchGraph(miniature), noise(count=5)
    right = ValidationSet(
        name="noise", lines=lines, texts=tuple(read_texts(net, ValidationSet(name="noise", lines=lines, texts=("",) * 5)))
    )
    assert exact_match_rate(net, right) == 1.0
    assert exact_match_rate(net, replace(right, texts=(right.texts[0] + "A", *right.texts[1:]))) == 0.8


def test_greedy_decoding_drops_repetitions_and_blanks() -> None:
    steps = np.eye(len(CHARACTERS) + 1, dtype=np.float32)[[0, 12, 12, 0, 2, 2, 0, 2, 0, 36]]
    assert decode_greedily(steps) == "B11Z"
