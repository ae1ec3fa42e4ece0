"""Fine-tunes the plate detector on synthetic scenes. The backbone stays frozen, because it was trained on photos of real vehicles."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from models.synthetic.scenes.compose import Composer
from models.training.averaging import average_of
from models.training.detector_batches import Batch, batches
from models.training.detector_network import Tensors, build_network, weights_of

_WARM_UP_BATCHES = 30
_FINAL_RATE = 0.05
"""Learning rate at the end, relative to the peak."""
_MAX_GRADIENT_NORM = 10.0
_WEIGHT_DECAY = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorRecipe:
    images: int = 10_000
    minutes: float = 55.0
    """The training ends at `images` or at `minutes`, whichever comes first."""
    seed: int = 1
    size: int = 416
    batch: int = 16
    rate: float = 2.5e-4
    frozen: int = 10
    """Number of blocks from the input on that are not trained; the backbone has ten."""
    ema_decay: float = 0.995
    """Decay of the average of the weights per batch."""


@dataclass(frozen=True, slots=True)
class DetectorTrainingProgress:
    batch: int
    fraction_done: float
    losses: dict[str, float]
    weights: Callable[[], Tensors]
    """The averaged weights up to this batch."""


def train_detector(
    base: Tensors, composer: Composer, recipe: DetectorRecipe, *, clock: Callable[[], float] = time.monotonic
) -> Iterator[DetectorTrainingProgress]:
    """Yields after each batch. Raises MissingExtra, WeightsError."""
    torch.manual_seed(recipe.seed)
    model = build_network(base, 1, frozen=recipe.frozen)
    averaged = average_of(model, recipe.ema_decay)
    averaged.eval()
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=recipe.rate, weight_decay=_WEIGHT_DECAY)
    started_at, new_images = clock(), max(1, recipe.batch // 2)
    total = max(1, recipe.images // new_images)
    for number, batch in enumerate(batches(composer, recipe.seed, size=recipe.size, count=recipe.batch), start=1):
        done = min(1.0, max(number / total, (clock() - started_at) / 60 / recipe.minutes))
        for group in optimizer.param_groups:
            group["lr"] = recipe.rate * min(1.0, number / _WARM_UP_BATCHES) * _cosine(done)
        losses = _step(model, optimizer, trainable, batch)
        averaged.update_parameters(model)
        yield DetectorTrainingProgress(number, done, losses, lambda: weights_of(averaged.module))
        if done >= 1:
            return


def _step(model: Any, optimizer: torch.optim.AdamW, trainable: list[Any], batch: Batch) -> dict[str, float]:
    images = torch.from_numpy(batch.images[..., ::-1].copy()).permute(0, 3, 1, 2).to(torch.float32) / 255
    image_indices = torch.from_numpy(batch.image_indices)
    targets = {
        "img": images.contiguous(memory_format=torch.channels_last),
        "batch_idx": image_indices,
        "cls": torch.zeros(len(image_indices), 1),
        "bboxes": torch.from_numpy(batch.boxes),
    }
    optimizer.zero_grad(set_to_none=True)
    loss, parts = model(targets)
    loss.sum().backward()
    torch.nn.utils.clip_grad_norm_(trainable, _MAX_GRADIENT_NORM)
    optimizer.step()
    return {name: float(value) for name, value in parts.items()}


def _cosine(fraction_done: float) -> float:
    return _FINAL_RATE + (1 - _FINAL_RATE) * (1 + math.cos(math.pi * fraction_done)) / 2
