"""What was learned, as a file that onnxruntime opens: in 16 bit floats, or with its large convolutions in 8 bits."""

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.training.quantize import in_8_bits
from models.training.recogniser import end_in_softmax, with_characters
from models.training.samples import draw_sample, network_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_LEAST_SIZE = 512
"""Smaller tensors (biases, scales of normalisations) stay as they are: they weigh nothing and matter much."""
_LINES, _SEED = 96, 1_000_007
"""Drawn to measure ranges on; no training's seed."""


def reader_file(model: onnx.ModelProto) -> bytes:
    """A graph that ends in scores, with its learned weights in it, as the plate reader's file."""
    return in_16_bits(with_characters(end_in_softmax(model)))


def in_16_bits(model: onnx.ModelProto) -> bytes:
    """The same graph in a file half as large: a Cast, which onnxruntime folds while it loads, turns weights back. Computed in 32 bits."""
    small = onnx.ModelProto()
    small.CopyFrom(model)
    kept, casts = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.size < _LEAST_SIZE or array.dtype != np.float32:
            kept.append(tensor)
        else:
            kept.append(numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}_small"))
            casts.append(helper.make_node("Cast", [f"{tensor.name}_small"], [tensor.name], to=TensorProto.FLOAT))
    _replace(small.graph.initializer, kept)
    _replace(small.graph.node, [*casts, *model.graph.node])
    return bytes(small.SerializeToString())


def reader_in_8_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    """A graph that ends in scores, as the plate reader's, its large convolutions in 8 bits.

    These are the ones of 1 x 1 over the whole picture. What looks at neighbours (one channel at a time, or the first layers) and what looks
    at the picture's mean would read worse for it and gain nothing.
    """
    return in_8_bits(with_characters(end_in_softmax(model)), _drawn_lines(), left=_left_in_floats(model.graph))


def _left_in_floats(graph: onnx.GraphProto) -> set[str]:
    sizes = {tensor.name: tensor.dims for tensor in graph.initializer}
    means: set[str] = set()
    left = set()
    for node in graph.node:
        if node.op_type == "ReduceMean" or (node.op_type in ("Conv", "Relu") and node.input[0] in means):
            means.add(node.output[0])
        if node.op_type == "Conv" and (node.input[0] in means or list(sizes[node.input[1]][2:]) != [1, 1]):
            left.add(node.name)
    return left


def _drawn_lines() -> "Iterator[NDArray[np.float32]]":
    for number in range(_LINES):
        sample = draw_sample(np.random.default_rng([_SEED, number]))
        yield network_input(sample.line, sample.widest)[None]


def _replace(field: Any, values: list[Any]) -> None:
    del field[:]
    field.extend(values)
