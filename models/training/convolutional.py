"""Exports a torch network of convolutions, batch norms, ReLUs and linear layers as ONNX, without torch's exporter."""

from collections.abc import Sequence
from typing import Any

import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from models.training.export import with_float16_weights

_OPERATORS = {nn.Conv2d: "Conv", nn.ReLU: "Relu", nn.Flatten: "Flatten", nn.Linear: "Gemm"}
_OPSET, _IR = 17, 8


def exported(network: nn.Sequential, name: str, input_name: str, input_shape: Sequence[int | str]) -> bytes:
    """Batch norms are fused into the convolutions before them; other convolutions have a bias. Dropout is left out.

    `input_shape` without the batch; a name stands for any size.
    """
    nodes, weights, before = [], [], input_name
    for number, layer in enumerate(network):
        if isinstance(layer, (nn.BatchNorm2d, nn.Dropout)):
            continue
        after, inputs = f"layer{number}", [before]
        parameters, attributes = _parameters(layer, network[number + 1] if number + 1 < len(network) else None)
        for kind, tensor in zip(("weight", "bias"), parameters, strict=False):
            weights.append(numpy_helper.from_array(tensor.detach().numpy().copy(), f"{after}.{kind}"))
            inputs.append(weights[-1].name)
        nodes.append(helper.make_node(_OPERATORS[type(layer)], inputs, [after], **attributes))
        before = after
    ends = (
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, ["n", *input_shape])],
        [helper.make_tensor_value_info(before, TensorProto.FLOAT, None)],
    )
    graph = helper.make_graph(nodes, name, *ends, weights)
    return with_float16_weights(helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR))


def _parameters(layer: nn.Module, following: nn.Module | None) -> tuple[tuple[torch.Tensor, ...], dict[str, Any]]:
    if isinstance(layer, nn.Conv2d):
        side, pad = layer.kernel_size[0], layer.padding[0]
        attributes = {"kernel_shape": [side, side], "strides": list(layer.stride), "pads": [pad] * 4}
        if not isinstance(following, nn.BatchNorm2d):
            return (layer.weight, layer.bias), attributes
        gain = following.weight / (following.running_var + following.eps).sqrt()
        return (layer.weight * gain[:, None, None, None], following.bias - following.running_mean * gain), attributes
    if isinstance(layer, nn.Linear):
        return (layer.weight, layer.bias), {"transB": 1}
    return (), {}
