"""Networks in 8-bit integers: near the floats, and the same bytes on every machine."""

import numpy as np
import onnx
import pytest

from models.runtime.onnx_session import OnnxSession
from models.runtime.quantized import Rounding, with_integers
from models.vehicles.rounding import ROUNDING, rounding_of
from models.weights.catalogue import catalogue

SCALE = {"image": (1 / 255, 0), "sum": (8 / 255, 128)}


@pytest.fixture
def model() -> onnx.ModelProto:
    """One convolution with four channels of very different sizes, and an operator in floats."""
    random = np.random.default_rng(5)
    weights = (random.normal(size=(4, 3, 3, 3)) * np.array([1, 0.1, 0.01, 0.3]).reshape(4, 1, 1, 1) / 5).astype(np.float32)
    graph = onnx.helper.make_graph(
        [
            onnx.helper.make_node("Conv", ["image", "weights", "bias"], ["sum"], name="conv"),
            onnx.helper.make_node("Neg", ["sum"], ["out"], name="neg"),
        ],
        "one-convolution",
        [onnx.helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, [1, 3, 8, 8])],
        [onnx.helper.make_tensor_value_info("out", onnx.TensorProto.FLOAT, [1, 4, 6, 6])],
        [onnx.numpy_helper.from_array(weights, "weights"), onnx.numpy_helper.from_array(np.float32([0, 0.5, -0.5, 1]), "bias")],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)


def run(model: onnx.ModelProto) -> np.ndarray:
    image = np.random.default_rng(6).random((1, 3, 8, 8), dtype=np.float32)
    return OnnxSession(model.SerializeToString(), "test").run(image)


def test_the_result_is_within_the_rounding_of_the_output(model: onnx.ModelProto) -> None:
    difference = np.abs(run(with_integers(model, Rounding(scales=SCALE))) - run(model))
    assert 0 < difference.max() < 2 * SCALE["sum"][0]


def test_weights_are_stored_in_8_bits(model: onnx.ModelProto) -> None:
    stored = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in with_integers(model, Rounding(scales=SCALE)).graph.initializer}
    assert "weights" not in stored
    assert stored["weights_int8"].dtype == np.int8
    assert np.abs(stored["weights_int8"]).reshape(4, -1).max(axis=1).tolist() == [64] * 4


def test_without_scales_nothing_changes(model: onnx.ModelProto) -> None:
    assert np.array_equal(run(with_integers(model, Rounding(scales={}))), run(model))


def test_an_offset_is_added_to_a_bias_in_floats(model: onnx.ModelProto) -> None:
    added = with_integers(model, Rounding(scales={}, offsets={"bias": 0.25}))
    assert run(added) == pytest.approx(run(model) - 0.25, abs=1e-6)


def test_the_same_weights_and_scales_give_the_same_bytes(model: onnx.ModelProto) -> None:
    first, second = (with_integers(model, Rounding(scales=SCALE)).SerializeToString(deterministic=True) for _ in range(2))
    assert first == second


def test_the_scales_are_those_of_the_weights_in_the_catalogue() -> None:
    assert catalogue()["vehicles"].sha256 in ROUNDING.read_text(encoding="utf-8")


def test_other_weights_stay_in_floats(tmp_path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"other")
    assert rounding_of(other) is None
    assert rounding_of(tmp_path / "missing.onnx") is None
