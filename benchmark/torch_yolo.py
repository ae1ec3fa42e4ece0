"""The YOLOv8n weights of an ONNX file in an ultralytics torch model, as the author of a script would load them from a .pt."""

import ast
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any


def torch_yolo(file: Path) -> Any:
    """An `ultralytics.YOLO` with torch inside. Raises ValueError if the file is not a fused YOLOv8n."""
    import onnx
    import torch
    from onnx import numpy_helper
    from ultralytics import YOLO
    from ultralytics.nn.tasks import DetectionModel

    graph = onnx.load(str(file))
    told = {entry.key: entry.value for entry in graph.metadata_props}
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    names = ast.literal_eval(told["names"])
    net = DetectionModel("yolov8n.yaml", nc=len(names), verbose=False).eval().fuse(verbose=False)
    state = net.state_dict()
    absent = [name for name in state if name not in tensors and name != "model.22.dfl.conv.weight"]
    if absent:
        raise ValueError(f"{file} is not a fused YOLOv8n: it has no {absent[0]}")
    net.load_state_dict({name: torch.from_numpy(tensors[name].copy()) if name in tensors else own for name, own in state.items()})
    net.names = names
    with TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "model.pt"
        torch.save({"model": net, "train_args": {"task": "detect", "imgsz": 640}}, checkpoint)
        return YOLO(str(checkpoint))
