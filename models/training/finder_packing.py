"""An ONNX file of a quarter of the size: weights of convolutions as 8-bit steps of each output's own size.

They become numbers again when the file is opened: the runtime folds what is constant, so that no frame pays for it.
"""

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import helper, numpy_helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

_FEWEST = 1024
"""Smaller tensors stay as they are."""
_STORED, _SCALE, _CAST = "/stored", "/scale", "/cast"
_STEPS = 127


def packed(model: onnx.ModelProto) -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    tensors, nodes = list(copy.graph.initializer), list(copy.graph.node)
    opening = []
    del copy.graph.initializer[:], copy.graph.node[:]
    for tensor in tensors:
        if not _worth(tensor):
            copy.graph.initializer.append(tensor)
            continue
        steps, size = _in_steps(numpy_helper.to_array(tensor))
        name = tensor.name
        copy.graph.initializer.extend([numpy_helper.from_array(steps, name + _STORED), numpy_helper.from_array(size, name + _SCALE)])
        opening.append(helper.make_node("Cast", [name + _STORED], [name + _CAST], to=onnx.TensorProto.FLOAT))
        opening.append(helper.make_node("Mul", [name + _CAST, name + _SCALE], [name]))
    copy.graph.node.extend([*opening, *nodes])
    return copy


def unpacked(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph as it was before `packed`, but for what the steps round off; any other graph as it is."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    values = {tensor.name: tensor for tensor in copy.graph.initializer}
    names = [name.removesuffix(_STORED) for name in values if name.endswith(_STORED)]
    for name in names:
        steps, size = (numpy_helper.to_array(values.pop(name + part)) for part in (_STORED, _SCALE))
        values[name] = numpy_helper.from_array(steps.astype(np.float32) * size, name)
    opening = {name + _CAST for name in names} | set(names)
    kept = [node for node in copy.graph.node if node.output[0] not in opening]
    del copy.graph.initializer[:], copy.graph.node[:]
    copy.graph.initializer.extend(values.values())
    copy.graph.node.extend(kept)
    return copy


def _worth(tensor: onnx.TensorProto) -> bool:
    return tensor.name.startswith("model.") and len(tensor.dims) == 4 and int(np.prod(tensor.dims)) >= _FEWEST


def _in_steps(weight: "NDArray[np.float32]") -> "tuple[NDArray[np.int8], NDArray[np.float32]]":
    size = np.maximum(np.abs(weight).max(axis=(1, 2, 3), keepdims=True), 1e-12).astype(np.float32) / _STEPS
    return np.round(weight / size).astype(np.int8), size
