"""What a training knows about itself: enough to go on after a power cut with the same result."""

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from etle.errors import WeightsError


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressPoint:
    """One row of the curve."""

    minutes: float
    samples: int
    rate: float
    loss: float
    """Mean since the row before, nats per character."""
    averaged: dict[str, float]
    """Share of lines read exactly, by the name of the set, with the averaged weights."""
    last: dict[str, float]
    """The same with the weights of that moment."""


@dataclass(slots=True, kw_only=True)
class TrainingProgress:
    weights: torch.Tensor
    average: torch.Tensor
    mean: torch.Tensor
    """AdamW's running mean of the gradient, and below of its square."""
    square: torch.Tensor
    step: int = 0
    seconds: float = 0.0
    curve: tuple[ProgressPoint, ...] = ()

    @classmethod
    def begin(cls, weights: torch.Tensor) -> "TrainingProgress":
        return cls(weights=weights, average=weights.clone(), mean=torch.zeros_like(weights), square=torch.zeros_like(weights))

    def save(self, path: Path) -> None:
        """Whole or not at all."""
        tensors = {name: getattr(self, name) for name in _TENSORS}
        numbers = {"step": self.step, "seconds": self.seconds, "curve": [asdict(point) for point in self.curve]}
        part = path.with_name(path.name + ".part")
        torch.save({"tensors": {name: tensor.clone() for name, tensor in tensors.items()}, **numbers}, part)
        part.replace(path)

    def load(self, path: Path) -> None:
        """In place, as other processes look at the same weights. Raises WeightsError."""
        try:
            saved = torch.load(path, weights_only=True)
            tensors, numbers = saved["tensors"], (saved["step"], saved["seconds"], saved["curve"])
        except (OSError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
            raise WeightsError(f"{path} is no checkpoint of this training: {error}") from error
        for name in _TENSORS:
            if tensors[name].shape != self.weights.shape:
                raise WeightsError(f"{path} is of another network: {tensors[name].numel()} weights, not {self.weights.numel()}")
            getattr(self, name).copy_(tensors[name])
        self.step, self.seconds = numbers[:2]
        self.curve = tuple(ProgressPoint(**row) for row in numbers[2])


_TENSORS = ("weights", "average", "mean", "square")
