"""Trains the head network: where heads are in a crop, and whether they wear a helmet, on rendered heads.

Its first layers are those of the vehicle detector and stay as they are; their features of each rendered window, and of its mirror
image, are computed once. A few convolutions on them are trained with AdamW: in each cell, whether the middle of a head is near, whether
it is bare, and how far the head's sides are.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.heads.network import OUTPUTS, SIDE_UNIT_PX, STRIDE, DetectorStem
from models.synthetic.heads import draw_heads
from models.synthetic.heads.values import HeadState
from models.training.averaging import average_of
from models.training.convolutional import exported
from models.training.rendering import render_chunks
from models.training.result import TrainingResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from models.synthetic.heads import HeadSample

SIDE: Final = 96
"""Of a window of training, in pixels."""
CELLS: Final = SIDE // STRIDE
_HOLD_OUT = 20
"""One in twenty windows is held out for validation."""
_EPOCHS, _BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 8, 64, 2e-3, 5e-2
_WARM_UP_STEPS = 50
_EMA_DECAY = 0.995
_SMOOTHING = 0.03
_INSIDE, _NEAR = 0.4, 0.85
"""A cell within this part of a head's half sides is one of it; it is nothing, neither head nor none, up to the second part."""
_GEAR_WEIGHT, _BOX_WEIGHT = 0.7, 1.5
_WIDTH: Final = 64
_NO_LABEL: Final = -1.0


@dataclass(frozen=True, slots=True)
class RenderedHeads:
    windows: "NDArray[np.uint8]"
    """n x SIDE x SIDE x 3."""
    heads: "tuple[NDArray[np.float32], ...]"
    """For each window k x 5: left, top, right, bottom in pixels of the window, and the index of the state."""


@dataclass(frozen=True, slots=True)
class HeadGridTargets:
    """Of one window; all CELLS x CELLS."""

    head: "NDArray[np.float32]"
    """1, 0, or -1 where it does not matter."""
    bare: "NDArray[np.float32]"
    """1, 0, or -1 where it is not told."""
    sides: "NDArray[np.float32]"
    """4 x CELLS x CELLS: logarithms of the distances of the sides; 0 where there is no head."""


def train_heads(stem: Path, samples: int, seed: int, *, threads: int, report: Callable[[str], None]) -> TrainingResult:
    """`stem`: the vehicle detector's weights. `TrainingResult.validation`: fraction of the clear held-out heads whose headgear is right."""
    parts = render_chunks(render_heads, samples, seed, threads=threads, report=report, things="windows")
    windows = np.concatenate([part.windows for part in parts])
    rendered = RenderedHeads(windows, tuple(heads for part in parts for heads in part.heads))
    return fit_heads(DetectorStem(stem, threads=threads), rendered, seed, threads=threads, report=report)


def render_heads(rng: np.random.Generator, count: int) -> RenderedHeads:
    samples = [draw_heads(rng) for _ in range(count)]
    return RenderedHeads(np.stack([_resized(each.image) for each in samples]), tuple(_rows(each) for each in samples))


def _resized(window: "NDArray[np.uint8]") -> "NDArray[np.uint8]":
    way = cv2.INTER_AREA if window.shape[0] > SIDE else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(window, (SIDE, SIDE), interpolation=way), np.uint8)


def _rows(sample: "HeadSample") -> "NDArray[np.float32]":
    by, states = SIDE / sample.image.shape[0], tuple(HeadState)
    rows = [(*(edge * by for edge in head.box), states.index(head.state)) for head in sample.heads]
    return np.array(rows, np.float32).reshape(-1, 5)


def fit_heads(stem: DetectorStem, rendered: RenderedHeads, seed: int, *, threads: int, report: Callable[[str], None]) -> TrainingResult:
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    features = _features(stem, rendered.windows)
    report(f"features of {len(rendered.windows)} windows and their mirror images")
    targets = [cell_targets(rows) for rows in rendered.heads]
    held_out = np.arange(len(targets)) % _HOLD_OUT == 0
    network = _fit(_network(), features, targets, np.flatnonzero(~held_out), np.random.default_rng(seed), report)
    network.eval()
    accuracy = _accuracy(network, features[0][held_out], [targets[at] for at in np.flatnonzero(held_out)])
    weights = exported(network, "heads", "features", (features.shape[2], "rows", "columns"))
    return TrainingResult(weights=weights, validation=accuracy)


