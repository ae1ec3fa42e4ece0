"""Parts of a batch in processes of their own."""

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
    """`weights` is what the parts run with: whoever changes it in place changes them all."""

    def __init__(self, part: Shard, processes: "tuple[tuple[Connection, torch.Tensor], ...]", weights: torch.Tensor) -> None:
        self.weights = weights
        self._part = part
        self._others = processes
        self._gradient = torch.zeros_like(weights)
        part.share(weights, self._gradient)

    def gradient(self, step: int) -> tuple[torch.Tensor, float]:
        """The batch's gradient and its mean loss. Raises InferenceError if a process has died."""
        for pipe, _ in self._others:
            pipe.send(step)
        loss = self._part.learn(step)
        for number, (pipe, gradient) in enumerate(self._others, 1):
            try:
                loss += pipe.recv()
            except EOFError:
                raise InferenceError(f"Training process {number} has died; see above. Go on from the last checkpoint.") from None
            self._gradient += gradient
        return self._gradient, loss


@contextmanager
def gradient_pool(model: onnx.ModelProto, lesson: TrainTask, *, threads: int) -> Iterator[GradientPool]:
    """One part in this process and threads - 1 in others; they end with the block."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    part = Shard(model, lesson, of=threads)
    weights = part.initial().share_memory_()
    context = multiprocessing.get_context("spawn")
    started, ends = [], []
    try:
        for index in range(1, threads):
            here, there = context.Pipe()
            gradient = torch.zeros_like(weights).share_memory_()
            arguments = (there, model.SerializeToString(), lesson, index, threads, weights, gradient)
            process = context.Process(target=_serve, args=arguments, daemon=True)
            process.start()
            there.close()
            started.append(process)
            ends.append((here, gradient))
        yield GradientPool(part, tuple(ends), weights)
    finally:
        for pipe, _ in ends:
            pipe.close()
        for process in started:
            process.join()


def _serve(pipe: Connection, model: bytes, lesson: TrainTask, index: int, of: int, weights: torch.Tensor, gradient: torch.Tensor) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    part = Shard(onnx.load_from_string(model), lesson, index=index, of=of)
    part.share(weights, gradient)
    with suppress(EOFError, BrokenPipeError):  # the training has ended, or was killed
        while True:
            pipe.send(part.learn(pipe.recv()))
