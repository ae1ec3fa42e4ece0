"""Loads the YOLOv8n weights of an ONNX file into an ultralytics torch model, as scripts use it with a .pt file."""

import ast
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def torch_yolo(file: Path) -> Any:
    """An `ultralytics.YOLO` that runs in torch. Raises ValueError if the file is not a fused YOLOv8n."""
    import onnx
    import torch
    from onnx import numpy_helper
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    graph = onnx.load(str(file))
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    names = ast.literal_eval(metadata["names"])
    net = DetectionModel("yolov8n.yaml", nc=len(names), verbose=False).eval().fuse(verbose=False)
    state = net.state_dict()
    missing = [name for name in state if name not in tensors and name != "model.22.dfl.conv.weight"]
    if missing:
        raise ValueError(f"{file} is not a fused YOLOv8n: it has no {missing[0]}")
    net.load_state_dict({name: torch.from_numpy(tensors[name].copy()) if name in tensors else own for name, own in state.items()})
    net.names = names
    with TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model.pt"
        torch.save({"model": net, "train_args": {"task": "detect", "imgsz": 640}}, checkpoint)
        return YOLO(str(checkpoint))
