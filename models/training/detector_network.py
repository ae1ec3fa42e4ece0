"""The plate detector for training: ultralytics' YOLOv8n with the weights of an ONNX file and fused batch norms.

No checkpoint is unpickled: the weights are read from the ONNX file and written back under the same names. Fused batch norms have no
running statistics, which synthetic images would shift.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from etle.errors import MissingExtra, WeightsError
from models.runtime import onnx_edit
from models.training.quantize import dequantize

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

Tensors = dict[str, "NDArray[np.float32]"]
_ARCHITECTURE = "yolov8n.yaml"
_FIXED = ("model.22.dfl.conv.weight",)
"""The constant ramp that converts a distribution into a distance; not trained."""


def tensors_of(model: "onnx.ModelProto") -> Tensors:
    """Weights of the graph by their names in ultralytics."""
    from onnx import numpy_helper

    return {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
        if tensor.name.startswith("model.")
    }


def interpolate(base: "Mapping[str, NDArray[np.float32]]", tuned: "Mapping[str, NDArray[np.float32]]", interpolation: float) -> Tensors:
    """Weights between the base (0) and the tuned network (1)."""
    return {name: ((1 - interpolation) * base[name] + interpolation * tuned[name]).astype(np.float32) for name in base}


def build_network(tensors: "Mapping[str, NDArray[np.float32]]", classes: int, *, frozen: int) -> Any:
    """A torch module whose first `frozen` blocks are not trained. Raises MissingExtra, WeightsError."""
    try:
        import torch
        from ultralytics.cfg import get_cfg
        from ultralytics.nn.tasks import DetectionModel
    except ImportError as error:
        raise MissingExtra("ultralytics", "torch") from error
    model = DetectionModel(_ARCHITECTURE, nc=classes, verbose=False).fuse(verbose=False)
    try:
        model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
    except RuntimeError as error:
        raise WeightsError(f"These weights are not those of a YOLOv8n: {error}") from error
    model.args = get_cfg()
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name not in _FIXED and int(name.split(".")[1]) >= frozen)
    return model.to(memory_format=torch.channels_last).train()


def weights_of(model: Any) -> Tensors:
    return {name: value.detach().cpu().contiguous().numpy() for name, value in model.state_dict().items()}


def read_start(path: "Path") -> "onnx.ModelProto":
    """The ONNX file to start from, with float weights. Raises WeightsError."""
    try:
        return dequantize(onnx_edit.read_graph(path))
    except FileNotFoundError as error:
        raise WeightsError(f"The initial weights {path} are missing. Download them with: etle models pull plates") from error
