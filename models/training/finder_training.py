"""Lets the plate finder learn from composed pictures, gently: what it knows of real vehicles is what makes it good."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from models.synthetic.scenes.compose import Composer
from models.training.finder_batches import Batch, batches
from models.training.finder_network import Tensors, learned, network

_WARM_UP = 60
"""Batches over which the rate rises."""
_LAST = 0.05
"""Of the rate, at the end."""
_LONGEST_STEP = 10.0
"""Norm of the gradients above which they are cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRecipe:
    pictures: int = 10_000
    minutes: float = 55.0
    """Whichever of the two is reached first."""
    seed: int = 1
    size: int = 416
    batch: int = 16
    rate: float = 2.5e-4
    frozen: int = 10
    """Blocks from the input on that stay as they are: the backbone has ten."""
    memory: float = 0.995
    """Of the running average of the weights, a batch."""


@dataclass(frozen=True, slots=True)
class DetectorTrainingProgress:
    batch: int
    share: float
    """Of the training, 0 to 1."""
    losses: dict[str, float]
    weights: Callable[[], Tensors]
    """The running average up to here."""


def train(
    base: Tensors, composer: Composer, recipe: DetectorRecipe, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[DetectorTrainingProgress]:
    """One value after each batch. Raises MissingExtra, WeightsError."""
    torch.manual_seed(recipe.seed)
    model = network(base, 1, frozen=recipe.frozen)
    average = copy.deepcopy(model).eval()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(learning, lr=recipe.rate, weight_decay=1e-4)
    began, per_batch = clock(), max(1, recipe.batch // 2)
    total = max(1, recipe.pictures // per_batch)
    for number, batch in enumerate(batches(composer, recipe.seed, size=recipe.size, count=recipe.batch), start=1):
        share = min(1.0, max(number / total, (clock() - began) / 60 / recipe.minutes))
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * min(1.0, number / _WARM_UP) * _cosine(share)
        losses = _step(model, optimiser, learning, batch)
        _follow(average, model, min(recipe.memory, (1 + number) / (10 + number)))
        yield DetectorTrainingProgress(number, share, losses, lambda: learned(average))
        if share >= 1:
            return


def _step(model: Any, optimiser: Any, learning: list[Any], batch: Batch) -> dict[str, float]:
    images = torch.from_numpy(batch.images[..., ::-1].copy()).permute(0, 3, 1, 2).to(torch.float32) / 255
    owners = torch.from_numpy(batch.owners)
    told = {
        "img": images.contiguous(memory_format=torch.channels_last),
        "batch_idx": owners,
        "cls": torch.zeros(len(owners), 1),
        "bboxes": torch.from_numpy(batch.boxes),
    }
    optimiser.zero_grad(set_to_none=True)
    loss, parts = model(told)
    loss.sum().backward()
    torch.nn.utils.clip_grad_norm_(learning, _LONGEST_STEP)
    optimiser.step()
    return {name: float(value) for name, value in parts.items()}


def _follow(average: Any, model: Any, memory: float) -> None:
    with torch.no_grad():
        for old, new in zip(average.parameters(), model.parameters(), strict=True):
            if new.requires_grad:
                old.mul_(memory).add_(new, alpha=1 - memory)


def _cosine(share: float) -> float:
    return _LAST + (1 - _LAST) * (1 + math.cos(math.pi * share)) / 2
