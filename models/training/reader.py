"""Trains the plate reader: AdamW on CTC loss, a learning rate with warm-up and cosine decay, and averaged weights.

The average over the last 500 steps varies less than the current weights. Which of the two is exported is decided on held-out rendered
plates, never on real ones.
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
from models.training.validation_set import ValidationSet, exact_match_rate

_MAX_GRADIENT_NORM = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointPolicy:
    """When to validate and save during training, and where to."""

    every_minutes: float
    checkpoint: Path | None
    sets: Sequence[ValidationSet]
    """The first decides which weights are exported."""
    report: Callable[[ProgressPoint], None]
    clock: Callable[[], float] = time.monotonic


def train_reader(
    model: onnx.ModelProto, task: TrainTask, schedule: Schedule, policy: CheckpointPolicy, *, threads: int
) -> TrainingProgress:
    """Resumes from the checkpoint if it exists. Raises WeightsError if the loss becomes NaN or infinite."""
    with gradient_pool(model, task, threads=threads) as pool:
        progress = TrainingProgress.begin(pool.weights)
        if policy.checkpoint is not None and policy.checkpoint.exists():
            progress.load(policy.checkpoint)
        _Run(model, task, schedule, policy, pool, progress).run()
        return progress


def best_weights(progress: TrainingProgress, name: str) -> torch.Tensor:
    """The averaged or the last weights, whichever read more of the validation set `name` in the last row of the curve."""
    last = progress.curve[-1]
    return progress.average if last.averaged[name] >= last.last[name] else progress.weights.detach()


class _Run:
    def __init__(
        self,
        model: onnx.ModelProto,
        task: TrainTask,
        schedule: Schedule,
        policy: CheckpointPolicy,
        pool: GradientPool,
        progress: TrainingProgress,
    ) -> None:
        self._task, self._schedule, self._policy, self._pool, self._progress = task, schedule, policy, pool, progress
        self._net = TorchGraph(model)
        self._losses: list[float] = []
        self._started_at = policy.clock() - progress.seconds

    def run(self) -> None:
        checkpoint_s = self._progress.seconds
        while (done := self._fraction_done()) < 1:
            rate = self._schedule.learning_rate(self._progress.step, done)
            self._step(rate)
            if self._progress.seconds - checkpoint_s >= self._policy.every_minutes * 60:
                with self._stopped_clock():
                    self._save(rate)
                checkpoint_s = self._progress.seconds
        if self._losses:
            self._save(0.0)

    def _fraction_done(self) -> float:
        self._progress.seconds = self._policy.clock() - self._started_at
        return self._schedule.fraction_done(seconds=self._progress.seconds, samples=self._samples)

    @property
    def _samples(self) -> int:
        return self._progress.step * self._task.batch

    def _step(self, rate: float) -> None:
        progress = self._progress
        gradient, loss = self._pool.gradient(progress.step)
        if not math.isfinite(loss):
            raise WeightsError(f"The loss is {loss} after {progress.step} steps. Restart with a lower --rate")
        progress.weights.grad = gradient
        torch.nn.utils.clip_grad_norm_([progress.weights], _MAX_GRADIENT_NORM)
        for group in progress.optimizer.param_groups:
            group["lr"] = rate
        progress.optimizer.step()
        progress.update_average()
        progress.step += 1
        self._losses.append(loss)

    @contextmanager
    def _stopped_clock(self) -> Iterator[None]:
        """Validation does not count as training time, so that a run with more validation sets is not shorter."""
        before = self._policy.clock()
        yield
        self._started_at += self._policy.clock() - before

    def _save(self, rate: float) -> None:
        progress = self._progress
        point = ProgressPoint(
            minutes=progress.seconds / 60,
            samples=self._samples,
            rate=rate,
            loss=sum(self._losses) / len(self._losses),
            averaged=self._validate(progress.average),
            last=self._validate(progress.weights.detach()),
        )
        self._losses.clear()
        progress.curve = (*progress.curve, point)
        if self._policy.checkpoint is not None:
            progress.save(self._policy.checkpoint)
        self._policy.report(point)

    def _validate(self, weights: torch.Tensor) -> dict[str, float]:
        self._net.load_vector(weights)
        return {validation.name: exact_match_rate(self._net, validation) for validation in self._policy.sets}
