"""The training of the network that finds a plate's lines: two quadrilaterals by regression, on plates whose corners are known.

A few layers of convolution over the crop in 128 x 48 pixels; AdamW on the distance of corners, each picture seen eight times, moved a
little.
"""

import math
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn
from torch.nn import functional

from models.plates.readers.lines import INPUT, network_input
from models.synthetic.plates import render_plate, seen
from models.training.export import in_16_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CHUNK = 500
_HELD_BACK = 20
"""One in twenty plates is kept to measure with."""
_EPOCHS, _BATCH, _RATE, _DECAY = 8, 64, 1.5e-3, 1e-2
_WARM_UP = 200
_SHIFT = (0.06, 0.1)
"""How far a picture is moved, of its width and height: finders' boxes are cut in many ways."""
_ALONG = 0.5
"""An error along the line costs less than one across it: the line is cut with a margin before and behind."""
_EXPIRY = 0.5
"""What the expiry's corners count for, against the number's."""

_OPERATORS = {nn.Conv2d: "Conv", nn.ReLU: "Relu", nn.Flatten: "Flatten", nn.Linear: "Gemm"}
_OPSET, _IR = 17, 8


@dataclass(frozen=True, slots=True)
class LineTrainingResult:
    weights: bytes
    """An ONNX file."""
    error: float
    """Mean distance of a corner of the number from where it is, as a share of the number's height, on plates held back."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    pictures: "NDArray[np.uint8]"
    """n x INPUT height x INPUT width x 3"""
    corners: "NDArray[np.float32]"
    """n x 8 corners x 2: of the number and of the expiry, in pixels of the input; NaN where there is no expiry to see"""


def train_lines(samples: int, seed: int, *, threads: int, say: Callable[[str], None]) -> LineTrainingResult:
    drawn = _drawn(samples, seed, threads, say)
    kept = np.arange(samples) % _HELD_BACK == 0
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    network = _network()
    _fit(network, _Drawn(drawn.pictures[~kept], drawn.corners[~kept]), np.random.default_rng(seed), say)
    network.eval()
    return LineTrainingResult(_exported(network), _error(network, _Drawn(drawn.pictures[kept], drawn.corners[kept])))


def _drawn(samples: int, seed: int, threads: int, say: Callable[[str], None]) -> _Drawn:
    chunks = [(seed, first, min(_CHUNK, samples - first)) for first in range(0, samples, _CHUNK)]
    parts = []
    # not forked: OpenCV's and torch's threads do not come along, and a child would wait for them
    with ProcessPoolExecutor(threads, multiprocessing.get_context("spawn")) as processes:
        for number, part in enumerate(processes.map(_draw_chunk, chunks), 1):
            parts.append(part)
            if number % 20 == 0:
                say(f"{number * _CHUNK} plates drawn")
    return _Drawn(np.concatenate([part.pictures for part in parts]), np.concatenate([part.corners for part in parts]))


def _draw_chunk(chunk: tuple[int, int, int]) -> _Drawn:
    seed, first, count = chunk
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, first])
    pictures = np.empty((count, INPUT[1], INPUT[0], 3), np.uint8)
    corners = np.full((count, 8, 2), np.nan, np.float32)
    for i in range(count):
        plate = seen(render_plate(rng), rng)
        scale = np.array(INPUT, np.float32) / (plate.image.shape[1], plate.image.shape[0])
        pictures[i] = cv2.resize(plate.image, INPUT, interpolation=cv2.INTER_AREA)
        corners[i, :4] = np.array(plate.main_corners) * scale
        if plate.expiry_corners is not None:
            corners[i, 4:] = np.array(plate.expiry_corners) * scale
    return _Drawn(pictures, corners)


def _network() -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for out, stride in ((16, 2), (32, 2), (32, 1), (64, 2), (64, 1), (96, 2), (96, 1)):
        layers += [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        channels = out
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(96 * 3 * 8, 128), nn.ReLU(), nn.Linear(128, 16))


def _fit(network: nn.Sequential, drawn: _Drawn, rng: np.random.Generator, say: Callable[[str], None]) -> None:
    learner = torch.optim.AdamW(network.parameters(), lr=_RATE, weight_decay=_DECAY)
    steps = _EPOCHS * (len(drawn.pictures) // _BATCH)
    losses = []
    for step, (pictures, corners) in enumerate(_batches(drawn, steps, rng)):
        for group in learner.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        loss = _distance(network(pictures), corners)
        learner.zero_grad()
        loss.backward()
        learner.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 500 == 0:
            say(f"step {step + 1} of {steps}: {np.mean(losses[-500:]):.3f} pixels")


def _batches(drawn: _Drawn, steps: int, rng: np.random.Generator) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
    """Each picture moved, stretched, lighter or darker: (n x 3 x height x width, n x 8 x 2)."""
    for _ in range(steps):
        some = rng.integers(0, len(drawn.pictures), _BATCH)
        pictures, corners = zip(*(_varied(drawn.pictures[i], drawn.corners[i], rng) for i in some), strict=True)
        yield torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(corners))


def _varied(
    picture: "NDArray[np.uint8]", corners: "NDArray[np.float32]", rng: np.random.Generator
) -> "tuple[NDArray[np.float32], NDArray[np.float32]]":
    size = np.array(INPUT, np.float32)
    scale = rng.uniform(0.86, 1.04, 2)
    shift = size / 2 * (1 - scale) + rng.uniform(-1, 1, 2) * _SHIFT * size * (1 - scale / 1.04 + 0.2)
    matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    moved = cv2.warpAffine(picture, matrix, INPUT, borderMode=cv2.BORDER_REPLICATE)
    return network_input(moved) * np.float32(rng.uniform(0.6, 1.4)), (corners * scale + shift).astype(np.float32)


def _distance(told: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
    """Mean over what there is to tell, in pixels of the input."""
    there = ~corners.isnan()
    weights = torch.ones(8, 2)
    weights[:, 0] = _ALONG
    weights[4:] *= _EXPIRY
    errors = functional.smooth_l1_loss(told.view(-1, 8, 2) * _scale(), corners.nan_to_num(), beta=0.5, reduction="none")
    mean: torch.Tensor = (errors * weights * there).sum() / (weights * there).sum()
    return mean


def _scale() -> torch.Tensor:
    return torch.tensor(INPUT, dtype=torch.float32)


def _error(network: nn.Sequential, kept: _Drawn) -> float:
    with torch.no_grad():
        pictures = torch.from_numpy(np.stack([network_input(picture) for picture in kept.pictures]))
        told = (network(pictures).view(-1, 8, 2) * _scale()).numpy()[:, :4]
    true = kept.corners[:, :4]
    heights = np.linalg.norm(true[:, 3] - true[:, 0], axis=1)
    return float((np.linalg.norm(told - true, axis=2).mean(axis=1) / heights).mean())


def _exported(network: nn.Sequential) -> bytes:
    """As ONNX, the normalisations within the convolutions."""
    nodes, weights, before = [], [], "crop"
    for number, layer in enumerate(network):
        if isinstance(layer, nn.BatchNorm2d):
            continue
        after, inputs = f"layer{number}", [before]
        attributes: dict[str, Any] = {}
        learned: tuple[torch.Tensor, ...] = ()
        if isinstance(layer, nn.Conv2d):
            normal = network[number + 1]
            gain = normal.weight / (normal.running_var + normal.eps).sqrt()
            learned = (layer.weight * gain[:, None, None, None], normal.bias - normal.running_mean * gain)
            attributes = {"kernel_shape": [3, 3], "strides": list(layer.stride), "pads": [1, 1, 1, 1]}
        elif isinstance(layer, nn.Linear):
            learned, attributes = (layer.weight, layer.bias), {"transB": 1}
        for kind, tensor in zip(("weight", "bias"), learned, strict=False):
            weights.append(numpy_helper.from_array(tensor.detach().numpy().copy(), f"{after}.{kind}"))
            inputs.append(weights[-1].name)
        nodes.append(helper.make_node(_OPERATORS[type(layer)], inputs, [after], **attributes))
        before = after
    shapes = {"crop": [1, 3, INPUT[1], INPUT[0]], before: [1, 16]}
    ends = [[helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)] for name, shape in shapes.items()]
    graph = helper.make_graph(nodes, "plate-lines", ends[0], ends[1], weights)
    return in_16_bits(helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR))
