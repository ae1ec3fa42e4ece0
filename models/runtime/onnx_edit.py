"""An exported YOLOv8 in ONNX given another input shape, or another network's weights; with onnx and numpy alone.

Ultralytics exports for one input shape. What depends on it are four kinds of constants: the centres of the grid's cells, their strides,
and the reshapes that name how many cells there are. All are found by their shapes, so that any YOLOv8 export of a fixed shape will do.
"""

import ast
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import numpy_helper

from etle.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_STRIDES = (8, 16, 32)
STRIDE = max(_STRIDES)
"""Sides of an input are multiples of it."""


def read_graph(path: "Path") -> onnx.ModelProto:
    """Raises WeightsError if it is no ONNX file."""
    data = path.read_bytes()
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError is a class of its C part
        raise WeightsError(f"{path} is not an ONNX file: {error}") from error


def input_shape(model: onnx.ModelProto) -> tuple[int, int] | None:
    """Height and width that the graph takes; None if it takes any."""
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    return (height.dim_value, width.dim_value) if height.dim_value and width.dim_value else None


def class_names(model: onnx.ModelProto) -> dict[int, str]:
    """What the graph finds, as its metadata say. Raises WeightsError if they do not."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    try:
        names = ast.literal_eval(metadata["names"])
        return {int(number): str(name) for number, name in names.items()}
    except (KeyError, ValueError, SyntaxError, AttributeError) as error:
        raise WeightsError("The graph's metadata do not name its classes (key `names`): it is no YOLO export") from error


def reshaped(model: onnx.ModelProto, height: int, width: int) -> onnx.ModelProto:
    """The graph for pictures of this shape. Raises WeightsError if it is no YOLOv8 export."""
    if input_shape(model) in (None, (height, width)):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    output = copy.graph.output[0].type.tensor_type.shape.dim
    cells = output[2].dim_value
    centres, strides = _grid(height, width)
    replaced = sum(_adapt(tensor, cells, centres, strides) for tensor in copy.graph.initializer)
    if not cells or replaced < 3:
        raise WeightsError("The graph is no YOLOv8 export of a fixed shape: it cannot be given another one")
    shape = copy.graph.input[0].type.tensor_type.shape.dim
    shape[2].dim_value, shape[3].dim_value, output[2].dim_value = height, width, strides.size
    del copy.graph.value_info[:]
    for entry in copy.metadata_props:
        if entry.key == "imgsz":
            entry.value = str([height, width])
    return copy


def grafted(model: onnx.ModelProto, weights: "Mapping[str, NDArray[Any]]", names: "Sequence[str]") -> onnx.ModelProto:
    """A copy of the graph with another network's weights, which finds classes of these `names`.

    Both must be of the same architecture: raises WeightsError if they are not.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    output = copy.graph.output[0].type.tensor_type.shape.dim
    before = output[1].dim_value - 4
    wanted = {tensor.name for tensor in copy.graph.initializer if tensor.name.startswith("model.")}
    if wanted != set(weights):
        raise WeightsError(f"The checkpoint is of another network than the graph: {sorted(wanted ^ set(weights))[:3]} stand in one only")
    for tensor in copy.graph.initializer:
        if tensor.name in weights:
            _check_shape(tensor, weights[tensor.name], before)
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights[tensor.name]), tensor.name))
        elif numpy_helper.to_array(tensor).tolist() == [1, before, -1]:
            tensor.CopyFrom(numpy_helper.from_array(np.array([1, len(names), -1], np.int64), tensor.name))
    output[1].dim_value = 4 + len(names)
    del copy.graph.value_info[:]
    del copy.metadata_props[:]
    copy.metadata_props.add(key="task", value="detect")
    copy.metadata_props.add(key="stride", value=str(STRIDE))
    copy.metadata_props.add(key="imgsz", value=str([*(input_shape(model) or ())]))
    copy.metadata_props.add(key="names", value=str(dict(enumerate(names))))
    return copy


def with_outputs(model: onnx.ModelProto, kept: "NDArray[np.int64]", of: int) -> onnx.ModelProto:
    """The graph, which ends in a layer of `of` outputs, with these outputs of it only, in this order. The model itself is changed."""
    for tensor in model.graph.initializer:
        if tensor.dims and tensor.dims[-1] == of:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(tensor)[..., kept]), tensor.name))
    del model.graph.value_info[:]
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = len(kept)
    return model


def _grid(height: int, width: int) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    """Centres (1, 2, cells) and strides (1, cells) of all cells, in units of their own stride."""
    centres, strides = [], []
    for stride in _STRIDES:
        y, x = np.meshgrid(np.arange(height // stride) + 0.5, np.arange(width // stride) + 0.5, indexing="ij")
        centres.append(np.stack([x.ravel(), y.ravel()]))
        strides.append(np.full(y.size, stride))
    return np.concatenate(centres, 1)[None].astype(np.float32), np.concatenate(strides)[None].astype(np.float32)


def _adapt(tensor: onnx.TensorProto, cells: int, centres: "NDArray[np.float32]", strides: "NDArray[np.float32]") -> bool:
    """Whether the tensor depended on the shape, and was replaced."""
    if cells not in tensor.dims and tensor.data_type != onnx.TensorProto.INT64:
        return False
    value = numpy_helper.to_array(tensor)
    new: NDArray[Any]
    if value.shape == (1, 2, cells):
        new = centres
    elif value.shape == (1, cells):
        new = strides
    elif value.dtype == np.int64 and cells in value:
        new = np.where(value == cells, strides.size, value)
    else:
        return False
    tensor.CopyFrom(numpy_helper.from_array(new, tensor.name))
    return True


def _check_shape(tensor: onnx.TensorProto, new: "NDArray[Any]", classes_before: int) -> None:
    """Sides must agree, but for those that the architecture takes from the number of classes."""
    own = tuple(tensor.dims)
    if len(own) != new.ndim or any(a not in (b, classes_before) for a, b in zip(own, new.shape, strict=True)):
        raise WeightsError(f"{tensor.name} is {new.shape} in the checkpoint and {own} in the graph: another network")
