"""The gradient of a part of a batch: render, forward, backward, in one thread.

Two processes with one thread each train faster than one with two: no core waits for the other within an operator, and rendering,
which is no torch, uses both. The weights lie in memory that the processes share, as one long vector.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import onnx
import torch
from torch.nn import functional

from models.training.graph import TorchGraph
from models.training.recogniser import CHARACTERS
from models.training.samples import TrainingSample, draw_sample, network_input

if TYPE_CHECKING:
    from models.training.labelled_crops import LabelledCrop


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainTask:
    """What is drawn for training; all of it follows from `seed`."""

    seed: int
    batch: int = 32
    real: "tuple[LabelledCrop, ...]" = ()
    """Real crops, mixed half and half with rendered plates; none if empty."""
    teacher: onnx.ModelProto | None = None
    """Its scores are what is to be learned, instead of the texts."""


class Shard:
    """Every `of`th sample of each batch from number `index` on. The gradients of all parts sum to the batch's."""

    def __init__(self, model: onnx.ModelProto, lesson: TrainTask, *, index: int = 0, of: int = 1) -> None:
        self._lesson = lesson
        self._numbers = range(index, lesson.batch, of)
        self._net = TorchGraph(model)
        self._teacher = None if lesson.teacher is None else TorchGraph(lesson.teacher)
        self.size = sum(p.numel() for p in self._net.parameters())

    def initial(self) -> torch.Tensor:
        return self._net.vector()

    def share(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        """From now on the network's weights are a view of `weights`, and its gradients go into `gradient`."""
        place = 0
        for p in self._net.parameters():
            end = place + p.numel()
            p.data = weights[place:end].view_as(p)
            p.grad = gradient[place:end].view_as(p)
            place = end
        self._gradient = gradient

    def learn(self, step: int) -> float:
        """Leaves the gradient where `share` said, and returns this part of the mean loss."""
        samples = [_drawn(self._lesson, step, number) for number in self._numbers]
        pictures = torch.from_numpy(np.stack([picture for picture, _ in samples])).to(memory_format=torch.channels_last)
        self._gradient.zero_()
        loss = self._losses(pictures, [text for _, text in samples]).sum() / self._lesson.batch
        loss.backward()
        return float(loss.detach())

    def _losses(self, pictures: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
        scores = self._net(pictures)
        if self._teacher is None:
            return ctc_loss(scores, texts)
        with torch.no_grad():
            told = self._teacher(pictures)
        return imitation_loss(scores, told)


def _drawn(lesson: TrainTask, step: int, number: int) -> "tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], str]":
    """The same sample for the same numbers, whoever draws it and whatever was drawn before."""
    rng = np.random.default_rng([lesson.seed, step, number])
    sample = _sample(lesson, rng)
    return network_input(sample.line, sample.widest, rng.uniform(0.78, 1.18)), sample.text


def _sample(lesson: TrainTask, rng: np.random.Generator) -> TrainingSample:
    if lesson.real and rng.random() < 0.5:
        from models.training.labelled_crops import jittered

        return jittered(lesson.real[int(rng.integers(len(lesson.real)))], rng)
    return draw_sample(rng)


def ctc_loss(scores: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
    """Per text, in nats per character."""
    labels = [CHARACTERS.index(character) + 1 for text in texts for character in text]
    lengths = torch.tensor([len(text) for text in texts])
    steps = torch.full((len(texts),), scores.shape[1])
    logs = scores.log_softmax(-1).transpose(0, 1)
    losses = functional.ctc_loss(logs, torch.tensor(labels), steps, lengths, reduction="none", zero_infinity=True)
    mean: torch.Tensor = losses / lengths.clamp(min=1)
    return mean


def imitation_loss(scores: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    """Per line, in nats per time step: the divergence (Kullback and Leibler) of what a reader says from what its teacher says."""
    divergence = functional.kl_div(scores.log_softmax(-1), told.log_softmax(-1), reduction="none", log_target=True)
    mean: torch.Tensor = divergence.sum(-1).mean(-1)
    return mean
