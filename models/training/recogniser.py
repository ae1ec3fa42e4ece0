"""Prepares PP-OCR's recogniser for training on plates: it has 18,708 characters, plates use 36.

The graph is simplified (normalisations and biases are fused into the convolutions), and its last layer is reduced to the columns for blank
and the plate characters: 3.0 of 5.3 million weights remain, with the same scores for these characters.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from etle.errors import WeightsError
from etle.plates.fsm import DIGITS, LETTERS
from models.runtime import onnx_edit
from models.training.quantize import dequantize

_OPSET = 13
"""The first version in which quantization can have one scale per output channel."""

CHARACTERS = DIGITS + LETTERS
"""Outputs after blank, in this order. The hyphen of service plates is too rare for training and too small to recognise."""


def plate_recogniser(weights: Path) -> onnx.ModelProto:
    """The graph with one output for blank and one for each of CHARACTERS: scores before softmax.

    Raises WeightsError if the file is missing, is not ONNX, does not list its characters, or lacks one.
    """
    model = _simplified(weights)
    known = {entry.key: entry.value for entry in model.metadata_props}.get("character")
    if known is None:
        raise WeightsError(f"{weights} does not list its characters: its metadata have no key `character`")
    names = ["", *known.splitlines(), " "][: model.graph.output[0].type.tensor_type.shape.dim[2].dim_value]
    missing = [character for character in CHARACTERS if character not in names]
    if missing:
        raise WeightsError(f"{weights} has no output for {' '.join(missing)}")
    columns = np.array([0] + [names.index(character) for character in CHARACTERS])
    _keep_columns(model.graph, len(names), columns)
    _drop_stale_shapes(model.graph, len(names))
    _end_before_softmax(model.graph, len(columns))
    return with_characters(model)


def with_characters(model: onnx.ModelProto) -> onnx.ModelProto:
    """List the output characters in the metadata (in place), as PP-OCR does."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = "character", "\n".join(CHARACTERS)
    return model


def _simplified(weights: Path) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    model = dequantize(_read(weights))
    if model.opset_import[0].version < _OPSET:
        model = onnx.version_converter.convert_version(model, _OPSET)
    with TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "simplified.onnx")
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        simple = onnx.load(options.optimized_model_filepath)
    _fuse_gelu(simple.graph)
    _name_nodes(simple.graph)
    return simple


def _read(weights: Path) -> onnx.ModelProto:
    try:
        return onnx_edit.read_graph(weights)
    except FileNotFoundError as error:
        raise WeightsError(f"The initial weights {weights} are missing") from error


def _fuse_gelu(graph: onnx.GraphProto) -> None:
    """Replace x * (1 + erf(x / sqrt 2)) * 0.5 by one node: the same values with a fifth of the memory traffic.

    onnxruntime does not fuse it itself once quantization nodes are inserted.
    """
    after = {name: node for node in graph.node for name in node.input}
    fused: list[onnx.NodeProto] = []
    dropped: set[str] = set()
    for node in graph.node:
        erf = after.get(node.output[0]) if node.op_type == "Div" else None
        if erf is not None and erf.op_type == "Erf":
            one_more = after[erf.output[0]]
            times_x = after[one_more.output[0]]
            half = after[times_x.output[0]]
            dropped |= {part.output[0] for part in (erf, one_more, times_x, half)}
            fused.append(onnx.helper.make_node("Gelu", [node.input[0]], [half.output[0]], domain="com.microsoft"))
        elif node.output[0] not in dropped:
            fused.append(node)
    used = {name for node in fused for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(fused)
    graph.initializer.extend(kept)


def _name_nodes(graph: onnx.GraphProto) -> None:
    for number, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}.{number}"


def _keep_columns(graph: onnx.GraphProto, characters: int, columns: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> None:
    for tensor in graph.initializer:
        if tensor.dims and tensor.dims[-1] == characters:
            kept = np.ascontiguousarray(numpy_helper.to_array(tensor)[..., columns])
            tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))


def _drop_stale_shapes(graph: onnx.GraphProto, characters: int) -> None:
    """Drop the shapes of values with one column per character. The others are needed: ONNX itself cannot infer the shape after a Gelu."""
    known = [info for info in graph.value_info if [size.dim_value for size in info.type.tensor_type.shape.dim][-1:] != [characters]]
    del graph.value_info[:]
    graph.value_info.extend(known)


def _end_before_softmax(graph: onnx.GraphProto, columns: int) -> None:
    """Training needs scores; `end_in_softmax` restores the probabilities for the reader."""
    last = graph.node[-1]
    if last.op_type != "Softmax":
        raise WeightsError(f"The recogniser ends in {last.op_type}, not in Softmax: it is not a PP-OCR recogniser")
    scores = last.input[0]
    graph.node.remove(last)
    graph.output[0].name = scores
    graph.output[0].type.tensor_type.shape.dim[2].dim_value = columns


def end_in_softmax(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the graph that outputs probabilities."""
    ended = onnx.ModelProto()
    ended.CopyFrom(model)
    ended.graph.node.append(onnx.helper.make_node("Softmax", [ended.graph.output[0].name], ["probabilities"], axis=2))
    ended.graph.output[0].name = "probabilities"
    return ended
