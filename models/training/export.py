"""What was learned, as a small file that onnxruntime opens.

Weights are kept as 16 bit floats, and where the file would still be too large, the matrices that suffer least as 8 bit integers with a
scale for each output channel. A Cast (and a Mul) turn them back; onnxruntime folds these while it loads and computes with 32 bit floats
as before: the file is half as large, the reading as fast. All matrices in 8 bits would be a quarter, but read 9 in 100 hard crops
otherwise; as it is, it is 1 in 200.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.training.recogniser import end_in_softmax, with_characters

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

LARGEST_FILE = 5_950_000
"""Bytes: what ships in a repository should not be larger."""
_LEAST_SIZE = 512
"""Smaller tensors (biases, scales of normalisations) stay as they are: they weigh nothing and matter much."""


def reader_file(model: onnx.ModelProto, largest: int = LARGEST_FILE) -> bytes:
    """A graph that ends in scores, with its learned weights in it, as the plate reader's file."""
    whole = with_characters(end_in_softmax(model))
    in_order = _by_rounding_error(whole.graph)
    for count in range(len(in_order) + 1):
        data = bytes(_small(whole, in_order[:count]).SerializeToString())
        if len(data) <= largest:
            break
    return data


def in_16_bits(model: onnx.ModelProto) -> bytes:
    """The same graph in a file half as large."""
    return bytes(_small(model, ()).SerializeToString())


def _small(model: onnx.ModelProto, rounded: "Collection[str]") -> onnx.ModelProto:
    small = onnx.ModelProto()
    small.CopyFrom(model)
    axes = _channel_axes(model.graph)
    kept, nodes = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.size < _LEAST_SIZE or array.dtype != np.float32:
            kept.append(tensor)
        elif tensor.name in rounded:
            whole, scale = _rounded(array, axes[tensor.name])
            kept += [numpy_helper.from_array(whole, f"{tensor.name}_small"), numpy_helper.from_array(scale, f"{tensor.name}_scale")]
            nodes.append(helper.make_node("Cast", [f"{tensor.name}_small"], [f"{tensor.name}_float"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Mul", [f"{tensor.name}_float", f"{tensor.name}_scale"], [tensor.name]))
        else:
            kept.append(numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}_small"))
            nodes.append(helper.make_node("Cast", [f"{tensor.name}_small"], [tensor.name], to=TensorProto.FLOAT))
    _replace(small.graph.initializer, kept)
    _replace(small.graph.node, [*nodes, *model.graph.node])
    return small


def _replace(field: Any, values: list[Any]) -> None:
    del field[:]
    field.extend(values)


def _channel_axes(graph: onnx.GraphProto) -> dict[str, int]:
    """The axis of the output channels of each weight: the first in a convolution, the last in a matrix."""
    axes = {}
    for node in graph.node:
        if node.op_type == "Conv":
            axes[node.input[1]] = 0
        elif node.op_type == "MatMul":
            axes[node.input[1]] = -1
    return axes


def _by_rounding_error(graph: onnx.GraphProto) -> list[str]:
    """The largest tensors, and of these the one first that eight bits change least."""
    axes = _channel_axes(graph)
    arrays = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer if tensor.name in axes}
    large = [name for name, array in arrays.items() if array.size >= _LEAST_SIZE]

    def order(name: str) -> tuple[int, float]:
        whole, scale = _rounded(arrays[name], axes[name])
        return -arrays[name].size, float(np.linalg.norm(whole * scale - arrays[name]) / np.linalg.norm(arrays[name]))

    return sorted(large, key=order)


def _rounded(array: "NDArray[np.float32]", axis: int) -> "tuple[NDArray[np.int8], NDArray[np.float32]]":
    channel = axis % array.ndim
    others = tuple(i for i in range(array.ndim) if i != channel)
    scale = np.maximum(np.abs(array).max(axis=others, keepdims=True), 1e-12) / 127
    return np.round(array / scale).astype(np.int8), scale.astype(np.float32)
