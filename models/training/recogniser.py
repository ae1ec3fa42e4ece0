"""PP-OCR's recogniser made ready for plates: the general one knows 18,708 characters, a plate has 36.

Its graph is simplified once (normalisations and biases into the convolutions), and of its last layer only the columns for blank and
the plate characters stay: 3.0 million of 5.3 million weights, and the same answers for these characters.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

from etle.errors import WeightsError
from etle.plates.automaton import DIGITS, LETTERS

CHARACTERS = DIGITS + LETTERS
"""Outputs after blank, in this order; the hyphen of service plates is too rare to learn and too small to see."""


def plate_recogniser(weights: Path) -> onnx.ModelProto:
    """The graph with one output column for blank and one for each of CHARACTERS: scores, before softmax.

    Raises WeightsError if the file does not say which characters it reads, or lacks one.
    """
    model = _simplified(weights)
    known = {entry.key: entry.value for entry in model.metadata_props}.get("character")
    if known is None:
        raise WeightsError(f"{weights} does not say which characters it reads: its metadata has no key `character`")
    names = ["", *known.splitlines(), " "][: model.graph.output[0].type.tensor_type.shape.dim[2].dim_value]
    missing = [character for character in CHARACTERS if character not in names]
    if missing:
        raise WeightsError(f"{weights} does not read {' '.join(missing)}")
    columns = np.array([0] + [names.index(character) for character in CHARACTERS])
    _keep_columns(model.graph, len(names), columns)
    _end_before_softmax(model.graph, len(columns))
    return with_characters(model)


def with_characters(model: onnx.ModelProto) -> onnx.ModelProto:
    """Says in the metadata what the outputs stand for, as PP-OCR does."""
    del model.metadata_props[:]
    entry = model.metadata_props.add()
    entry.key, entry.value = "character", "\n".join(CHARACTERS)
    return model


def _simplified(weights: Path) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    with TemporaryDirectory() as folder:
        options.optimized_model_filepath = str(Path(folder) / "simplified.onnx")
        onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
        return onnx.load(options.optimized_model_filepath)


def _keep_columns(graph: onnx.GraphProto, characters: int, columns: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> None:
    for tensor in graph.initializer:
        if tensor.dims and tensor.dims[-1] == characters:
            kept = np.ascontiguousarray(numpy_helper.to_array(tensor)[..., columns])
            tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))


def _end_before_softmax(graph: onnx.GraphProto, columns: int) -> None:
    """Training wants scores; `end_in_softmax` gives the reader its probabilities back."""
    last = graph.node[-1]
    if last.op_type != "Softmax":
        raise WeightsError(f"The recogniser ends in {last.op_type}, not in Softmax: it is not one of PP-OCR's")
    scores = last.input[0]
    graph.node.remove(last)
    del graph.value_info[:]
    graph.output[0].name = scores
    graph.output[0].type.tensor_type.shape.dim[2].dim_value = columns


def end_in_softmax(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose output is probabilities."""
    ended = onnx.ModelProto()
    ended.CopyFrom(model)
    ended.graph.node.append(onnx.helper.make_node("Softmax", [ended.graph.output[0].name], ["probabilities"], axis=2))
    ended.graph.output[0].name = "probabilities"
    return ended
