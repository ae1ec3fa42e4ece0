"""What the finder learned, as the ONNX file that the product runs: its convolutions in 8 bits, the same output."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from models.runtime import onnx_edit
from models.synthetic.scenes.compose import Composer
from models.training.finder_batches import batches
from models.training.finder_network import Tensors, interpolated
from models.training.quantize import in_8_bits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_SIDE = 256
"""Of the pictures that the ranges are measured on; the file can be given any other input."""
_PICTURES = 96
_SEED = 1_000_003
"""No training's."""
_LAST = ("cv2.0.2", "cv2.1.2", "cv2.2.2", "cv3.0.2", "cv3.1.2", "cv3.2.2", "dfl")
"""The layers that say where a box is and how sure: their steps would be seen."""


def exported(start: onnx.ModelProto, base: Tensors, tuned: "Mapping[str, NDArray[np.float32]]", share: float) -> onnx.ModelProto:
    """The start's graph with weights between `base` (share 0) and `tuned` (share 1), in 8 bits."""
    whole = onnx_edit.with_weights(start, interpolated(base, tuned, share), list(onnx_edit.class_names(start).values()))
    return finder_in_8_bits(whole)


def finder_in_8_bits(model: onnx.ModelProto) -> onnx.ModelProto:
    last = [node.name for node in model.graph.node if node.op_type == "Conv" and any(layer in node.input[1] for layer in _LAST)]
    return in_8_bits(onnx_edit.with_input_shape(model, _SIDE, _SIDE), islice(_inputs(), _PICTURES), left=last)


def _inputs() -> "Iterator[NDArray[np.float32]]":
    """One picture each, drawn for this."""
    for batch in batches(Composer(), _SEED, size=_SIDE, count=1, looks=1):
        if batch.images.shape[1] == _SIDE:
            yield np.ascontiguousarray(batch.images[..., ::-1].transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(path.suffix + ".tmp")
    unfinished.write_bytes(model.SerializeToString())
    unfinished.replace(path)