def cell_targets(heads: "NDArray[np.float32]") -> HeadGridTargets:
    """`heads`: k x 5, as in `RenderedHeads`. Of several heads near a cell the one whose middle is nearest counts."""
    states = tuple(HeadState)
    rows, columns = np.mgrid[0:CELLS, 0:CELLS].astype(np.float32) * STRIDE + STRIDE / 2
    head, bare = np.zeros((CELLS, CELLS), np.float32), np.full((CELLS, CELLS), _NO_LABEL, np.float32)
    sides, nearest = np.zeros((4, CELLS, CELLS), np.float32), np.full((CELLS, CELLS), np.inf, np.float32)
    for x1, y1, x2, y2, state in heads.tolist():
        away = np.hypot((columns - (x1 + x2) / 2) / ((x2 - x1) / 2), (rows - (y1 + y2) / 2) / ((y2 - y1) / 2))
        own = away < np.minimum(nearest, _NEAR)
        nearest = np.where(own, away, nearest)
        inside = own & (away < _INSIDE)
        seen = states[int(state)]
        head[own] = _NO_LABEL
        bare[own] = _NO_LABEL
        if seen is HeadState.HIDDEN:
            continue
        head[inside] = 1.0
        if seen is not HeadState.UNCLEAR:
            bare[inside] = float(seen is HeadState.BARE)
        distances = np.stack([columns - x1, rows - y1, x2 - columns, y2 - rows])
        sides[:, inside] = np.log(np.maximum(distances, 1.0) / SIDE_UNIT_PX)[:, inside]
    return HeadGridTargets(head, bare, sides)


def _features(stem: DetectorStem, windows: "NDArray[np.uint8]") -> "NDArray[np.float16]":
    """2 x n x channels x CELLS x CELLS: of the windows, and of their mirror images."""
    plain = np.concatenate([stem.features(window).astype(np.float16) for window in windows])
    mirrored = np.concatenate([stem.features(np.ascontiguousarray(window[:, ::-1])).astype(np.float16) for window in windows])
    return np.stack([plain, mirrored])


def _network() -> nn.Sequential:
    layers: list[nn.Module] = [nn.Dropout(0.1)]
    for before in (64, _WIDTH, _WIDTH):
        layers += [nn.Conv2d(before, _WIDTH, 3, 1, 1, bias=False), nn.BatchNorm2d(_WIDTH), nn.ReLU()]
    return nn.Sequential(*layers, nn.Dropout(0.1), nn.Conv2d(_WIDTH, OUTPUTS, 1))


def _fit(
    network: nn.Sequential, features: "NDArray[np.float16]", targets: list[HeadGridTargets], train: "NDArray[np.int64]",
    rng: np.random.Generator, report: Callable[[str], None],
) -> nn.Sequential:  # fmt: skip
    """Returns the average of the last weights."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    averaged = average_of(network, _EMA_DECAY)
    steps, losses = max(1, _EPOCHS * len(train) // _BATCH), []
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _LEARNING_RATE * min(1.0, (step + 1) / _WARM_UP_STEPS) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        chosen, mirror = rng.choice(train, _BATCH), rng.integers(0, 2, _BATCH)
        inputs = torch.from_numpy(features[mirror, chosen].astype(np.float32))
        loss = _loss(network(inputs), [_mirrored(targets[at]) if turn else targets[at] for at, turn in zip(chosen, mirror, strict=True)])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        averaged.update_parameters(network)
        losses.append(float(loss.detach()))
        if (step + 1) % 100 == 0:
            report(f"step {step + 1} of {steps}: loss {np.mean(losses[-100:]):.3f}")
    result: nn.Sequential = averaged.module
    return result


def _mirrored(target: HeadGridTargets) -> HeadGridTargets:
    left, top, right, bottom = target.sides[:, :, ::-1]
    return HeadGridTargets(target.head[:, ::-1], target.bare[:, ::-1], np.stack([right, top, left, bottom]))


def _loss(predicted: torch.Tensor, targets: list[HeadGridTargets]) -> torch.Tensor:
    head, bare, sides = (
        torch.from_numpy(np.stack([np.ascontiguousarray(getattr(each, name)) for each in targets])) for name in ("head", "bare", "sides")
    )
    found = _binary(predicted[:, 0], head)
    gear = _binary(predicted[:, 1], bare)
    inside = (head == 1)[:, None]
    errors = functional.smooth_l1_loss(predicted[:, 2:], sides, beta=0.1, reduction="none")
    box = (errors * inside).sum() / (4 * inside.sum()).clamp(min=1)
    loss: torch.Tensor = 4 * found + _GEAR_WEIGHT * gear + _BOX_WEIGHT * box
    return loss


def _binary(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean over what is labelled."""
    told = labels >= 0
    softened = labels.clamp(min=0) * (1 - 2 * _SMOOTHING) + _SMOOTHING
    errors = functional.binary_cross_entropy_with_logits(logits, softened, reduction="none")
    return (errors * told).sum() / told.sum().clamp(min=1)


def _accuracy(network: nn.Sequential, features: "NDArray[np.float16]", targets: list[HeadGridTargets]) -> float:
    with torch.no_grad():
        told = network(torch.from_numpy(features.astype(np.float32)))[:, 1].numpy() > 0
    bare = np.stack([each.bare for each in targets])
    known = bare >= 0
    return float((told == (bare == 1))[known].mean()) if known.any() else 0.0
