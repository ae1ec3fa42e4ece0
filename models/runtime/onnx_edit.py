"""Changes the input shape, the weights or the outputs of an ONNX graph; needs only onnx and numpy.

Ultralytics exports YOLOv8 for one input shape. Three kinds of constants depend on it: the centres of the grid cells, their strides, and
the reshapes that contain the number of cells. They are recognised by their shapes, so any YOLOv8 export of a fixed shape can be changed.
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
"""Height and width of an input are multiples of it."""
DISTANCES = 16
"""Number of distances, in strides, between which the network's answer for a side of a box lies."""
_RESIZE_SCALES = 2
"""Index of the scales among the inputs of Resize; a size follows."""


def read_graph(path: "Path") -> onnx.ModelProto:
    """Raises WeightsError if the file is not ONNX, FileNotFoundError if there is none."""
    data = path.read_bytes()
    try:
        return onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError is defined in its C extension
        raise WeightsError(f"{path} is not an ONNX file: {error}") from error


def input_shape(model: onnx.ModelProto) -> tuple[int, int] | None:
    """Height and width of the graph's input; None if they are not fixed."""
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    return (height.dim_value, width.dim_value) if height.dim_value and width.dim_value else None


def class_names(model: onnx.ModelProto) -> dict[int, str]:
    """Class names by class id, from the graph's metadata. Raises WeightsError if they are missing."""
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    try:
        names = ast.literal_eval(metadata["names"])
        return {int(number): str(name) for number, name in names.items()}
    except (KeyError, ValueError, SyntaxError, AttributeError) as error:
        raise WeightsError("The graph's metadata do not name its classes (key `names`): it is not a YOLO export") from error


def with_input_shape(model: onnx.ModelProto, height: int, width: int) -> onnx.ModelProto:
    """A copy of the graph for inputs of this shape. Raises WeightsError if it is not a YOLOv8 export of a fixed shape."""
    if input_shape(model) in (None, (height, width)):
        return model
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    output = copy.graph.output[0].type.tensor_type.shape.dim
    cells = output[2].dim_value
    centres, strides = grid(height, width)
    replaced = sum(_adapt_to_shape(tensor, cells, centres, strides) for tensor in copy.graph.initializer)
    if not cells or replaced < 3:
        raise WeightsError("The graph is not a YOLOv8 export of a fixed shape: its input shape cannot be changed")
    shape = copy.graph.input[0].type.tensor_type.shape.dim
    shape[2].dim_value, shape[3].dim_value, output[2].dim_value = height, width, strides.size
    del copy.graph.value_info[:]
    for entry in copy.metadata_props:
        if entry.key == "imgsz":
            entry.value = str([height, width])
    return copy


def with_weights(model: onnx.ModelProto, weights: "Mapping[str, NDArray[Any]]", names: "Sequence[str]") -> onnx.ModelProto:
    """A copy of the graph with the weights of another network, which detects classes of these `names`.

    Raises WeightsError if the two are not of the same architecture.
    """
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    output = copy.graph.output[0].type.tensor_type.shape.dim
    classes_before = output[1].dim_value - 4
    own = {tensor.name for tensor in copy.graph.initializer if tensor.name.startswith("model.")}
    if own != set(weights):
        raise WeightsError(f"The checkpoint is of another network than the graph: only one has {sorted(own ^ set(weights))[:3]}")
    for tensor in copy.graph.initializer:
        if tensor.name in weights:
            _check_shape(tensor, weights[tensor.name], classes_before)
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights[tensor.name]), tensor.name))
        elif numpy_helper.to_array(tensor).tolist() == [1, classes_before, -1]:
            tensor.CopyFrom(numpy_helper.from_array(np.array([1, len(names), -1], np.int64), tensor.name))
    output[1].dim_value = 4 + len(names)
    del copy.graph.value_info[:]
    del copy.metadata_props[:]
    copy.metadata_props.add(key="task", value="detect")
    copy.metadata_props.add(key="stride", value=str(STRIDE))
    copy.metadata_props.add(key="imgsz", value=str([*(input_shape(model) or ())]))
    copy.metadata_props.add(key="names", value=str(dict(enumerate(names))))
    return copy


def select_outputs(model: onnx.ModelProto, kept: "NDArray[np.int64]", count: int) -> onnx.ModelProto:
    """Keep only the outputs `kept` of the last layer, which has `count`, in this order. Changes `model` in place and returns it."""
    for tensor in model.graph.initializer:
        if tensor.dims and tensor.dims[-1] == count:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(tensor)[..., kept]), tensor.name))
    del model.graph.value_info[:]
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_value = len(kept)
    return model


