"""The training of the plate's colour: a small network over a few dozen pixels, by Adam, on plates that are drawn as it goes.

It needs neither torch nor a graphics card: 30,000 plates and their lights are learned in about three minutes, nearly all of it drawing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from models.plates.readers.colour import COLOURS, FEATURES, HIDDEN, ColourNetwork, features
from models.synthetic.plates import render_plate, seen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

_HELD_BACK = 10
"""One in ten plates is kept to measure with."""
_EPOCHS, _BATCH, _RATE, _DECAY = 40, 64, 1e-3, 1e-4
_MOMENTS = 0.9, 0.999


@dataclass(frozen=True, slots=True)
class ColourTrainingResult:
    network: ColourNetwork
    right: float
    """Share of the drawn plates that were held back."""


def train_colours(samples: int, seed: int, say: Callable[[str], None]) -> ColourTrainingResult:
    x, y = _drawn(samples, np.random.default_rng(seed), say)
    kept = np.arange(samples) % _HELD_BACK == 0
    network = _fitted(x[~kept], y[~kept], np.random.default_rng(seed))
    right = float((network.probabilities(x[kept]).argmax(axis=1) == y[kept]).mean())
    return ColourTrainingResult(network, right)


def _drawn(samples: int, rng: np.random.Generator, say: Callable[[str], None]) -> "tuple[Floats, NDArray[np.int64]]":
    x, y = np.empty((samples, FEATURES), np.float32), np.empty(samples, np.int64)
    for i in range(samples):
        plate = seen(render_plate(rng), rng)
        x[i], y[i] = features(plate.image), COLOURS.index(plate.colour)
        if (i + 1) % 5000 == 0:
            say(f"{i + 1} plates drawn")
    return x, y


def _fitted(x: "Floats", y: "NDArray[np.int64]", rng: np.random.Generator) -> ColourNetwork:
    """Cross entropy, the rate falling as a cosine."""
    weights = _initial(rng)
    moments = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    steps = _EPOCHS * (len(x) // _BATCH)
    for step in range(1, steps + 1):
        some = rng.integers(0, len(x), _BATCH)
        rate = _RATE * 0.5 * (1 + np.cos(np.pi * step / steps))
        for weight, gradient, (first, second) in zip(weights, _gradients(weights, x[some], y[some]), moments, strict=True):
            _adam(weight, gradient, first, second, rate, step)
    return ColourNetwork(*weights)


def _initial(rng: np.random.Generator) -> "list[Floats]":
    def spread(rows: int, columns: int) -> "Floats":
        return rng.normal(0, (2 / rows) ** 0.5, (rows, columns)).astype(np.float32)

    return [spread(FEATURES, HIDDEN), np.zeros(HIDDEN, np.float32), spread(HIDDEN, len(COLOURS)), np.zeros(len(COLOURS), np.float32)]


def _gradients(weights: "list[Floats]", x: "Floats", y: "NDArray[np.int64]") -> "list[Floats]":
    first, _, second, _ = weights
    network = ColourNetwork(*weights)
    hidden = network.hidden(x)
    error = network.probabilities(x)
    error[np.arange(len(y)), y] -= 1
    error /= len(y)
    back = (error @ second.T) * (hidden > 0)
    return [x.T @ back + _DECAY * first, back.sum(axis=0), hidden.T @ error + _DECAY * second, error.sum(axis=0)]


def _adam(weight: "Floats", gradient: "Floats", first: "Floats", second: "Floats", rate: float, step: int) -> None:
    """Kingma and Ba 2015; in place."""
    a, b = _MOMENTS
    first += (1 - a) * (gradient - first)
    second += (1 - b) * (gradient**2 - second)
    weight -= (rate / (1 - a**step)) * first / (np.sqrt(second / (1 - b**step)) + 1e-8)
