"""A network whose convolutions multiply integers of 8 bits: a quarter of the file, half of the time.

Weights take steps of each output's own size, activations steps of the range that they had on pictures which are drawn. Weights use 7
of the 8 bits: where a processor adds products of 8 bits up in 16 (AVX2 without VNNI) more would overflow without a word, and the
same file must say the same on all of them.
"""

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDED, ROUNDED_WEIGHTS = "Rounded", "RoundedWeights"
"""Nodes of `with_rounding`: no operators of ONNX."""
LARGEST_WEIGHT = 64
"""In steps: 7 bits."""
_STORED = "_quantized"
_TO_STEPS, _TO_FLOATS = "QuantizeLinear", "DequantizeLinear"


def in_8_bits(model: onnx.ModelProto, batches: "Iterable[NDArray[np.float32]]", *, left: Collection[str] = ()) -> onnx.ModelProto:
    """`batches` are inputs to measure the ranges on; the convolutions that `left` names stay as they are."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with TemporaryDirectory() as folder, _without_advice():
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, str(before))
        quantize_static(
            before,
            after,
            _Inputs(model.graph.input[0].name, batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=list(left),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
        return onnx.load(str(after))


def in_floats(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as it was before `in_8_bits`, but for what the steps round off; any other graph as it is."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    values = {tensor.name: tensor for tensor in copy.graph.initializer}
    instead: dict[str, str] = {}
    kept = []
    for node in copy.graph.node:
        if node.op_type == _TO_FLOATS and node.input[0] in values:
            name = node.input[0].removesuffix(_STORED)
            values[name] = numpy_helper.from_array(_floats(node, values), name)
            instead[node.output[0]] = name
        elif node.op_type in (_TO_STEPS, _TO_FLOATS):
            instead[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    if not instead:
        return copy
    for node in kept:
        node.input[:] = [_followed(name, instead) for name in node.input]
    used = {name for node in kept for name in node.input}
    del copy.graph.initializer[:], copy.graph.node[:]
    copy.graph.initializer.extend(tensor for name, tensor in values.items() if name in used)
    copy.graph.node.extend(kept)
    return copy


def with_rounding(model: onnx.ModelProto, eight: onnx.ModelProto) -> onnx.ModelProto:
    """`model` that rounds where `eight`, its version in 8 bits, does: to learn what suffers least by it.

    Its weights stay floats of the same names; around convolutions stand nodes of ROUNDED (value, size of a step, zero) and ROUNDED_WEIGHTS.
    """
    twins = {node.name: node for node in eight.graph.node if node.op_type == "Conv"}
    to_floats = {node.output[0]: node for node in eight.graph.node if node.op_type == _TO_FLOATS}
    to_steps = {node.input[0]: node for node in eight.graph.node if node.op_type == _TO_STEPS}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        before = to_floats.get(twins[node.name].input[0]) if node.name in twins else None
        after = to_steps.get(node.output[0])
        nodes += [node] if before is None or after is None else _rounding(node, before.input[1:], after.input[1:])
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    used = {name for node in nodes if node.op_type == ROUNDED for name in node.input}
    copy.graph.initializer.extend(tensor for tensor in eight.graph.initializer if tensor.name in used)
    return copy


def _rounding(node: onnx.NodeProto, before: "Sequence[str]", after: "Sequence[str]") -> list[onnx.NodeProto]:
    """A convolution whose input and output take steps, each of a size and with a zero, and whose weights do."""
    picture, weights, bias = node.input
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    inner.input[:] = [f"{node.name}_picture", f"{node.name}_weights", bias]
    inner.output[:] = [f"{node.name}_sum"]
    return [
        onnx.helper.make_node(ROUNDED, [picture, *before], [f"{node.name}_picture"]),
        onnx.helper.make_node(ROUNDED_WEIGHTS, [weights], [f"{node.name}_weights"]),
        inner,
        onnx.helper.make_node(ROUNDED, [f"{node.name}_sum", *after], [node.output[0]]),
    ]


class _Inputs:
    """What onnxruntime's calibration asks for, one input at a time."""

    def __init__(self, name: str, batches: "Iterable[NDArray[np.float32]]") -> None:
        self._name = name
        self._batches = iter(batches)

    def get_next(self) -> "dict[str, NDArray[np.float32]] | None":
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def _floats(node: onnx.NodeProto, values: "dict[str, onnx.TensorProto]") -> "NDArray[np.float32]":
    steps, size, zero = (numpy_helper.to_array(values[name]) for name in node.input)
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    shape = [-1 if i == axis else 1 for i in range(steps.ndim)] if size.ndim else []
    difference = steps.astype(np.float32) - zero.astype(np.float32).reshape(shape)
    floats: NDArray[np.float32] = (difference * size.reshape(shape)).astype(np.float32)
    return floats


def _followed(name: str, instead: "dict[str, str]") -> str:
    while name in instead and instead[name] != name:
        name = instead[name]
    return name


@contextmanager
def _without_advice() -> Iterator[None]:
    """It recommends steps that were taken, and logs each layer that it leaves."""
    before: Any = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
