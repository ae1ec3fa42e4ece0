"""Fraction of lines read exactly, decoded greedily without the grammar; for learning curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.plates.readers.lines import detect_lines
from models.training.graph import TorchGraph
from models.training.labelled_crops import LabelledCrop
from models.training.recogniser import CHARACTERS
from models.training.samples import WIDTH, draw_sample, network_input

if TYPE_CHECKING:
    from numpy.typing import NDArray

VALIDATION_SEED = 1_000_003
"""Seed of the rendered plates for validation; do not use it for training."""
_BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSet:
    name: str
    lines: "NDArray[np.float32]"
    """n x 3 x height x width, float32, -1 to 1."""
    texts: tuple[str, ...]


def rendered_set(count: int) -> ValidationSet:
    """The same lines for every training, whatever its seed."""
    samples = [draw_sample(np.random.default_rng([VALIDATION_SEED, number])) for number in range(count)]
    lines = np.stack([network_input(sample.line, sample.max_width) for sample in samples])
    return ValidationSet(name="rendered", lines=lines, texts=tuple(sample.text for sample in samples))


def real_set(name: str, crops: Sequence[LabelledCrop]) -> ValidationSet:
    lines = np.stack([network_input(detect_lines(crop.image).main, WIDTH) for crop in crops])
    return ValidationSet(name=name, lines=lines, texts=tuple(crop.text for crop in crops))


def exact_match_rate(net: TorchGraph, validation: ValidationSet) -> float:
    return float(np.mean([read == text for read, text in zip(read_texts(net, validation), validation.texts, strict=True)]))


def read_texts(net: TorchGraph, validation: ValidationSet) -> list[str]:
    texts: list[str] = []
    with torch.no_grad():
        for first in range(0, len(validation.lines), _BATCH):
            batch = torch.from_numpy(validation.lines[first : first + _BATCH]).to(memory_format=torch.channels_last)
            texts += [decode_greedily(steps) for steps in net(batch).numpy()]
    return texts


def decode_greedily(steps: "NDArray[np.float32]") -> str:
    """`steps`: time x (blank, then CHARACTERS). The best output of each step, without repetitions and blanks."""
    best = steps.argmax(axis=-1)
    new = np.concatenate([[True], best[1:] != best[:-1]])
    return "".join(CHARACTERS[i - 1] for i in best[new] if i)
