"""Trains the plate line detector: regression of two quadrilaterals, on rendered plates whose corners are known.

A small convolutional network on the crop scaled to 128 x 48 pixels; AdamW on the distances of the corners, eight epochs with augmentation.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn
from torch.nn import functional

from models.plates.readers.lines import INPUT, network_input
from models.synthetic.plates import capture_plate, render_plate
from models.training.convolutional import exported
from models.training.rendering import render_chunks
from models.training.result import TrainingResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

_HOLD_OUT = 20
"""One in twenty plates is held out for validation."""
_EPOCHS, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 8, 64, 1.5e-3, 1e-2
_LEARNING_RATE_AFTER_START = 5e-4
_WARM_UP_STEPS = 200
_MAX_SHIFT = (0.06, 0.1)
"""Maximum shift of an image relative to its width and height: detected plate boxes have varying margins."""
_CUT_FRACTION = 0.12
"""Fraction of the crops that cut characters off, as detected boxes do: the corners beyond the crop tell how far to extend it."""
_ALONG_WEIGHT = 0.5
"""Weight of an error along the line, relative to one across it: the line is cropped with larger margins along it."""
_EXPIRY_WEIGHT = 0.5
"""Weight of the corners of the expiry, relative to those of the number."""


@dataclass(frozen=True, slots=True)
class _Rendered:
    images: "NDArray[np.uint8]"
    """n x INPUT height x INPUT width x 3, BGR."""
    corners: "NDArray[np.float32]"
    """n x 8 corners x 2: of the number and of the expiry, in pixels of the input; NaN where no expiry is visible."""


def train_lines(
    samples: int,
    seed: int,
    *,
    threads: int,
    report: Callable[[str], None],
    start: onnx.ModelProto | None = None,
    interpolation: float = 1.0,
) -> TrainingResult:
    """`TrainingResult.validation`: mean error of the number's corners relative to its height, on held-out plates.

    `start`: weights of an earlier training to begin with; the result is between them (`interpolation` 0) and the trained ones (1).
    """
    rendered = _rendered(samples, seed, threads, report)
    held_out = np.arange(samples) % _HOLD_OUT == 0
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    network = _network()
    if start is not None:
        _load(network, start)
        network.eval()  # batch norms keep the statistics of the weights
    rate = _LEARNING_RATE if start is None else _LEARNING_RATE_AFTER_START
    _fit(network, _Rendered(rendered.images[~held_out], rendered.corners[~held_out]), rate, np.random.default_rng(seed), report)
    network.eval()
    if start is not None:
        _interpolate(network, start, interpolation)
    validation = _error(network, _Rendered(rendered.images[held_out], rendered.corners[held_out]))
    return TrainingResult(weights=exported(network, "plate-lines", "crop", (3, INPUT[1], INPUT[0])), validation=validation)


def _rendered(samples: int, seed: int, threads: int, report: Callable[[str], None]) -> _Rendered:
    parts = render_chunks(_render_chunk, samples, seed, threads=threads, report=report, things="plates")
    return _Rendered(np.concatenate([part.images for part in parts]), np.concatenate([part.corners for part in parts]))


def _render_chunk(rng: np.random.Generator, count: int) -> _Rendered:
    images = np.empty((count, INPUT[1], INPUT[0], 3), np.uint8)
    corners = np.full((count, 8, 2), np.nan, np.float32)
    for i in range(count):
        plate = capture_plate(render_plate(rng), rng, cut_fraction=_CUT_FRACTION)
        scale = np.array(INPUT, np.float32) / (plate.image.shape[1], plate.image.shape[0])
        images[i] = cv2.resize(plate.image, INPUT, interpolation=cv2.INTER_AREA)
        corners[i, :4] = np.array(plate.main_corners) * scale
        if plate.expiry_corners is not None:
            corners[i, 4:] = np.array(plate.expiry_corners) * scale
    return _Rendered(images, corners)


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for out, stride in ((16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (96, 2), (96, 1)):
        layers += [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 3 * 8, 128), nn.ReLU(), nn.Linear(128, 16))


def _load(network: nn.Sequential, start: onnx.ModelProto) -> None:
    """Copy the weights of an exported network; its batch norms are part of the convolutions, so those of `network` start neutral."""
    tensors = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).astype(np.float32)) for tensor in start.graph.initializer}
    tensors |= {node.output[0]: tensors[node.input[0]] for node in start.graph.node if node.op_type == "Cast"}
    trained = iter([node.input for node in start.graph.node if node.op_type in ("Conv", "Gemm")])
    for number, layer in enumerate(network):
        if isinstance(layer, nn.Conv2d | nn.Linear):
            _, weight, bias = next(trained)
            owner = layer if isinstance(layer, nn.Linear) else network[number + 1]
            layer.weight.data.copy_(tensors[weight])
            owner.bias.data.copy_(tensors[bias])


def _interpolate(network: nn.Sequential, start: onnx.ModelProto, interpolation: float) -> None:
    before = _network()
    _load(before, start)
    for tensor, old in zip(network.parameters(), before.parameters(), strict=True):
        tensor.data.copy_((1 - interpolation) * old.data + interpolation * tensor.data)


def _fit(network: nn.Sequential, rendered: _Rendered, rate: float, rng: np.random.Generator, report: Callable[[str], None]) -> None:
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=_WEIGHT_DECAY)
    steps = _EPOCHS * (len(rendered.images) // _BATCH)
    losses = []
    for step, (images, corners) in enumerate(_batches(rendered, steps, rng)):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / _WARM_UP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        loss = _distance(network(images), corners)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 500 == 0:
            report(f"step {step + 1} of {steps}: {np.mean(losses[-500:]):.3f} pixels")


def _batches(rendered: _Rendered, steps: int, rng: np.random.Generator) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
    """Augmented images, n x 3 x height x width, and their corners, n x 8 x 2."""
    for _ in range(steps):
        batch = rng.integers(0, len(rendered.images), _BATCH)
        images, corners = zip(*(_augment(rendered.images[i], rendered.corners[i], rng) for i in batch), strict=True)
        yield torch.from_numpy(np.stack(images)), torch.from_numpy(np.stack(corners))


def _augment(
    image: "NDArray[np.uint8]", corners: "NDArray[np.float32]", rng: np.random.Generator
) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    size = np.array(INPUT, np.float32)
    scale = rng.uniform(0.86, 1.04, 2)
    shift = size / 2 * (1 - scale) + rng.uniform(-1, 1, 2) * _MAX_SHIFT * size * (1 - scale / 1.04 + 0.2)
    matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    moved = cv2.warpAffine(image, matrix, INPUT, borderMode=cv2.BORDER_REPLICATE)
    return network_input(moved) * np.float32(rng.uniform(0.6, 1.4)), (corners * scale + shift).astype(np.float32)


def _distance(predicted: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """Weighted mean error over the visible corners, in pixels of the input."""
    visible = ~corners.isnan()
    weights = torch.ones(8, 2)
    weights[:, 0] = _ALONG_WEIGHT
    weights[4:] *= _EXPIRY_WEIGHT
    errors = functional.smooth_l1_loss(predicted.view(-1, 8, 2) * _scale(), corners.nan_to_num(), beta=0.5, reduction="none")
    mean: torch.Tensor = (errors * weights * visible).sum() / (weights * visible).sum()
    return mean


def _scale() -> torch.Tensor:
    return torch.tensor(INPUT, dtype=torch.float32)


def _error(network: nn.Sequential, held_out: _Rendered) -> float:
    with torch.no_grad():
        images = torch.from_numpy(np.stack([network_input(image) for image in held_out.images]))
        predicted = (network(images).view(-1, 8, 2) * _scale()).numpy()[:, :4]
    true = held_out.corners[:, :4]
    heights = np.linalg.norm(true[:, 3] - true[:, 0], axis=1)
    return float((np.linalg.norm(predicted - true, axis=2).mean(axis=1) / heights).mean())
