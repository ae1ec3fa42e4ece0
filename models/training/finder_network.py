"""The plate finder as a network that learns: ultralytics' YOLOv8n with the weights of an ONNX file, batch norms folded.

No checkpoint is unpickled, for none is read: the weights come from the ONNX file and go back into it by the same names. Folded batch
norms have no running statistics, which pictures of ours would bend.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from etle.errors import MissingExtra, WeightsError
from models.runtime import onnx_edit
from models.training.quantize import in_floats

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

Tensors = dict[str, "NDArray[np.float32]"]
_ARCHITECTURE = "yolov8n.yaml"
_FIXED = ("model.22.dfl.conv.weight",)
"""The ramp that turns a distribution into a distance; no weight."""


def tensors_of(model: "onnx.ModelProto") -> Tensors:
    """The weights, by the names that ultralytics gives them."""
    from onnx import numpy_helper

    return {
        tensor.name: numpy_helper.to_array(tensor).astype(np.float32)
        for tensor in model.graph.initializer
        if tensor.name.startswith("model.")
    }


def interpolated(base: "Mapping[str, NDArray[np.float32]]", tuned: "Mapping[str, NDArray[np.float32]]", share: float) -> Tensors:
    """`share` of what was learned: 0 is the base, 1 the tuned network."""
    return {name: ((1 - share) * base[name] + share * tuned[name]).astype(np.float32) for name in base}


def network(tensors: "Mapping[str, NDArray[np.float32]]", classes: int, *, frozen: int) -> Any:
    """A torch module whose first `frozen` blocks do not learn. Raises MissingExtra, WeightsError."""
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


def learned(model: Any) -> Tensors:
    return {name: value.detach().cpu().contiguous().numpy() for name, value in model.state_dict().items()}


def read_start(path: "Path") -> "onnx.ModelProto":
    """An ONNX file to start from. Raises WeightsError that says how to get one."""
    try:
        return in_floats(onnx_edit.read_graph(path))
    except FileNotFoundError as error:
        raise WeightsError(f"The weights to start from, {path}, are not there. Bring them with: etle models pull plates") from error
