"""Exports a trained reader for onnxruntime: with 16-bit weights, or with its large convolutions in 8 bits."""

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from models.training.quantize import quantize
from models.training.recogniser import end_in_softmax, with_characters
from models.training.samples import draw_sample, network_input

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_MIN_SIZE = 512
"""Smaller tensors (biases, scales of normalisations) stay in 32 bits: they take little space and need the precision."""
_LINES, _SEED = 96, 1_000_007
"""Rendered lines for the calibration; do not use the seed for training."""


def export_reader(model: onnx.ModelProto) -> bytes:
    """The plate reader's file; `model` outputs scores before softmax."""
    return with_float16_weights(with_characters(end_in_softmax(model)))


def with_float16_weights(model: onnx.ModelProto) -> bytes:
    """The graph in a file of half the size. Casts, which onnxruntime folds when it loads the file, restore 32-bit weights."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    kept, casts = [], []
    for tensor in model.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.size < _MIN_SIZE or array.dtype != np.float32:
            kept.append(tensor)
        else:
            kept.append(numpy_helper.from_array(array.astype(np.float16), f"{tensor.name}_float16"))
            casts.append(helper.make_node("Cast", [f"{tensor.name}_float16"], [tensor.name], to=TensorProto.FLOAT))
    _replace(copy.graph.initializer, kept)
    _replace(copy.graph.node, [*casts, *model.graph.node])
    return bytes(copy.SerializeToString())


def quantize_reader(model: onnx.ModelProto) -> onnx.ModelProto:
    """The plate reader with its large convolutions in 8 bits; `model` outputs scores before softmax.

    These are the 1 x 1 convolutions over the whole image. The others (depthwise ones, the first layers, those on means over the image)
    would lose accuracy and gain no speed.
    """
    return quantize(with_characters(end_in_softmax(model)), _calibration_lines(), excluded=_excluded(model.graph))


def _excluded(graph: onnx.GraphProto) -> set[str]:
    sizes = {tensor.name: tensor.dims for tensor in graph.initializer}
    means: set[str] = set()
    excluded = set()
    for node in graph.node:
        if node.op_type == "ReduceMean" or (node.op_type in ("Conv", "Relu") and node.input[0] in means):
            means.add(node.output[0])
        if node.op_type == "Conv" and (node.input[0] in means or list(sizes[node.input[1]][2:]) != [1, 1]):
            excluded.add(node.name)
    return excluded


def _calibration_lines() -> "Iterator[NDArray[np.float32]]":
    for number in range(_LINES):
        sample = draw_sample(np.random.default_rng([_SEED, number]))
        yield network_input(sample.line, sample.max_width)[None]


def _replace(field: Any, values: list[Any]) -> None:
    del field[:]
    field.extend(values)
