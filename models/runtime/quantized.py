"""Turns a network of floats into one of 8-bit integers, from scales that were measured before.

The same float weights and the same scales give the same bytes on every machine, so that a violation names the same model everywhere;
measuring the scales anew (`models.training.quantize`) would not, because sums of floats differ between processors. Weights have one scale
per output channel and use 7 of the 8 bits (`models.training.quantize` has the reason).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAX_WEIGHT = 64
"""Largest quantized weight: 7 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """What was measured of a network in floats, to compute in integers."""

    scales: Mapping[str, tuple[float, int]]
    """Scale and zero point of activations (unsigned, 8 bits), by the name of the tensor."""
    offsets: Mapping[str, float] = field(default_factory=dict)
    """Added to biases that stay in floats, by their name: rounding lowers the scores a little."""


def with_integers(model: onnx.ModelProto, rounding: Rounding) -> onnx.ModelProto:
    """A copy of the graph in which the tensors of `scales` are rounded to 8 bits, and the weights of convolutions between two of them.

    onnxruntime computes operators whose inputs and outputs are all rounded in integers.
    """
    scales = rounding.scales
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name in rounding.offsets:
            tensor.CopyFrom(_tensor(numpy_helper.to_array(tensor) + np.float32(rounding.offsets[tensor.name]), tensor.name))
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in copy.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    added: list[onnx.TensorProto] = []
    for name, (scale, zero_point) in scales.items():
        added += [_tensor(np.float32(scale), f"{name}_scale"), _tensor(np.uint8(zero_point), f"{name}_zero")]
    for node in copy.graph.node:
        if node.op_type == "Conv" and node.input[0] in scales and node.output[0] in scales:
            nodes += _with_integer_weights(node, weights, scales[node.input[0]][0], added)
        node.input[:] = [f"{name}_rounded" if name in scales else name for name in node.input]
        nodes.append(node)
        for output in node.output:
            if output in scales:
                nodes += _rounding(output)
    nodes = [*(each for name in (copy.graph.input[0].name,) if name in scales for each in _rounding(name)), *nodes]
    kept = {name for node in nodes for name in node.input}
    initializers = [tensor for tensor in (*copy.graph.initializer, *added) if tensor.name in kept]
    tensors = [onnx.TensorProto.FromString(tensor.SerializeToString()) for tensor in initializers]
    del copy.graph.node[:], copy.graph.initializer[:], copy.graph.value_info[:]
    copy.graph.node.extend(nodes)
    copy.graph.initializer.extend(tensors)
    return copy


def _with_integer_weights(
    node: onnx.NodeProto, weights: "Mapping[str, NDArray[np.float32]]", input_scale: float, added: list[onnx.TensorProto]
) -> list[onnx.NodeProto]:
    """Adds the rounded weights and bias of the convolution, makes it use them, and returns the nodes that turn them into floats."""
    _, weight, bias = node.input
    values = weights[weight]
    largest = np.abs(values).reshape(len(values), -1).max(axis=1)
    scale = (np.maximum(largest, 1e-8) / MAX_WEIGHT).astype(np.float32)
    rounded = np.rint(values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
    bias_scale = (scale * np.float32(input_scale)).astype(np.float32)
    added += [
        _tensor(rounded, f"{weight}_int8"),
        _tensor(scale, f"{weight}_scale"),
        _tensor(np.zeros(len(scale), np.int8), f"{weight}_zero"),
    ]
    added += [_tensor(np.rint(weights[bias] / bias_scale).astype(np.int32), f"{bias}_int32"), _tensor(bias_scale, f"{bias}_scale")]
    added.append(_tensor(np.zeros(len(scale), np.int32), f"{bias}_zero"))
    node.input[1], node.input[2] = f"{weight}_floats", f"{bias}_floats"
    return [
        onnx.helper.make_node("DequantizeLinear", [f"{weight}_int8", f"{weight}_scale", f"{weight}_zero"], [node.input[1]], axis=0),
        onnx.helper.make_node("DequantizeLinear", [f"{bias}_int32", f"{bias}_scale", f"{bias}_zero"], [node.input[2]], axis=0),
    ]


def _rounding(name: str) -> list[onnx.NodeProto]:
    """Nodes that round a tensor to 8 bits and give it as `NAME_rounded`."""
    parameters = [f"{name}_scale", f"{name}_zero"]
    return [
        onnx.helper.make_node("QuantizeLinear", [name, *parameters], [f"{name}_int"]),
        onnx.helper.make_node("DequantizeLinear", [f"{name}_int", *parameters], [f"{name}_rounded"]),
    ]


def _tensor(value: "NDArray[np.generic] | np.generic", name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)
