"""Computes the gradient of a batch in several processes, one shard each."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection

import cv2
import onnx
import torch
from torch import multiprocessing

from etle.errors import InferenceError
from models.training.shard import Shard, TrainTask


class GradientPool:
    """All shards use the vector `weights`; change it in place to update them."""

    def __init__(self, shard: Shard, processes: "tuple[tuple[Connection, torch.Tensor], ...]", weights: torch.Tensor) -> None:
        """`shard` is computed in this process; `processes`: the pipe and the gradient vector of each other process."""
        self.weights = weights
        self._shard = shard
        self._processes = processes
        self._gradient = torch.zeros_like(weights)
        shard.bind(weights, self._gradient)

    def gradient(self, step: int) -> tuple[torch.Tensor, float]:
        """The batch's gradient and its mean loss. Raises InferenceError if a process has died."""
        for pipe, _ in self._processes:
            pipe.send(step)
        loss = self._shard.compute_gradient(step)
        for number, (pipe, gradient) in enumerate(self._processes, 1):
            try:
                loss += pipe.recv()
            except EOFError:
                raise InferenceError(f"Training process {number} died; its error is above. Resume from the last checkpoint.") from None
            self._gradient += gradient
        return self._gradient, loss


@contextmanager
def gradient_pool(model: onnx.ModelProto, task: TrainTask, *, threads: int) -> Iterator[GradientPool]:
    """One shard in this process and `threads` - 1 in others, which end with the block."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    shard = Shard(model, task, count=threads)
    weights = shard.initial_weights().share_memory_()
    context = multiprocessing.get_context("spawn")
    started, ends = [], []
    try:
        for index in range(1, threads):
            own_end, child_end = context.Pipe()
            gradient = torch.zeros_like(weights).share_memory_()
            arguments = (child_end, model.SerializeToString(), task, index, threads, weights, gradient)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            child_end.close()
            started.append(process)
            ends.append((own_end, gradient))
        yield GradientPool(shard, tuple(ends), weights)
    finally:
        for pipe, _ in ends:
            pipe.close()
        for process in started:
            process.join()


def _serve(pipe: Connection, model: bytes, task: TrainTask, index: int, count: int, weights: torch.Tensor, gradient: torch.Tensor) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    shard = Shard(onnx.load_from_string(model), task, index=index, count=count)
    shard.bind(weights, gradient)
    with suppress(EOFError, BrokenPipeError):  # the training has ended or was killed
        while True:
            pipe.send(shard.compute_gradient(pipe.recv()))
