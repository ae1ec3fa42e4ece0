"""Computes the gradient of one shard of a batch: render, forward, backward, in one thread.

Two processes with one thread each train faster than one process with two: the cores do not wait for each other within an operator, and
rendering, which does not use torch, runs on both. The weights are one vector in memory that the processes share.
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
    """What to train on. All samples follow from `seed`."""

    seed: int
    batch: int = 32
    real: "tuple[LabelledCrop, ...]" = ()
    """Real crops, half of the samples; empty: rendered plates only."""
    teacher: onnx.ModelProto | None = None
    """If set, its outputs are the training targets instead of the texts."""


class Shard:
    """Every `count`-th sample of each batch from number `index` on. The gradients of all shards sum to that of the batch."""

    def __init__(self, model: onnx.ModelProto, task: TrainTask, *, index: int = 0, count: int = 1) -> None:
        self._task = task
        self._numbers = range(index, task.batch, count)
        self._net = TorchGraph(model)
        self._teacher = None if task.teacher is None else TorchGraph(task.teacher)

    def initial_weights(self) -> torch.Tensor:
        return self._net.vector()

    def bind(self, weights: torch.Tensor, gradient: torch.Tensor) -> None:
        """Make the network's weights a view of the vector `weights`, and write its gradients into the vector `gradient`."""
        start = 0
        for p in self._net.parameters():
            end = start + p.numel()
            p.data = weights[start:end].view_as(p)
            p.grad = gradient[start:end].view_as(p)
            start = end
        self._gradient = gradient

    def compute_gradient(self, step: int) -> float:
        """Write the gradient into the bound vector and return this shard's part of the mean loss."""
        samples = [_input_and_text(self._task, step, number) for number in self._numbers]
        images = torch.from_numpy(np.stack([image for image, _ in samples])).to(memory_format=torch.channels_last)
        self._gradient.zero_()
        loss = self._losses(images, [text for _, text in samples]).sum() / self._task.batch
        loss.backward()
        return float(loss.detach())

    def _losses(self, images: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
        scores = self._net(images)
        if self._teacher is None:
            return ctc_loss(scores, texts)
        with torch.no_grad():
            targets = self._teacher(images)
        return distillation_loss(scores, targets)


def _input_and_text(task: TrainTask, step: int, number: int) -> "tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], str]":
    """Depends only on its arguments, so that all processes and resumed runs render the same sample."""
    rng = np.random.default_rng([task.seed, step, number])
    sample = _sample(task, rng)
    return network_input(sample.line, sample.max_width, rng.uniform(0.78, 1.18)), sample.text


def _sample(task: TrainTask, rng: np.random.Generator) -> TrainingSample:
    if task.real and rng.random() < 0.5:
        from models.training.labelled_crops import augment

        return augment(task.real[int(rng.integers(len(task.real)))], rng)
    return draw_sample(rng)


def ctc_loss(scores: torch.Tensor, texts: Sequence[str]) -> torch.Tensor:
    """`scores`: n x time x outputs, before softmax. Returns n losses in nats per character."""
    labels = [CHARACTERS.index(character) + 1 for text in texts for character in text]
    lengths = torch.tensor([len(text) for text in texts])
    steps = torch.full((len(texts),), scores.shape[1])
    logs = scores.log_softmax(-1).transpose(0, 1)
    losses = functional.ctc_loss(logs, torch.tensor(labels), steps, lengths, reduction="none", zero_infinity=True)
    mean: torch.Tensor = losses / lengths.clamp(min=1)
    return mean


def distillation_loss(scores: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of the outputs from the teacher's; both n x time x outputs. Returns n losses in nats per time step."""
    divergence = functional.kl_div(scores.log_softmax(-1), targets.log_softmax(-1), reduction="none", log_target=True)
    mean: torch.Tensor = divergence.sum(-1).mean(-1)
    return mean
