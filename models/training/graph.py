"""Trains an ONNX graph: its nodes run in torch, its weights are parameters, and the trained weights go back into the same graph.

The recogniser therefore needs no second definition of its network and no exporter. Supported are only the operators of PP-OCR's
recogniser, as `recogniser.py` simplifies it, and those of quantization-aware training (`quantize.py`).
"""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from etle.errors import WeightsError
from models.training.quantize import FAKE_QUANT, FAKE_QUANT_WEIGHTS, MAX_WEIGHT_STEP

Values: TypeAlias = dict[str, torch.Tensor]
Attributes: TypeAlias = dict[str, Any]
Operator: TypeAlias = Callable[[list[torch.Tensor], Attributes], torch.Tensor]

_MAX_CONSTANT_SIZE = 1
"""Float tensors up to this size (an epsilon, an exponent) are constants and not trained."""


class TorchGraph(nn.Module):  # type: ignore[misc]  # torch is not installed for the type check
    """`forward` returns the graph's first output. Normalisations must already be fused into the convolutions."""

    def __init__(self, model: onnx.ModelProto) -> None:
        """Raises WeightsError that names the operator if one is not supported."""
        super().__init__()
        self._input = model.graph.input[0].name
        self._output = model.graph.output[0].name
        self._constants: Values = {}
        self._parameter_names: dict[str, str] = {}
        for tensor in model.graph.initializer:
            self._register(tensor.name, numpy_helper.to_array(tensor))
        self._nodes = [_step(node) for node in model.graph.node]
        self._last_use = _last_use([(inputs, output) for inputs, output, _, _ in self._nodes], self._output)

    def _register(self, name: str, array: "np.ndarray[Any, Any]") -> None:
        value = torch.from_numpy(array.copy())
        if value.is_floating_point() and value.numel() > _MAX_CONSTANT_SIZE:
            self._parameter_names[name] = f"weight{len(self._parameter_names)}"
            self.register_parameter(self._parameter_names[name], nn.Parameter(value))
        else:
            self._constants[name] = value

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        values = {**self._constants, self._input: batch}
        values.update((name, getattr(self, parameter)) for name, parameter in self._parameter_names.items())
        for i, (inputs, output, operator, attributes) in enumerate(self._nodes):
            values[output] = operator([values[name] for name in inputs], attributes)
            for name in self._last_use.get(i, ()):
                del values[name]
        return values[self._output]

    def vector(self) -> torch.Tensor:
        """All weights as one vector, in the order of `parameters()`."""
        return torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters()])

    def load_vector(self, vector: torch.Tensor) -> None:
        """Copy all weights from one vector, in the order of `parameters()`."""
        sizes = [parameter.numel() for parameter in self.parameters()]
        with torch.no_grad():
            for parameter, part in zip(self.parameters(), vector.split(sizes), strict=True):
                parameter.copy_(part.view_as(parameter))

    def weights(self) -> "dict[str, np.ndarray[Any, Any]]":
        """The current weights by their names in the graph."""
        return {name: getattr(self, parameter).detach().numpy() for name, parameter in self._parameter_names.items()}