def without_decoding(model: onnx.ModelProto) -> onnx.ModelProto | None:
    """A copy of the graph that ends before boxes and scores are decoded; None if it is not a YOLOv8 export as ultralytics writes it.

    What is left out is all that depends on the shape of the input: the copy takes every multiple of the stride. Its outputs are, for each
    side of a box, the logits of its distance from the cell's centre (1 x 4*16 x cells, distances 0 to 15 strides; left, top, right,
    bottom), and the logits of the classes (1 x classes x cells).
    """
    raw = _before_decoding(model)
    if raw is None:
        return None
    return _cut(model, raw)


def up_to(model: onnx.ModelProto, tensors: "Sequence[str]") -> onnx.ModelProto:
    """A copy of the graph whose outputs are these inner tensors; it takes inputs of all shapes that its layers take.

    Raises WeightsError if the graph has no such tensor.
    """
    made = {output for node in model.graph.node for output in node.output}
    if missing := [name for name in tensors if name not in made]:
        raise WeightsError(f"The network has no layer {', '.join(missing)}")
    return _cut(model, tensors)


def grid(height: int, width: int) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    """Centres (1 x 2 x cells, in units of each cell's stride) and strides (1 x cells, in pixels) of all grid cells, float32."""
    centres, strides = [], []
    for stride in _STRIDES:
        y, x = np.meshgrid(np.arange(height // stride) + 0.5, np.arange(width // stride) + 0.5, indexing="ij")
        centres.append(np.stack([x.ravel(), y.ravel()]))
        strides.append(np.full(y.size, stride))
    return np.concatenate(centres, 1)[None].astype(np.float32), np.concatenate(strides)[None].astype(np.float32)


def _before_decoding(model: onnx.ModelProto) -> tuple[str, str] | None:
    """Names of the tensors with the logits of the distances and of the classes; None if the end of the graph is not the known one."""
    producers = _producers(model)
    last = producers.get(model.graph.output[0].name)
    scores = producers.get(last.input[-1]) if last is not None and last.op_type == "Concat" else None
    softmax = [node for node in model.graph.node if node.op_type == "Softmax"]
    if scores is None or scores.op_type != "Sigmoid" or len(softmax) != 1 or not _is_mean_of_distances(model, softmax[0].output[0]):
        return None
    if any(node.op_type == "Resize" and len(node.input) > _RESIZE_SCALES + 1 for node in model.graph.node):
        return None  # to a fixed size
    node: onnx.NodeProto | None = softmax[0]
    while node is not None and node.op_type in ("Softmax", "Transpose"):
        node = producers.get(node.input[0])
    return (node.input[0], scores.input[0]) if node is not None and node.op_type == "Reshape" else None


def _is_mean_of_distances(model: onnx.ModelProto, probabilities: str) -> bool:
    """Whether the probabilities go into the one convolution that weights them with the distances 0 to 15."""
    users = [node for node in model.graph.node if probabilities in node.input]
    if len(users) != 1 or users[0].op_type != "Conv":
        return False
    weights = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer if tensor.name == users[0].input[1]]
    return len(weights) == 1 and weights[0].ravel().tolist() == list(range(DISTANCES))


def _cut(model: onnx.ModelProto, outputs: "Sequence[str]") -> onnx.ModelProto:
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    needed = set(outputs)
    for node in reversed(model.graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
    _keep(copy.graph.node, [node for node in copy.graph.node if needed.intersection(node.output)])
    _keep(copy.graph.initializer, [tensor for tensor in copy.graph.initializer if tensor.name in needed])
    height, width = copy.graph.input[0].type.tensor_type.shape.dim[2:]
    height.dim_param, width.dim_param = "height", "width"
    del copy.graph.value_info[:], copy.graph.output[:]
    copy.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in outputs)
    return copy


def _producers(model: onnx.ModelProto) -> dict[str, onnx.NodeProto]:
    return {output: node for node in model.graph.node for output in node.output}


def _keep(field: Any, kept: "Sequence[Any]") -> None:
    """Make the repeated field of a message consist of these of its values."""
    values = [type(value).FromString(value.SerializeToString()) for value in kept]
    del field[:]
    field.extend(values)


def _adapt_to_shape(tensor: onnx.TensorProto, cells: int, centres: "NDArray[np.float32]", strides: "NDArray[np.float32]") -> bool:
    """Replace the tensor if it depends on the input shape, and return whether it does."""
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
    """Dimensions must be equal, except those that depend on the number of classes."""
    own = tuple(tensor.dims)
    if len(own) != new.ndim or any(a not in (b, classes_before) for a, b in zip(own, new.shape, strict=True)):
        raise WeightsError(f"{tensor.name} has shape {new.shape} in the checkpoint and {own} in the graph: it is another network")
