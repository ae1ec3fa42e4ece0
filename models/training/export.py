"""What was learned, as a small file that onnxruntime opens.

Weights are kept as eighth-size integers with a scale for each output channel; a Cast and a Mul turn them back. onnxruntime folds these
while it loads, so that it computes with 32 bit floats as before: the file is a quarter as large, the reading as fast.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.training.recogniser import end_in_softmax, with_characters

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_SIZE = 512
"""Smaller tensors (biases, scales of normalisations) stay as they are: they weigh nothing and matter much."""


def reader_file(model: onnx.ModelProto) -> bytes:
    """A graph that ends in scores, with its learned weights in it, as the plate reader's file."""
    return bytes(with_characters(_small(end_in_softmax(model))).SerializeToString())


def _small(model: onnx.ModelProto) -> onnx.ModelProto:
    axes = _channel_axes(model.graph)
    kept, nodes = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if tensor.name not in axes or array.size < _LEAST_SIZE or array.dtype != np.float32:
            kept.append(tensor)
            continue
        whole, scale = _rounded(array, axes[tensor.name])
        kept += [numpy_helper.from_array(whole, f"{tensor.name}_int8"), numpy_helper.from_array(scale, f"{tensor.name}_scale")]
        nodes += [
            helper.make_node("Cast", [f"{tensor.name}_int8"], [f"{tensor.name}_float"], to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{tensor.name}_float", f"{tensor.name}_scale"], [tensor.name]),
        ]
    _replace(model.graph.initializer, kept)
    _replace(model.graph.node, [*nodes, *model.graph.node])
    return model


def _replace(field: Any, values: list[Any]) -> None:
    copies = list(values)
    del field[:]
    field.extend(copies)


def _channel_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """The axis of the output channels of each weight: the first in a convolution, the last in a matrix."""
    axes = {}
    for node in graph.node:
        if node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type == "MatMul":
            axes[node.input[1]] = -1
    return axes


def _rounded(array: "NDArray[np.float32]", axis: int) -> "tuple[NDArray[np.int8], NDArray[np.float32]]":
    channel = axis % array.ndim
    others = tuple(i for i in range(array.ndim) if i != channel)
    scale = np.maximum(np.abs(array).max(axis=others, keepdims=True), 1e-12) / 127
    return np.round(array / scale).astype(np.int8), scale.astype(np.float32)
