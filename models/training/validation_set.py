"""How many lines are read exactly, without any grammar: the plainest figure, for curves."""

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

HELD_OUT = 1_000_003
"""Seeds the rendered plates that no training sees: a training's numbers are below."""
_BATCH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationSet:
    name: str
    lines: "NDArray[np.float32]"
    texts: tuple[str, ...]


def rendered_set(count: int) -> ValidationSet:
    """The same lines in every training, whatever its seed."""
    samples = [draw_sample(np.random.default_rng([HELD_OUT, number])) for number in range(count)]
    lines = np.stack([network_input(sample.line, sample.widest) for sample in samples])
    return ValidationSet(name="rendered", lines=lines, texts=tuple(sample.text for sample in samples))


def real_set(name: str, crops: Sequence[LabelledCrop]) -> ValidationSet:
    lines = np.stack([network_input(detect_lines(crop.image).main, WIDTH) for crop in crops])
    return ValidationSet(name=name, lines=lines, texts=tuple(crop.text for crop in crops))


def exact(net: TorchGraph, measured: ValidationSet) -> float:
    return float(np.mean([read == text for read, text in zip(reads(net, measured), measured.texts, strict=True)]))


def reads(net: TorchGraph, measured: ValidationSet) -> list[str]:
    texts: list[str] = []
    with torch.no_grad():
        for first in range(0, len(measured.lines), _BATCH):
            batch = torch.from_numpy(measured.lines[first : first + _BATCH]).to(memory_format=torch.channels_last)
            texts += [greedy(steps) for steps in net(batch).numpy()]
    return texts


def greedy(steps: "NDArray[np.float32]") -> str:
    """The best character of each time step, repetitions and blanks taken out."""
    best = steps.argmax(axis=-1)
    new = np.concatenate([[True], best[1:] != best[:-1]])
    return "".join(CHARACTERS[i - 1] for i in best[new] if i)
