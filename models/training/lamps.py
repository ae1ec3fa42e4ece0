"""Trains the lamp network: the state of a signal head and the box of its housing, on rendered heads.

A small convolutional network on the window around the drawn box; AdamW on cross-entropy and the distance of the box's sides.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from etle.types import Box
from models.signals.window import PLANES, WINDOW, cut_window, network_input, window_box
from models.synthetic.signals import SignalSample, draw_sample
from models.synthetic.signals.values import SignalState
from models.training.averaging import average_of
from models.training.convolutional import exported
from models.training.rendering import render_chunks
from models.training.result import TrainingResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOLD_OUT = 20
"""One in twenty heads is held out for validation."""
_EPOCHS, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 12, 256, 3e-3, 2e-2
_WARM_UP_STEPS = 200
_EMA_DECAY = 0.998
_SMOOTHING = 0.02
_BOX_WEIGHT = 20.0
"""Weight of the mean error of a side, as a fraction of the window, relative to the cross-entropy."""
_STATES = tuple(SignalState)
_INPUT = (PLANES, WINDOW[1], WINDOW[0])
_COLOURS = PLANES - 3
"""The last planes tell the order of the lamps."""
_LAYERS = ((32, 2), (64, 2), (64, 1), (128, 2), (128, 1))
"""Channels and stride of each convolution."""
_HIDDEN = 128


@dataclass(frozen=True, slots=True)
class _Rendered:
    inputs: "NDArray[np.uint8]"
    """n x 9 x height x width: what the network gets, times 255."""
    states: "NDArray[np.int64]"
    boxes: "NDArray[np.float32]"
    """n x 4: the housing as fractions of the window; NaN where it is hidden."""

    def part(self, chosen: "NDArray[np.bool_]") -> "_Rendered":
        return _Rendered(self.inputs[chosen], self.states[chosen], self.boxes[chosen])


def train_lamps(samples: int, seed: int, *, threads: int, report: Callable[[str], None]) -> TrainingResult:
    """`TrainingResult.validation`: fraction of the held-out heads whose state is found."""
    rendered = _rendered(samples, seed, threads, report)
    held_out = np.arange(samples) % _HOLD_OUT == 0
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    network = _fit(_network(), rendered.part(~held_out), np.random.default_rng(seed), report)
    network.eval()
    return TrainingResult(weights=exported(network, "lamps", "window", _INPUT), validation=_accuracy(network, rendered.part(held_out)))


def _rendered(samples: int, seed: int, threads: int, report: Callable[[str], None]) -> _Rendered:
    parts = render_chunks(_render_chunk, samples, seed, threads=threads, report=report, things="heads")
    return _Rendered(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("inputs", "states", "boxes")))


def _render_chunk(rng: np.random.Generator, count: int) -> _Rendered:
    inputs, states = np.empty((count, *_INPUT), np.uint8), np.empty(count, np.int64)
    boxes = np.full((count, 4), np.nan, np.float32)
    for i in range(count):
        sample = draw_sample(rng)
        inputs[i] = np.round(network_input(cut_window(sample.image, sample.drawn), sample.order)[0] * 255)
        states[i] = _STATES.index(sample.state)
        if sample.head is not None:
            boxes[i] = _in_window(sample.head, sample)
    return _Rendered(inputs, states, boxes)


def _in_window(head: Box, sample: SignalSample) -> tuple[float, float, float, float]:
    window = window_box(sample.drawn)
    return (
        (head.x1 - window.x1) / window.width,
        (head.y1 - window.y1) / window.height,
        (head.x2 - window.x1) / window.width,
        (head.y2 - window.y1) / window.height,
    )


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = _INPUT[0]
    for out, stride in _LAYERS:
        layers += [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    cells = WINDOW[0] // 8 * (WINDOW[1] // 8)
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(0.1), nn.Linear(channels * cells, _HIDDEN), nn.ReLU(), nn.Linear(_HIDDEN, len(_STATES) + 4)
    )


def _fit(network: nn.Sequential, rendered: _Rendered, rng: np.random.Generator, report: Callable[[str], None]) -> nn.Sequential:
    """The average of the last weights."""
    network = network.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    averaged = average_of(network, _EMA_DECAY)
    steps = _EPOCHS * (len(rendered.inputs) // _BATCH)
    losses = []
    for step, (inputs, states, boxes) in enumerate(_batches(rendered, steps, rng)):
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * min(1.0, (step + 1) / _WARM_UP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        with torch.autocast("cpu", dtype=torch.bfloat16):  # twice as fast
            predicted = network(inputs.contiguous(memory_format=torch.channels_last))
        loss = _loss(predicted.float(), states, boxes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged.update_parameters(network)
        losses.append(float(loss.detach()))
        if (step + 1) % 200 == 0:
            report(f"step {step + 1} of {steps}: loss {np.mean(losses[-200:]):.3f}")
    result: nn.Sequential = averaged.module
    return result


def _batches(rendered: _Rendered, steps: int, rng: np.random.Generator) -> "Iterator[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]":
    for _ in range(steps):
        batch = rng.integers(0, len(rendered.inputs), _BATCH)
        planes, boxes = rendered.inputs[batch], rendered.boxes[batch].copy()
        flipped = rng.random(_BATCH) < 0.5
        planes[flipped] = planes[flipped, :, :, ::-1]
        boxes[flipped] = np.stack([1 - boxes[flipped, 2], boxes[flipped, 1], 1 - boxes[flipped, 0], boxes[flipped, 3]], axis=1)
        inputs = torch.from_numpy(planes).float() / 255
        inputs[:, :_COLOURS] = _recoloured(inputs[:, :_COLOURS], rng)
        yield inputs, torch.from_numpy(rendered.states[batch]), torch.from_numpy(boxes)


def _recoloured(colours: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Another gamma, brightness and white balance for each head; the same for both scalings of its colours."""
    count = len(colours)
    gamma = np.exp(rng.normal(0, 0.15, (count, 1, 1, 1)))
    gain = np.exp(rng.normal(0, 0.1, (count, 3, 1, 1)) + rng.normal(0, 0.1, (count, 1, 1, 1)))
    exponents, factors = (torch.from_numpy(each.astype(np.float32)) for each in (gamma, np.concatenate([gain, gain], axis=1)))
    return (colours.pow(exponents) * factors).clamp(0, 1)


def _loss(predicted: torch.Tensor, states: torch.Tensor, boxes: torch.Tensor) -> torch.Tensor:
    visible = ~boxes.isnan()
    errors = functional.smooth_l1_loss(predicted[:, len(_STATES) :], boxes.nan_to_num(), beta=0.02, reduction="none")
    box_loss = (errors * visible).sum() / visible.sum().clamp(min=1)
    loss: torch.Tensor = functional.cross_entropy(predicted[:, : len(_STATES)], states, label_smoothing=_SMOOTHING) + _BOX_WEIGHT * box_loss
    return loss


def _accuracy(network: nn.Sequential, held_out: _Rendered) -> float:
    with torch.no_grad():
        predicted = network(torch.from_numpy(held_out.inputs.astype(np.float32) / np.float32(255)))[:, : len(_STATES)].argmax(dim=1).numpy()
    return float((predicted == held_out.states).mean())
