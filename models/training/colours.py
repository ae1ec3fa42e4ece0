"""Trains the plate colour classifier: a network with one hidden layer, on rendered plates.

30,000 plates take about three minutes, nearly all of it for rendering them; a CPU is enough.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from models.plates.readers.colour import COLOURS, FEATURES, HIDDEN, ColourNetwork, features
from models.synthetic.plates import capture_plate, render_plate
from models.training.result import TrainingResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOLD_OUT = 10
"""One in ten plates is held out for validation."""
_EPOCHS, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 40, 64, 1e-3, 1e-4


def train_colours(samples: int, seed: int, report: Callable[[str], None]) -> TrainingResult:
    """`TrainingResult.validation`: fraction of the held-out plates that get their colour."""
    x, y = _rendered(samples, np.random.default_rng(seed), report)
    held_out = np.arange(samples) % _HOLD_OUT == 0
    network = _fit(x[~held_out], y[~held_out], seed)
    correct = float((network.probabilities(x[held_out]).argmax(axis=1) == y[held_out]).mean())
    return TrainingResult(weights=network.to_bytes(), validation=correct)


def _rendered(samples: int, rng: np.random.Generator, report: Callable[[str], None]) -> "tuple[NDArray[np.float32], NDArray[np.int64]]":
    """Features (n x FEATURES) and the indices of their colours in COLOURS (n)."""
    x, y = np.empty((samples, FEATURES), np.float32), np.empty(samples, np.int64)
    for i in range(samples):
        plate = capture_plate(render_plate(rng), rng)
        x[i], y[i] = features(plate.image), COLOURS.index(plate.colour)
        if (i + 1) % 5000 == 0:
            report(f"{i + 1} plates rendered")
    return x, y


def _fit(x: "NDArray[np.float32]", y: "NDArray[np.int64]", seed: int) -> ColourNetwork:
    """Adam on cross-entropy; the learning rate follows a cosine down to 0."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)  # the matrices are small: more threads wait for each other
    first, second = _layer(FEATURES, HIDDEN), _layer(HIDDEN, len(COLOURS))
    model = nn.Sequential(first, nn.ReLU(), second)
    weights, biases = [first.weight, second.weight], [first.bias, second.bias]
    groups = [{"params": weights, "weight_decay": _WEIGHT_DECAY}, {"params": biases}]
    optimizer = torch.optim.Adam(groups, lr=_LEARNING_RATE)
    steps = _EPOCHS * (len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        batch = rng.integers(0, len(x), _BATCH)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(torch.from_numpy(x[batch])), torch.from_numpy(y[batch])).backward()
        optimizer.step()
        schedule.step()
    parameters = (first.weight.T, first.bias, second.weight.T, second.bias)
    return ColourNetwork(*(parameter.detach().numpy().copy() for parameter in parameters))


def _layer(inputs: int, outputs: int) -> nn.Linear:
    """He initialisation (He et al. 2015), biases 0."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, 0.0, (2 / inputs) ** 0.5)
    nn.init.zeros_(layer.bias)
    return layer
