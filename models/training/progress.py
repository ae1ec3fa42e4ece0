"""State of a reader's training, complete enough to resume after an interruption with the same result."""

import pickle
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from etle.errors import WeightsError
from etle.files import atomic_path
from models.training.averaging import average_of

_EMA_DECAY = 0.998
"""The average covers about the last 500 steps."""
_WEIGHT_DECAY = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressPoint:
    """One row of the learning curve."""

    minutes: float
    samples: int
    rate: float
    loss: float
    """Mean since the previous row, in nats per character."""
    averaged: dict[str, float]
    """Fraction of lines read exactly with the averaged weights, by validation set."""
    last: dict[str, float]
    """The same with the current weights."""


@dataclass(slots=True, kw_only=True)
class TrainingProgress:
    weights: nn.Parameter
    """All weights in one vector, in the memory that the training processes share."""
    averaged: AveragedModel
    optimizer: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0
    curve: tuple[ProgressPoint, ...] = ()

    @classmethod
    def begin(cls, weights: torch.Tensor) -> "TrainingProgress":
        """`weights` is not copied; the training changes it in place."""
        parameter = nn.Parameter(weights)
        averaged = average_of(nn.ParameterList([parameter]), _EMA_DECAY)
        return cls(weights=parameter, averaged=averaged, optimizer=torch.optim.AdamW([parameter], weight_decay=_WEIGHT_DECAY))

    @property
    def average(self) -> torch.Tensor:
        average: torch.Tensor = next(self.averaged.module.parameters()).detach()
        return average

    def update_average(self) -> None:
        self.averaged.update_parameters(nn.ParameterList([self.weights]))

    def save(self, path: Path) -> None:
        state = {
            "weights": self.weights.detach().clone(),
            "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "curve": [asdict(point) for point in self.curve],
        }
        with atomic_path(path) as temp:
            torch.save(state, temp)

    def load(self, path: Path) -> None:
        """In place, because other processes use the same weights. Raises WeightsError."""
        try:
            saved = torch.load(path, weights_only=True)
            weights, averaged, optimizer = saved["weights"], saved["averaged"], saved["optimizer"]
            step, seconds, curve = saved["step"], saved["seconds"], tuple(ProgressPoint(**row) for row in saved["curve"])
        except (OSError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError) as error:
            raise WeightsError(f"{path} is not a checkpoint of this training: {error}") from error
        if weights.shape != self.weights.shape:
            raise WeightsError(f"{path} is of another network: {weights.numel()} weights, not {self.weights.numel()}")
        self.weights.data.copy_(weights)
        self.averaged.load_state_dict(averaged)
        self.optimizer.load_state_dict(optimizer)
        self.step, self.seconds, self.curve = step, seconds, curve