def replace_weights(model: onnx.ModelProto, weights: "dict[str, np.ndarray[Any, Any]]") -> onnx.ModelProto:
    """A copy of the graph with these weights."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.name in weights:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights[tensor.name]), tensor.name))
    return copy


def _step(node: onnx.NodeProto) -> tuple[list[str], str, Operator, Attributes]:
    if node.op_type not in _OPERATORS:
        raise WeightsError(f"This network cannot be trained: operator {node.op_type} is not supported. Supported: {', '.join(_OPERATORS)}")
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    return list(node.input), node.output[0], _OPERATORS[node.op_type], attributes


def _last_use(nodes: list[tuple[list[str], str]], output: str) -> dict[int, tuple[str, ...]]:
    """By node index: the values that no later node needs."""
    computed = {name for _, name in nodes if name != output}
    last = {name: i for i, (inputs, _) in enumerate(nodes) for name in inputs if name in computed}
    return {i: tuple(name for name, at in last.items() if at == i) for i in set(last.values())}


def _padded(x: torch.Tensor, attributes: Attributes, kernel: "tuple[int, ...]", fill: float) -> torch.Tensor:
    """SAME_UPPER adds the odd pixel at the end; strides are 1 where PP-OCR uses it."""
    if attributes.get("auto_pad", b"NOTSET") == b"SAME_UPPER":
        down, right = (side - 1 for side in kernel)
        return functional.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2), value=fill)
    top, left, bottom, right = attributes.get("pads", (0, 0, 0, 0))
    return functional.pad(x, (left, right, top, bottom), value=fill) if any((top, left, bottom, right)) else x


def _conv(x: list[torch.Tensor], a: Attributes) -> torch.Tensor:
    image, weight, bias = x
    top, left, bottom, right = a.get("pads", (0, 0, 0, 0))
    if a.get("auto_pad", b"NOTSET") == b"NOTSET" and (top, left) == (bottom, right):
        return functional.conv2d(image, weight, bias, stride=a["strides"], padding=(top, left), groups=a["group"])
    image = _padded(image, a, tuple(weight.shape[2:]), 0.0)
    return functional.conv2d(image, weight, bias, stride=a["strides"], groups=a["group"])


def _max_pool(x: list[torch.Tensor], a: Attributes) -> torch.Tensor:
    image = _padded(x[0], a, tuple(a["kernel_shape"]), float("-inf"))
    return functional.max_pool2d(image, a["kernel_shape"], a["strides"])


def _hard_sigmoid(x: list[torch.Tensor], a: Attributes) -> torch.Tensor:
    return (x[0] * a["alpha"] + a["beta"]).clamp(0, 1)


def _slice(x: list[torch.Tensor], a: Attributes) -> torch.Tensor:
    starts, ends, axes = (part.tolist() for part in x[1:4])
    value = x[0]
    for start, end, axis in zip(starts, ends, axes, strict=True):
        value = value.narrow(axis, start, min(end, value.shape[axis]) - start)
    return value


def _reshape(x: list[torch.Tensor], a: Attributes) -> torch.Tensor:
    """A 0 in the new shape keeps the dimension of the input."""
    return x[0].reshape([x[0].shape[i] if side == 0 else side for i, side in enumerate(x[1].tolist())])


def _squeeze(x: list[torch.Tensor], a: Attributes) -> torch.Tensor:
    return x[0].squeeze(tuple(x[1].tolist()))


def _fake_quant(x: list[torch.Tensor], a: Attributes) -> torch.Tensor:
    value, scale, zero_point = x
    return torch.fake_quantize_per_tensor_affine(value, float(scale), int(zero_point), 0, 255)


def _fake_quant_weights(x: list[torch.Tensor], a: Attributes) -> torch.Tensor:
    """With one scale per output channel, as onnxruntime quantizes."""
    scale = x[0].detach().abs().amax((1, 2, 3)).clamp_min(1e-12) / MAX_WEIGHT_STEP
    return torch.fake_quantize_per_channel_affine(
        x[0], scale, torch.zeros_like(scale, dtype=torch.int32), 0, -MAX_WEIGHT_STEP, MAX_WEIGHT_STEP
    )


_OPERATORS: dict[str, Operator] = {
    "Add": lambda x, a: x[0] + x[1],
    "AveragePool": lambda x, a: functional.avg_pool2d(x[0], a["kernel_shape"], a["strides"]),
    "Concat": lambda x, a: torch.cat(x, a["axis"]),
    "Conv": _conv,
    "Div": lambda x, a: x[0] / x[1],
    "Gelu": lambda x, a: functional.gelu(x[0]),
    "HardSigmoid": _hard_sigmoid,
    "MatMul": lambda x, a: x[0] @ x[1],
    "MaxPool": _max_pool,
    "Mul": lambda x, a: x[0] * x[1],
    "Pow": lambda x, a: x[0] ** x[1],
    "ReduceMean": lambda x, a: x[0].mean(a["axes"], keepdim=bool(a["keepdims"])),
    "Relu": lambda x, a: functional.relu(x[0]),
    "Reshape": _reshape,
    FAKE_QUANT: _fake_quant,
    FAKE_QUANT_WEIGHTS: _fake_quant_weights,
    "Shape": lambda x, a: torch.tensor(x[0].shape),
    "Sigmoid": lambda x, a: x[0].sigmoid(),
    "Slice": _slice,
    "Softmax": lambda x, a: x[0].softmax(a["axis"]),
    "Sqrt": lambda x, a: x[0].sqrt(),
    "Squeeze": _squeeze,
    "Sub": lambda x, a: x[0] - x[1],
    "Transpose": lambda x, a: x[0].permute(a["perm"]),
}
