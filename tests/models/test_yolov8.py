"""YOLOv8 inference returns boxes in pixels of the image; ONNX graphs with another input shape and with other weights."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from miniature_yolo import BLUE, GREEN, RED, black, blob_finder, square
from onnx import numpy_helper

from etle.errors import InferenceError, WeightsError, WeightsMissing
from etle.types import Box, digest_of
from models.runtime.onnx_edit import class_names, input_shape, read_graph, with_input_shape, with_weights
from models.runtime.yolov8 import RawDetection, Yolo, nms, shape_for

NAMES = {0: "car", 1: "motorcycle", 2: "bus"}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "blobs.onnx"
    onnx.save(blob_finder(names=NAMES), path)
    return path


def best_detection(yolo: Yolo, image: np.ndarray, longer_side: int) -> RawDetection:
    return yolo.predict(image, shape_for(image, longer_side), min_score=0.5)[0]


@pytest.mark.parametrize(
    "size, square_at, side, longer_side",
    [
        pytest.param((64, 64), (16, 32), 16, 64, id="as large as the input"),
        pytest.param((320, 320), (32, 96), 32, 320, id="larger"),
        pytest.param((360, 640), (128, 64), 32, 640, id="wide, filled up above and below"),
        pytest.param((640, 360), (64, 128), 32, 640, id="tall, filled up at both sides"),
        pytest.param((720, 1280), (256, 128), 64, 640, id="scaled down"),
        pytest.param((90, 160), (32, 16), 16, 640, id="scaled up"),
        pytest.param((322, 640), (96, 64), 32, 640, id="a size that no stride divides"),
    ],
)
def test_boxes_are_in_pixels_of_the_image(
    weights: Path, size: tuple[int, int], square_at: tuple[int, int], side: int, longer_side: int
) -> None:
    image = square(black(*size), GREEN, *square_at, side)
    yolo = Yolo(weights, "blobs")
    found = best_detection(yolo, image, longer_side)
    middle = square_at[0] + side / 2, square_at[1] + side / 2
    assert found.class_id == 1
    assert abs(found.box.centre.x - middle[0]) <= side / 2
    assert abs(found.box.centre.y - middle[1]) <= side / 2


@pytest.mark.parametrize("corner", [(0, 0), (0, 608), (328, 0), (328, 608)])
def test_boxes_are_clipped_to_the_image(weights: Path, corner: tuple[int, int]) -> None:
    image = square(black(360, 640), RED, corner[1], corner[0], 32)
    for found in Yolo(weights, "blobs").predict(image, (384, 640), min_score=0.1):
        assert 0 <= found.box.x1 < found.box.x2 <= 640
        assert 0 <= found.box.y1 < found.box.y2 <= 360


def test_only_the_requested_classes_highest_score_first(weights: Path) -> None:
    image = square(square(black(64, 64), RED, 0, 0, 32), BLUE, 32, 32, 32)
    square(image, (0, 140, 0), 0, 40, 16)
    yolo = Yolo(weights, "blobs")
    everything = yolo.predict(image, (64, 64), min_score=0.01)
    assert {found.class_id for found in everything} == {0, 1, 2}
    assert [found.score for found in everything] == sorted((found.score for found in everything), reverse=True)
    assert {found.class_id for found in yolo.predict(image, (64, 64), min_score=0.01, class_ids=(0, 1))} == {0, 1}
    assert all(found.score >= 0.5 for found in yolo.predict(image, (64, 64), min_score=0.5))


def test_a_black_image_has_no_detections(weights: Path) -> None:
    assert Yolo(weights, "blobs").predict(black(64, 64), (64, 64), min_score=0.1) == []


@pytest.mark.parametrize("shape", [(64, 64), (64, 64, 1), (0, 64, 3), (64, 64, 4)])
def test_arrays_of_another_shape_are_rejected(weights: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InferenceError, match="height x width x 3"):
        Yolo(weights, "blobs").predict(np.zeros(shape, np.uint8), (64, 64), min_score=0.1)


@pytest.mark.parametrize(
    "size, longer_side, shape",
    [
        pytest.param((1080, 1920), 640, (384, 640), id="16:9"),
        pytest.param((480, 640), 640, (480, 640), id="4:3"),
        pytest.param((640, 640), 640, (640, 640), id="square"),
        pytest.param((1920, 1080), 640, (640, 384), id="upright"),
        pytest.param((322, 640), 640, (352, 640), id="two rows over a multiple"),
        pytest.param((1080, 1920), 1280, (736, 1280), id="16:9, large"),
        pytest.param((10, 4000), 640, (32, 640), id="a strip"),
    ],
)
def test_the_input_has_the_proportions_of_the_image(size: tuple[int, int], longer_side: int, shape: tuple[int, int]) -> None:
    assert shape_for(black(*size), longer_side) == shape


def test_nms_suppresses_across_classes() -> None:
    def box(x: float, score: float, class_id: int) -> RawDetection:
        return RawDetection(box=Box(x, 0, x + 100, 100), score=score, class_id=class_id)

    found = [box(0, 0.5, 2), box(5, 0.9, 7), box(60, 0.4, 2), box(4, 0.8, 2)]
    assert [(c.box.x1, c.class_id) for c in nms(found, 0.7)] == [(5, 7), (60, 2)]
    assert nms([], 0.7) == []


def test_the_digest_is_that_of_the_file(weights: Path) -> None:
    assert Yolo(weights, "blobs").digest == digest_of(weights.read_bytes())


def test_changing_the_input_shape_gives_the_graph_exported_for_it() -> None:
    wide = with_input_shape(blob_finder(64, 64), 96, 160)
    assert input_shape(wide) == (96, 160)
    assert [numpy_helper.to_array(t).tolist() for t in wide.graph.initializer] == [
        numpy_helper.to_array(t).tolist() for t in blob_finder(96, 160).graph.initializer
    ]
    onnx.checker.check_model(wide, full_check=True)
    assert {entry.key: entry.value for entry in wide.metadata_props}["imgsz"] == "[96, 160]"


def test_weights_of_another_network_of_the_same_architecture() -> None:
    """A graph of three colours becomes one that detects only blue, as a plate."""
    donor = blob_finder(names={0: "plate"}, colours=(BLUE,))
    tensors = {t.name: numpy_helper.to_array(t) for t in donor.graph.initializer if t.name.startswith("model.")}
    model = with_weights(blob_finder(names=NAMES), tensors, ("plate",))
    onnx.checker.check_model(model, full_check=True)
    assert class_names(model) == {0: "plate"}
    assert [t.SerializeToString() for t in model.graph.initializer] == [t.SerializeToString() for t in donor.graph.initializer]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda tensors: tensors.pop("model.0.cv2.bias"), id="a tensor less"),
        pytest.param(lambda tensors: tensors.update({"model.9.weight": np.zeros(3, np.float32)}), id="a tensor more"),
        pytest.param(lambda tensors: tensors.update({"model.0.cv2.weight": np.zeros((7, 3, 1, 1), np.float32)}), id="another width"),
        pytest.param(lambda tensors: tensors.update({"model.0.cv2.weight": np.zeros((4, 3), np.float32)}), id="fewer dimensions"),
    ],
)
def test_weights_of_another_architecture_are_rejected(change: object) -> None:
    model = blob_finder(names=NAMES)
    tensors = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer if t.name.startswith("model.")}
    change(tensors)  # type: ignore[operator]
    with pytest.raises(WeightsError, match="another network"):
        with_weights(model, tensors, ("car", "motorcycle", "bus"))


def test_unusable_weights_are_rejected_when_they_are_opened(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match="etle models pull"):
        Yolo(tmp_path / "none.onnx", "blobs")
    (tmp_path / "text.onnx").write_text("weights")
    with pytest.raises(WeightsError, match="not an ONNX file"):
        Yolo(tmp_path / "text.onnx", "blobs")
    (tmp_path / "cut.onnx").write_bytes(blob_finder().SerializeToString()[:-900])
    with pytest.raises(WeightsError):
        Yolo(tmp_path / "cut.onnx", "blobs")
    relu = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "relu",
        [onnx.helper.make_tensor_value_info("x", 1, [1, 3, 64, 64])],
        [onnx.helper.make_tensor_value_info("y", 1, [1, 3, 64, 64])],
    )
    model = onnx.helper.make_model(relu)
    with pytest.raises(WeightsError, match="names"):
        class_names(model)
    with pytest.raises(WeightsError, match="not a YOLOv8 export"):
        with_input_shape(model, 96, 160)


def test_reading_a_graph_changes_nothing(weights: Path) -> None:
    model = read_graph(weights)
    before = model.SerializeToString(deterministic=True)
    with_input_shape(model, 96, 160)
    assert model.SerializeToString(deterministic=True) == before
