"""The training of the plate reader: AdamW on CTC, the rate rising and then falling to nothing, the weights averaged on the way.

The average of the last 500 steps wanders less than the weights of any moment; which of the two is kept in the end is decided on
rendered plates that were held out, never on real ones.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import onnx
import torch

from etle.errors import WeightsError
from models.training.graph import TorchGraph
from models.training.pool import GradientPool, gradient_pool
from models.training.progress import ProgressPoint, TrainingProgress
from models.training.schedule import Schedule
from models.training.shard import TrainTask
from models.training.validation_set import ValidationSet, exact

_AVERAGE = 0.998
_DECAY = 0.01
_LONGEST_GRADIENT = 5.0
_MEAN, _SQUARE, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPolicy:
    """What a training leaves on its way: a checkpoint and a row of the curve every so often."""

    every_minutes: float
    checkpoint: Path | None
    sets: Sequence[ValidationSet]
    """The first decides which weights are kept."""
    say: Callable[[ProgressPoint], None]
    clock: Callable[[], float] = time.monotonic


def train_reader(
    model: onnx.ModelProto, lesson: TrainTask, schedule: Schedule, keeping: CheckpointPolicy, *, threads: int
) -> TrainingProgress:
    """Goes on from the checkpoint if there is one. Raises WeightsError if the loss is no number any more."""
    with gradient_pool(model, lesson, threads=threads) as pool:
        progress = TrainingProgress.begin(pool.weights)
        if keeping.checkpoint is not None and keeping.checkpoint.exists():
            progress.load(keeping.checkpoint)
        _Run(model, lesson, schedule, keeping, pool, progress).to_the_end()
        return progress


def best_weights(progress: TrainingProgress, name: str) -> torch.Tensor:
    """Averaged or last, by the set of that name in the last row of the curve."""
    last = progress.curve[-1]
    return progress.average if last.averaged[name] >= last.last[name] else progress.weights


class _Run:
    def __init__(
        self,
        model: onnx.ModelProto,
        lesson: TrainTask,
        schedule: Schedule,
        keeping: CheckpointPolicy,
        pool: GradientPool,
        progress: TrainingProgress,
    ) -> None:
        self._lesson, self._schedule, self._keeping, self._pool, self._progress = lesson, schedule, keeping, pool, progress
        self._net = TorchGraph(model)
        self._losses: list[float] = []
        self._began = keeping.clock() - progress.seconds

    def to_the_end(self) -> None:
        kept = self._progress.seconds
        while (done := self._done()) < 1:
            rate = self._schedule.rate(self._progress.step, done)
            self._step(rate)
            if self._progress.seconds - kept >= self._keeping.every_minutes * 60:
                with self._stopped_clock():
                    self._keep(rate)
                kept = self._progress.seconds
        if self._losses:
            self._keep(0.0)

    def _done(self) -> float:
        self._progress.seconds = self._keeping.clock() - self._began
        return self._schedule.done(seconds=self._progress.seconds, samples=self._samples)

    @property
    def _samples(self) -> int:
        return self._progress.step * self._lesson.batch

    def _step(self, rate: float) -> None:
        gradient, loss = self._pool.gradient(self._progress.step)
        if not math.isfinite(loss):
            raise WeightsError(f"The loss is {loss} after {self._progress.step} steps. Begin anew with a lower --rate")
        _adamw(self._progress, gradient, rate)
        self._losses.append(loss)

    @contextmanager
    def _stopped_clock(self) -> Iterator[None]:
        """Measuring takes none of the training's time: a run with more sets to measure is not a shorter one."""
        before = self._keeping.clock()
        yield
        self._began += self._keeping.clock() - before

    def _keep(self, rate: float) -> None:
        progress = self._progress
        point = ProgressPoint(
            minutes=progress.seconds / 60,
            samples=self._samples,
            rate=rate,
            loss=sum(self._losses) / len(self._losses),
            averaged=self._measured(progress.average),
            last=self._measured(progress.weights),
        )
        self._losses.clear()
        progress.curve = (*progress.curve, point)
        if self._keeping.checkpoint is not None:
            progress.save(self._keeping.checkpoint)
        self._keeping.say(point)

    def _measured(self, weights: torch.Tensor) -> dict[str, float]:
        self._net.take(weights)
        return {measured.name: exact(self._net, measured) for measured in self._keeping.sets}


def _adamw(progress: TrainingProgress, gradient: torch.Tensor, rate: float) -> None:
    """One step: weights, running means and the average of the weights, all in place."""
    length = float(gradient.norm())
    if length > _LONGEST_GRADIENT:
        gradient = gradient * (_LONGEST_GRADIENT / length)
    progress.step += 1
    progress.mean.lerp_(gradient, 1 - _MEAN)
    progress.square.mul_(_SQUARE).addcmul_(gradient, gradient, value=1 - _SQUARE)
    mean = progress.mean / (1 - _MEAN**progress.step)
    square = progress.square / (1 - _SQUARE**progress.step)
    progress.weights.mul_(1 - rate * _DECAY).addcdiv_(mean, square.sqrt_().add_(_EPSILON), value=-rate)
    progress.average.lerp_(progress.weights, 1 - min(_AVERAGE, (1 + progress.step) / (10 + progress.step)))
