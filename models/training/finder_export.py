"""What the finder learned, as the ONNX file that the product runs: packed, the same input and output."""

from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from models import surgery
from models.training.finder_network import Tensors, interpolated
from models.training.finder_packing import packed

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray


def exported(start: onnx.ModelProto, base: Tensors, tuned: "Mapping[str, NDArray[np.float32]]", share: float) -> onnx.ModelProto:
    """The start's graph with weights between `base` (share 0) and `tuned` (share 1), packed."""
    return packed(surgery.grafted(start, interpolated(base, tuned, share), list(surgery.class_names(start).values())))


def write_model(model: onnx.ModelProto, path: Path) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(path.suffix + ".tmp")
    unfinished.write_bytes(model.SerializeToString())
    unfinished.replace(path)
