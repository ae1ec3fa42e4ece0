"""A YOLOv8 network whose boxes are decoded outside of the graph gives the same as the whole graph."""

import numpy as np
import onnx
import pytest
from miniature_yolo import blob_finder

from models.runtime.onnx_edit import read_graph, without_decoding
from models.runtime.yolo_network import DecodingNetwork, RawNetwork, YoloNetwork, open_network
from models.weights.locate import weight

SHAPE = 96, 160


@pytest.fixture(scope="module")
def finder() -> onnx.ModelProto:
    """The plate finder that etle ships: an export of ultralytics, for inputs of another shape than SHAPE."""
    return read_graph(weight("plate-finder"))


@pytest.fixture(scope="module")
def raw(finder: onnx.ModelProto) -> YoloNetwork:
    return open_network(finder, "finder", 1)


@pytest.fixture(scope="module")
def whole(finder: onnx.ModelProto) -> YoloNetwork:
    return DecodingNetwork(finder, "finder", 1)


def pictures() -> "list[np.ndarray]":
    """Noise, in which nothing scores over 0.001, and noise with a bright area of the shape of a plate, which scores 0.12."""
    plain, plate = np.random.default_rng(3).random((2, 1, 3, *SHAPE), dtype=np.float32) * 0.3
    plate[..., 40:56, 60:110] += 0.6
    return [plain, plate]


def test_the_end_of_an_export_of_ultralytics_is_left_out(raw: YoloNetwork, finder: onnx.ModelProto) -> None:
    assert isinstance(raw, RawNetwork)
    cut = without_decoding(finder)
    assert cut is not None
    assert len(cut.graph.output) == 2
    assert "Softmax" not in {node.op_type for node in cut.graph.node}


@pytest.mark.parametrize("min_score", [1e-5, 1e-3, 0.1])
def test_boxes_and_scores_are_those_of_the_whole_graph(raw: YoloNetwork, whole: YoloNetwork, min_score: float) -> None:
    expected, found = (network.candidates(pictures()[1], min_score, None) for network in (whole, raw))
    assert len(expected.scores) > 0
    assert found.class_ids.tolist() == expected.class_ids.tolist()
    assert found.edges == pytest.approx(expected.edges, abs=1e-3)
    assert found.scores == pytest.approx(expected.scores, abs=1e-6)


def test_nothing_has_a_sufficient_score(raw: YoloNetwork) -> None:
    found = raw.candidates(pictures()[0], 0.01, None)
    assert found.edges.shape == (4, 0)
    assert len(found.scores) == len(found.class_ids) == 0


def test_another_end_of_the_graph_is_computed_by_the_graph() -> None:
    assert without_decoding(blob_finder()) is None
    assert isinstance(open_network(blob_finder(), "blobs", 1), DecodingNetwork)


def test_distances_of_other_lengths_are_not_the_known_end(finder: onnx.ModelProto) -> None:
    other = onnx.ModelProto.FromString(finder.SerializeToString())
    (distances,) = (tensor for tensor in other.graph.initializer if tensor.name == "model.22.dfl.conv.weight")
    distances.CopyFrom(onnx.numpy_helper.from_array(2 * onnx.numpy_helper.to_array(distances), distances.name))
    assert without_decoding(other) is None
