"""Quantizes convolutions to 8-bit integers: a quarter of the file size, half of the time.

Weights have one scale per output channel; the scales of activations come from their ranges on synthetic images. Weights use 7 of the 8
bits: processors that sum 8-bit products in 16 bits (AVX2 without VNNI) would overflow silently with more, and a file must give the same
results on all processors.
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

FAKE_QUANT, FAKE_QUANT_WEIGHTS = "FakeQuant", "FakeQuantWeights"
"""Operators that `with_fake_quant` inserts; they do not exist in ONNX."""
MAX_WEIGHT_STEP = 64
"""Largest quantized weight: 7 bits."""
_QUANTIZED_SUFFIX = "_quantized"
_QUANTIZE, _DEQUANTIZE = "QuantizeLinear", "DequantizeLinear"


def quantize(model: onnx.ModelProto, batches: "Iterable[NDArray[np.float32]]", *, excluded: Collection[str] = ()) -> onnx.ModelProto:
    """`batches`: inputs for the calibration; `excluded`: names of the convolutions that stay in floats."""
    return calibrated(model, batches, operators=["Conv"], excluded=excluded)


def calibrated(
    model: onnx.ModelProto, batches: "Iterable[NDArray[np.float32]]", *, operators: Collection[str], excluded: Collection[str] = ()
) -> onnx.ModelProto:
    """As `quantize`, with these operators in integers; `excluded`: names of the nodes that stay in floats."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    with TemporaryDirectory() as folder, _without_warnings():
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        onnx.save(model, str(before))
        quantize_static(
            before,
            after,
            _CalibrationInputs(model.graph.input[0].name, batches),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(operators),
            nodes_to_exclude=list(excluded),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            activation_type=QuantType.QUInt8,
        )
        return onnx.load(str(after))


def dequantize(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the graph as it was before `quantize`, except for rounding; a graph that is not quantized is only copied."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    values = {tensor.name: tensor for tensor in copy.graph.initializer}
    replacements: dict[str, str] = {}
    kept = []
    for node in copy.graph.node:
        if node.op_type == _DEQUANTIZE and node.input[0] in values:
            name = node.input[0].removesuffix(_QUANTIZED_SUFFIX)
            values[name] = numpy_helper.from_array(_dequantized(node, values), name)
            replacements[node.output[0]] = name
        elif node.op_type in (_QUANTIZE, _DEQUANTIZE):
            replacements[node.output[0]] = node.input[0]
        else:
            kept.append(node)
    if not replacements:
        return copy
    for node in kept:
        node.input[:] = [_resolve(name, replacements) for name in node.input]
    used = {name for node in kept for name in node.input}
    del copy.graph.initializer[:], copy.graph.node[:]
    copy.graph.initializer.extend(tensor for name, tensor in values.items() if name in used)
    copy.graph.node.extend(kept)
    return copy


def with_fake_quant(model: onnx.ModelProto, quantized: onnx.ModelProto) -> onnx.ModelProto:
    """For quantization-aware training: `model` with rounding wherever `quantized`, its 8-bit version, rounds.

    The weights stay floats with the same names. FAKE_QUANT nodes (value, scale, zero point) are inserted before and after convolutions,
    and FAKE_QUANT_WEIGHTS nodes before their weights.
    """
    twins = {node.name: node for node in quantized.graph.node if node.op_type == "Conv"}
    dequantizers = {node.output[0]: node for node in quantized.graph.node if node.op_type == _DEQUANTIZE}
    quantizers = {node.input[0]: node for node in quantized.graph.node if node.op_type == _QUANTIZE}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        before = dequantizers.get(twins[node.name].input[0]) if node.name in twins else None
        after = quantizers.get(node.output[0])
        nodes += [node] if before is None or after is None else _with_fake_quant(node, before.input[1:], after.input[1:])
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.node[:]
    copy.graph.node.extend(nodes)
    used = {name for node in nodes if node.op_type == FAKE_QUANT for name in node.input}
    copy.graph.initializer.extend(tensor for tensor in quantized.graph.initializer if tensor.name in used)
    return copy


def _with_fake_quant(node: onnx.NodeProto, before: "Sequence[str]", after: "Sequence[str]") -> list[onnx.NodeProto]:
    """The convolution between fake quantization of its input, weights and output; `before`, `after`: names of scale and zero point."""
    image, weights, bias = node.input
    inner = onnx.NodeProto()
    inner.CopyFrom(node)
    inner.input[:] = [f"{node.name}_image", f"{node.name}_weights", bias]
    inner.output[:] = [f"{node.name}_sum"]
    return [
        onnx.helper.make_node(FAKE_QUANT, [image, *before], [f"{node.name}_image"]),
        onnx.helper.make_node(FAKE_QUANT_WEIGHTS, [weights], [f"{node.name}_weights"]),
        inner,
        onnx.helper.make_node(FAKE_QUANT, [f"{node.name}_sum", *after], [node.output[0]]),
    ]


class _CalibrationInputs:
    """Inputs for onnxruntime's calibration, one at a time."""

    def __init__(self, name: str, batches: "Iterable[NDArray[np.float32]]") -> None:
        self._name = name
        self._batches = iter(batches)

    def get_next(self) -> "dict[str, NDArray[np.float32]] | None":
        batch = next(self._batches, None)
        return None if batch is None else {self._name: batch}


def _dequantized(node: onnx.NodeProto, values: "dict[str, onnx.TensorProto]") -> "NDArray[np.float32]":
    quantized, scale, zero_point = (numpy_helper.to_array(values[name]) for name in node.input)
    axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
    shape = [-1 if i == axis else 1 for i in range(quantized.ndim)] if scale.ndim else []
    difference = quantized.astype(np.float32) - zero_point.astype(np.float32).reshape(shape)
    floats: NDArray[np.float32] = (difference * scale.reshape(shape)).astype(np.float32)
    return floats


def _resolve(name: str, replacements: "dict[str, str]") -> str:
    while name in replacements and replacements[name] != name:
        name = replacements[name]
    return name


@contextmanager
def _without_warnings() -> Iterator[None]:
    """onnxruntime recommends preprocessing that was already done, and logs each excluded layer."""
    before: Any = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
