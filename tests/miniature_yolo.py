"""A miniature YOLOv8 export with predictable output: it detects bright squares; their colour is their class.

Its graph has the same structure as the real one (grid centres, strides, reshapes that contain the number of cells, named weights), but only
one layer: each cell of the three grids takes the mean colour of its 8, 16 or 32 pixels and outputs a box of twice that side around it.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
COCO = {0: "person", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck"}
BLUE, GREEN, RED = (255, 0, 0), (0, 255, 0), (0, 0, 255)  # BGR, as in OpenCV
_CHANNEL = {RED: 0, GREEN: 1, BLUE: 2}


def blob_finder(
    height: int = 64, width: int = 64, *, names: dict[int, str] | None = None, colours: Sequence[tuple[int, int, int]] = (RED, GREEN, BLUE)
) -> onnx.ModelProto:
    """Class i is the i-th colour; a cell completely of that colour scores 0.95, a black one 0.007."""
    kinds = len(colours)
    cells = sum(height // s * (width // s) for s in STRIDES)
    nodes, tensors = [], []

    def constant(name: str, value: object, kind: type[np.generic]) -> str:
        tensors.append(numpy_helper.from_array(np.array(value, kind), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    boxes, scores = [], []
    for i, stride in enumerate(STRIDES):
        mean = node("AveragePool", ["images"], f"mean{i}", kernel_shape=[stride, stride], strides=[stride, stride])
        weight = np.zeros((kinds, 3, 1, 1), np.float32)
        for k, colour in enumerate(colours):
            weight[k, :, 0, 0] = -8
            weight[k, _CHANNEL[colour], 0, 0] = 8
        score_weight = constant(f"model.{i}.cv3.weight", weight, np.float32)
        score_bias = constant(f"model.{i}.cv3.bias", np.full(kinds, -5.0), np.float32)
        box_weight = constant(f"model.{i}.cv2.weight", np.zeros((4, 3, 1, 1)), np.float32)
        box_bias = constant(f"model.{i}.cv2.bias", np.ones(4), np.float32)
        score = node("Conv", [mean, score_weight, score_bias], f"score{i}")
        box = node("Conv", [mean, box_weight, box_bias], f"box{i}")
        scores.append(node("Reshape", [score, constant(f"kinds{i}", [1, kinds, -1], np.int64)], f"scores{i}"))
        boxes.append(node("Reshape", [box, constant(f"sides{i}", [1, 4, -1], np.int64)], f"boxes{i}"))
    distances = node("Reshape", [node("Concat", boxes, "b", axis=2), constant("all", [1, 4, cells], np.int64)], "distances")
    sigmoid = node("Sigmoid", [node("Concat", scores, "s", axis=2)], "probabilities")
    centres, strides = _grid(height, width)
    grid = constant("centres", centres, np.float32)
    two = constant("two", [2, 2], np.int64)
    left_top, right_bottom = "left_top", "right_bottom"
    nodes.append(helper.make_node("Split", [distances, two], [left_top, right_bottom], axis=1))
    first = node("Sub", [grid, left_top], "first")
    last = node("Add", [grid, right_bottom], "last")
    middle = node("Div", [node("Add", [first, last], "sum"), constant("half", 2.0, np.float32)], "middle")
    shape = node("Concat", [middle, node("Sub", [last, first], "extent")], "shape", axis=1)
    pixels = node("Mul", [shape, constant("strides", strides, np.float32)], "pixels")
    node("Concat", [pixels, sigmoid], "output0", axis=1)
    graph = helper.make_graph(
        nodes,
        "blobs",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, height, width])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 4 + kinds, cells])],
        tensors,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    metadata = {"task": "detect", "stride": "32", "batch": "1", "imgsz": str([height, width]), "names": str(names or {0: "car"})}
    helper.set_model_props(model, metadata)
    return model


def square(image: np.ndarray, colour: tuple[int, int, int], x: int, y: int, side: int) -> np.ndarray:
    """The image with a square whose upper left corner is at (x, y); changed in place."""
    image[y : y + side, x : x + side] = colour
    return image


def black(height: int, width: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def _grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    centres = [(x + 0.5, y + 0.5) for s in STRIDES for y in range(height // s) for x in range(width // s)]
    strides = [s for s in STRIDES for _ in range(height // s * (width // s))]
    return np.array(centres).T[None], np.array(strides)[None]
