"""Trains an attribute classifier on a folder of labelled crops: DIR/LABEL/*.jpg, one folder per label.

A small convolutional network from scratch; AdamW on cross-entropy, in which each label weighs the same however many crops it has.
"""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np
import onnx
import torch
from torch import nn
from torch.nn import functional

from etle.errors import ConfigError
from models.attributes.onnx_classifier import LABELS_KEY, SIDE, network_input
from models.training.convolutional import exported

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

_SUFFIXES: Final = (".jpg", ".jpeg", ".png")
_HELD_OUT: Final = 5
"""One in five crops is held out, chosen by its content: the same crop is always on the same side."""
_MIN_CROPS: Final = 10
"""Of each label."""
_BATCH, _LEARNING_RATE, _WEIGHT_DECAY = 32, 2e-3, 2e-2
_LAYERS = ((24, 2), (48, 2), (64, 2), (96, 2))
"""Channels and stride of each convolution."""
_MIN_BATCHES: Final = 20
"""Of an epoch: small sets are seen several times, each time changed."""
_HIDDEN: Final = 64
_SMOOTHING: Final = 0.02


@dataclass(frozen=True, slots=True)
class AttributeCrops:
    labels: tuple[str, ...]
    """In alphabetical order."""
    inputs: "NDArray[np.float32]"
    """n x 3 x SIDE x SIDE."""
    classes: "NDArray[np.int64]"
    held_out: "NDArray[np.bool_]"


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeScore:
    """On the held-out crops. None if there are none to count."""

    label: str
    crops: int
    recall: float | None
    precision: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedAttribute:
    weights: bytes
    scores: tuple[AttributeScore, ...]


def read_attribute_crops(folder: Path) -> AttributeCrops:
    """Raises ConfigError: fewer than two labels, too few crops of one, or a file that is no picture."""
    folders = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    files = {path.name: sorted(file for file in path.iterdir() if file.suffix.lower() in _SUFFIXES) for path in folders}
    if len(files) < 2:
        raise ConfigError(f"{folder} has {len(files)} folders of crops: it needs one per label, two at least, such as belt and no_belt")
    if few := [f"{label} has {len(found)}" for label, found in files.items() if len(found) < _MIN_CROPS]:
        raise ConfigError(f"{folder}: {', '.join(few)} crops; each label needs {_MIN_CROPS} at least")
    rows = [(file, at) for at, label in enumerate(files) for file in files[label]]
    digests = [sha256(file.read_bytes()).digest() for file, _ in rows]
    return AttributeCrops(
        tuple(files),
        network_input([_read(file) for file, _ in rows]),
        np.array([at for _, at in rows], np.int64),
        np.array([digest[0] % _HELD_OUT == 0 for digest in digests]),
    )


def train_attribute(crops: AttributeCrops, epochs: int, seed: int, *, threads: int, report: Callable[[str], None]) -> TrainedAttribute:
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    network = _fit(_network(len(crops.labels)), crops, epochs, np.random.default_rng(seed), report)
    network.eval()
    model = onnx.load_from_string(exported(network, "attribute", "crops", (3, SIDE, SIDE)))
    model.metadata_props.add(key=LABELS_KEY, value=json.dumps(crops.labels))
    return TrainedAttribute(weights=model.SerializeToString(deterministic=True), scores=_scores(network, crops))


def _read(file: Path) -> "Image":
    image: Image | None = cv2.imread(str(file), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"{file} is not a picture")
    return image


def _network(labels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels, side = 3, SIDE
    for out, stride in _LAYERS:
        layers += [nn.Conv2d(channels, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
        channels, side = out, side // stride
    last = [nn.Linear(channels * side * side, _HIDDEN), nn.ReLU(), nn.Dropout(0.2), nn.Linear(_HIDDEN, labels)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), *last)


def _fit(
    network: nn.Sequential, crops: AttributeCrops, epochs: int, rng: np.random.Generator, report: Callable[[str], None]
) -> nn.Sequential:
    train = np.flatnonzero(~crops.held_out)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    counts = np.bincount(crops.classes[train], minlength=len(crops.labels)).clip(min=1)
    weights = torch.from_numpy((len(train) / len(counts) / counts).astype(np.float32))
    per_epoch = max(_MIN_BATCHES, len(train) // _BATCH)
    for epoch in range(epochs):
        losses = []
        for step in range(per_epoch):
            done = (epoch * per_epoch + step) / (epochs * per_epoch)
            for group in optimizer.param_groups:
                group["lr"] = _LEARNING_RATE * (0.5 + 0.5 * math.cos(math.pi * done))
            chosen = rng.choice(train, min(_BATCH, len(train)))
            predicted = network(torch.from_numpy(_augmented(crops.inputs[chosen], rng)))
            loss = functional.cross_entropy(predicted, torch.from_numpy(crops.classes[chosen]), weight=weights, label_smoothing=_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
        report(f"epoch {epoch + 1} of {epochs}: loss {np.mean(losses):.3f}")
    return network


def _augmented(inputs: "NDArray[np.float32]", rng: np.random.Generator) -> "NDArray[np.float32]":
    """Mirrored, shifted by up to a twelfth, brighter or darker, in another colour balance."""
    changed = inputs.copy()
    for at in range(len(changed)):
        if rng.random() < 0.5:
            changed[at] = changed[at, :, :, ::-1]
        changed[at] = np.roll(changed[at], tuple(rng.integers(-SIDE // 12, SIDE // 12 + 1, 2).tolist()), axis=(1, 2))
    gamma, gain = np.exp(rng.normal(0, 0.25, (len(changed), 1, 1, 1))), np.exp(rng.normal(0, 0.12, (len(changed), 3, 1, 1)))
    return np.asarray((changed**gamma * gain).clip(0, 1), np.float32)


def _scores(network: nn.Sequential, crops: AttributeCrops) -> tuple[AttributeScore, ...]:
    truth = crops.classes[crops.held_out]
    with torch.no_grad():
        told = network(torch.from_numpy(crops.inputs[crops.held_out])).argmax(dim=1).numpy() if len(truth) else truth
    return tuple(
        AttributeScore(
            label=label,
            crops=int((truth == at).sum()),
            recall=float((told[truth == at] == at).mean()) if (truth == at).any() else None,
            precision=float((truth[told == at] == at).mean()) if (told == at).any() else None,
        )
        for at, label in enumerate(crops.labels)
    )
