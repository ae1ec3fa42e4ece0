"""Renders training data in chunks, in several processes. The result depends on the seed only, not on the number of processes."""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Final, TypeVar

import cv2
import numpy as np

Chunk = TypeVar("Chunk")
_CHUNK: Final = 500
_REPORT_EVERY: Final = 10


def render_chunks(
    render: Callable[[np.random.Generator, int], Chunk],
    samples: int,
    seed: int,
    *,
    threads: int,
    report: Callable[[str], None],
    things: str,
) -> list[Chunk]:
    """`render` is a function of a module: it gets a chunk's generator and its number of samples. `things`: their name, for the reports."""
    firsts = range(0, samples, _CHUNK)
    counts = [min(_CHUNK, samples - first) for first in firsts]
    chunks = []
    # spawn, not fork: the threads of OpenCV and torch do not exist in a forked child, which would wait for them
    with ProcessPoolExecutor(threads, multiprocessing.get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,)) as processes:
        generators = (np.random.default_rng([seed, first]) for first in firsts)
        for number, chunk in enumerate(processes.map(render, generators, counts), 1):
            chunks.append(chunk)
            if number % _REPORT_EVERY == 0:
                report(f"{number * _CHUNK} {things} rendered")
    return chunks
