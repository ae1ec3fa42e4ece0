"""Trains, measures and exports a vehicle detector with ultralytics, on a YOLO data set that `etle dataset export` wrote.

Ultralytics by default checks for updates, reports usage, downloads fonts and installs packages: all of it is disabled before the import.
"""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from etle.errors import ConfigError, MissingExtra, WeightsError
from etle.files import write_atomic
from models.training.detector_network import Tensors, read_start, tensors_of
from models.vehicles.ultralytics_detector import OFFLINE_ENVIRONMENT
from models.weights.download import convert_checkpoint
from models.weights.locate import weight

_ARCHITECTURE = "yolov8n.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleRecipe:
    """How long and on what the detector is trained. `input_side_px`: a multiple of 32."""

    epochs: int
    batch: int
    input_side_px: int
    seed: int
    threads: int

    def check(self) -> None:
        """Raises ConfigError."""
        for option, value, least, most in (
            ("--epochs", self.epochs, 1, 10_000),
            ("--batch", self.batch, 1, 512),
            ("--threads", self.threads, 1, 64),
        ):
            if not least <= value <= most:
                raise ConfigError(f"{option} is {value}: give {least} to {most}")
        if self.input_side_px % 32 or not 32 <= self.input_side_px <= 1920:
            raise ConfigError(f"--size is {self.input_side_px}: give a multiple of 32 from 32 to 1920")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorFigures:
    """How well a detector finds the boxes of a data set's validation split. `map50`: mean average precision at IoU .5."""

    map50: float
    map50_95: float
    precision: float
    recall: float
    classes: Mapping[str, float]
    """Average precision at IoU .5 to .95 of each class that the split shows."""


def train_vehicles(data: Path, start: Path, recipe: VehicleRecipe, out: Path) -> None:
    """Writes the checkpoint (`.pt`) of the epoch that is best on the validation split.

    `data`: the folder of the data set or its `data.yaml`. `start`: a checkpoint (.pt), or the ONNX file of a YOLOv8n, whose classification
    is trained anew where the data set has other classes. Raises ConfigError, WeightsError, MissingExtra.
    """
    recipe.check()
    description = description_of(data)
    ultralytics = _ultralytics()
    import torch

    torch.set_num_threads(recipe.threads)
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = start if start.suffix == ".pt" else _checkpoint_from_onnx(start, Path(folder) / "start.pt")
        try:
            model = ultralytics.YOLO(checkpoint, task="detect")
            model.train(
                data=str(description),
                epochs=recipe.epochs,
                batch=recipe.batch,
                imgsz=recipe.input_side_px,
                seed=recipe.seed,
                device="cpu",
                workers=0,
                plots=False,
                verbose=False,
                project=folder,
                name="run",
            )
            best = Path(folder) / "run" / "weights" / "best.pt"
            write_atomic(out, best.read_bytes())
        except (OSError, RuntimeError, ValueError, SyntaxError) as error:
            raise WeightsError(f"Training on {description} failed: {error}") from error


def validate_detector(weights: Path, data: Path, input_side_px: int = 640) -> DetectorFigures:
    """Of a checkpoint or an ONNX file, on the validation split. Raises ConfigError, WeightsError, MissingExtra."""
    description = description_of(data)
    if not weights.is_file():
        raise WeightsError(f"Weights {weights} are missing")
    ultralytics = _ultralytics()
    with tempfile.TemporaryDirectory() as folder:
        try:
            result = ultralytics.YOLO(weights, task="detect").val(
                data=str(description), imgsz=input_side_px, device="cpu", workers=0, plots=False, verbose=False, project=folder
            )
        except Exception as error:  # an unknown file can raise many types
            raise WeightsError(f"{weights} cannot be measured on {description}: {error}") from error
    box = result.box
    return DetectorFigures(
        map50=float(box.map50),
        map50_95=float(box.map),
        precision=float(box.mp),
        recall=float(box.mr),
        classes={result.names[int(number)]: float(box.maps[int(number)]) for number in box.ap_class_index},
    )


def export_vehicles(checkpoint: Path, out: Path) -> None:
    """Writes the ONNX file of a YOLOv8n checkpoint for `detect.weights` of a site file: its tensors in the graph of the weights `vehicles`.

    Checkpoints of other networks run as they are, with `engine: ultralytics`. Raises WeightsError, WeightsMissing, MissingExtra.
    """
    if not checkpoint.is_file():
        raise WeightsError(f"Weights {checkpoint} are missing")
    ultralytics = _ultralytics()
    try:
        names = ultralytics.YOLO(checkpoint, task="detect").names
    except Exception as error:  # an unknown file can raise many types
        raise WeightsError(f"{checkpoint} is not a checkpoint of ultralytics: {error}") from error
    write_atomic(out, convert_checkpoint(weight("vehicles"), checkpoint.read_bytes(), [names[number] for number in sorted(names)]))


def description_of(data: Path) -> Path:
    """The `data.yaml` of a YOLO data set. Raises ConfigError."""
    description = data / "data.yaml" if data.is_dir() else data
    if not description.is_file():
        raise ConfigError(f"{data} has no data.yaml: make one with etle dataset export DIR --content vehicles --format yolo")
    if not any((description.parent / "images" / "val").glob("*")):
        raise ConfigError(f"{description.parent} has no picture for validation: export more cases, or a larger --validation-share")
    return description.resolve()


def _ultralytics() -> Any:
    for key, value in OFFLINE_ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    try:
        import ultralytics
    except ImportError as error:
        raise MissingExtra("ultralytics", "torch") from error
    ultralytics.settings.update({"sync": False, "datasets_dir": tempfile.gettempdir()})
    return ultralytics


def _checkpoint_from_onnx(path: Path, target: Path) -> Path:
    """A checkpoint of the network in an ONNX file, whose batch norms are folded into the convolutions: they become the identity."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    tensors = tensors_of(read_start(path))
    classes = tensors["model.22.cv3.0.2.bias"].shape[0] if "model.22.cv3.0.2.bias" in tensors else 0
    if not classes:
        raise WeightsError(f"{path} is not a YOLOv8n: it has no classification layer")
    model = DetectionModel(_ARCHITECTURE, nc=classes, verbose=False)
    try:
        model.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in _with_batch_norms(tensors, model).items()})
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"{path} is not a YOLOv8n: {error}") from error
    torch.save({"model": model, "train_args": {}, "epoch": -1}, target)
    return target


def _with_batch_norms(tensors: Tensors, model: Any) -> Tensors:
    """All weights of the network that ultralytics trains, where each batch norm passes on what the folded convolution gives."""
    eps = {name: module.eps for name, module in model.named_modules() if hasattr(module, "running_mean")}
    state = {}
    for name, value in model.state_dict().items():
        norm, _, part = name.rpartition(".")
        if norm not in eps:
            state[name] = tensors[name]
            continue
        bias = tensors[norm.removesuffix("bn") + "conv.bias"]
        state[name] = {
            "weight": np.full_like(bias, np.sqrt(1 + eps[norm])),
            "bias": bias,
            "running_mean": np.zeros_like(bias),
            "running_var": np.ones_like(bias),
        }.get(part, value.numpy())
    return state
