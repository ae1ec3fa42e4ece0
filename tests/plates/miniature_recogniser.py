"""A miniature of PP-OCR's recogniser, ten thousand times smaller: an ONNX file with the same padding, metadata and Softmax."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

CHARACTERS = (*"0123456789", *"abcxyz", *"ABCDEFGHIJKLMNOPQRSTUVWXYZ", "#", "一")


def write_recogniser(path: Path, *, characters: tuple[str, ...] | None = CHARACTERS, last: str = "Softmax", seed: int = 0) -> Path:
    """Input N x 3 x 48 x W, a step for every 8 columns. `characters` None leaves the metadata out."""
    rng = np.random.default_rng(seed)
    outputs = len(CHARACTERS if characters is None else characters) + 2
    weights = {
        "w1": rng.normal(0, 0.2, (12, 3, 5, 5)),
        "b1": np.zeros(12),
        "w2": rng.normal(0, 0.1, (32, 12, 2, 2)),
        "b2": np.zeros(32),
        "w1x1": rng.normal(0, 0.2, (32, 32, 1, 1)),
        "b1x1": np.zeros(32),
        "w3": rng.normal(0, 0.15, (48, 32, 12, 5)),
        "b3": np.zeros(48),
        "root": np.array(np.sqrt(2.0)),
        "one": np.array(1.0),
        "half": np.array(0.5),
        "head": rng.normal(0, 0.1, (48, outputs)),
        "bias": np.zeros(outputs),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], strides=[4, 4], pads=[2, 2, 2, 2], group=1, kernel_shape=[5, 5]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], strides=[1, 1], auto_pad="SAME_UPPER", group=1, kernel_shape=[2, 2]),
        helper.make_node("Div", ["c2", "root"], ["d"]),
        helper.make_node("Erf", ["d"], ["e"]),
        helper.make_node("Add", ["e", "one"], ["e1"]),
        helper.make_node("Mul", ["c2", "e1"], ["m"]),
        helper.make_node("Mul", ["m", "half"], ["gelu"]),
        helper.make_node("Conv", ["gelu", "w1x1", "b1x1"], ["c1x1"], strides=[1, 1], group=1, kernel_shape=[1, 1]),
        helper.make_node("Conv", ["c1x1", "w3", "b3"], ["c3"], strides=[12, 2], pads=[0, 2, 0, 2], group=1, kernel_shape=[12, 5]),
        helper.make_node("Relu", ["c3"], ["r3"]),
        helper.make_node("Squeeze", ["r3"], ["s"], axes=[2]),
        helper.make_node("Transpose", ["s"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["t", "head"], ["h"]),
        helper.make_node("Add", ["h", "bias"], ["scores"]),
        helper.make_node(last, ["scores"], ["y"], **({"axis": 2} if last == "Softmax" else {})),
    ]
    graph = helper.make_graph(
        nodes,
        "recogniser",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 48, "W"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "T", outputs])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    if characters is not None:
        helper.set_model_props(model, {"character": "\n".join(characters)})
    onnx.save(model, str(path))
    return path
