"""Exports a trained plate detector: an ONNX file with its convolutions in 8 bits."""

from collections.abc import Iterator
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx

from etle.files import write_atomic
from models.runtime import onnx_edit
from models.synthetic.scenes.compose import Composer
from models.training.detector_batches import batches
from models.training.detector_network import Tensors, interpolate
from models.training.quantize import quantize

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_SIDE = 256
"""Side of the calibration images; the file can still be given any other input shape."""
_IMAGES = 96
_SEED = 1_000_003
"""Do not use it for training."""
_OUTPUT_LAYERS = ("cv2.0.2", "cv2.1.2", "cv2.2.2", "cv3.0.2", "cv3.1.2", "cv3.2.2", "dfl")
"""Layers that output boxes and scores; they stay in floats, because quantization would be visible in the results."""


def export_detector(
    start: onnx.ModelProto, base: Tensors, tuned: "Mapping[str, NDArray[np.float32]]", interpolation: float
) -> onnx.ModelProto:
    """The graph of `start` with weights between `base` (interpolation 0) and `tuned` (1), in 8 bits."""
    model = onnx_edit.with_weights(start, interpolate(base, tuned, interpolation), list(onnx_edit.class_names(start).values()))
    return quantize_detector(model)


def quantize_detector(model: onnx.ModelProto) -> onnx.ModelProto:
    excluded = [
        node.name for node in model.graph.node if node.op_type == "Conv" and any(layer in node.input[1] for layer in _OUTPUT_LAYERS)
    ]
    return quantize(onnx_edit.with_input_shape(model, _SIDE, _SIDE), _inputs(), excluded=excluded)


def _inputs() -> "Iterator[NDArray[np.float32]]":
    """Calibration images, 1 x 3 x side x side, float32, RGB, 0 to 1."""
    for image in _calibration_images():
        yield image.astype(np.float32) / np.float32(255)


@cache
def _calibration_images() -> "tuple[NDArray[np.uint8], ...]":
    """1 x 3 x side x side, uint8, RGB. Rendering them takes longer than the quantization."""
    pictures = (batch.images for batch in batches(Composer(), _SEED, size=_SIDE, count=1, views=1, strides=0))
    return tuple(np.ascontiguousarray(images[..., ::-1].transpose(0, 3, 1, 2)) for images in islice(pictures, _IMAGES))


def write_model(model: onnx.ModelProto, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, model.SerializeToString())
