"""The base colour of a plate: private (white, or black before 2022), public transport, government, free-trade zone.

Colours lie at night: sodium lamps make white yellow, tail lamps make black red. What light fell on a plate shows in its letters and
around it, so a small network looks at all of the crop; it learned from drawn plates under drawn lamps (`models.training.colours`).
What stays doubtful is UNKNOWN.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from etle.errors import WeightsError, WeightsMissing
from etle.types import PlateColour

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

    Floats = NDArray[np.float32]

COLOURS = (PlateColour.WHITE, PlateColour.BLACK, PlateColour.YELLOW, PlateColour.RED, PlateColour.GREEN)
_GRID = (24, 8)
_LINE = (128, 40)
FEATURES = 3 * _GRID[0] * _GRID[1] + 7
HIDDEN = 64
_LEAST_CONTRAST = 14.0
"""Grey levels between letters and base; below it neither is one."""
_GLARE = 12.0
"""Pixels of the line of `_LINE`."""
_COARSE = 4
"""So many pixels are one where only slow changes of light matter."""
_POLARITY = 6.0
"""Weight of the share of light pixels: it tells light letters from dark ones, and no lamp turns one into the other."""
_SURE = 0.6
WEIGHTS = "plate-colour"


@dataclass(frozen=True, slots=True)
class ColourNetwork:
    """Features to one hidden layer (ReLU) to a probability for each of COLOURS."""

    first: "Floats"
    first_bias: "Floats"
    second: "Floats"
    second_bias: "Floats"

    def hidden(self, x: "Floats") -> "Floats":
        values: Floats = np.maximum(x @ self.first + self.first_bias, 0)
        return values

    def probabilities(self, x: "Floats") -> "Floats":
        """One row for each row of features."""
        scores = self.hidden(x) @ self.second + self.second_bias
        parts: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: Floats = parts / parts.sum(axis=1, keepdims=True)
        return shares

    def save(self, path: Path) -> None:
        np.savez(path, **{name: getattr(self, name).astype(np.float16) for name in self.__slots__})


def load_network(path: Path) -> ColourNetwork:
    """Raises WeightsMissing, WeightsError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            network = ColourNetwork(*(file[name].astype(np.float32) for name in ColourNetwork.__slots__))
    except FileNotFoundError as error:
        raise WeightsMissing(f"Weights {path} of the plate's colour are missing: etle brings them, install it anew") from error
    except (KeyError, ValueError, OSError) as error:
        raise WeightsError(f"{path} does not hold the weights of the plate's colour: {error}") from error
    if network.first.shape != (FEATURES, HIDDEN) or network.second.shape != (HIDDEN, len(COLOURS)):
        raise WeightsError(f"{path} holds weights of another network: {network.first.shape}, {network.second.shape}")
    return network


def plate_colour(crop: "Image") -> PlateColour:
    if crop.shape[0] < 8 or crop.shape[1] < 24:
        return PlateColour.UNKNOWN
    bright, dark, _ = parts = _parts(crop)
    if bright.mean() - dark.mean() < _LEAST_CONTRAST:
        return PlateColour.UNKNOWN
    shares = _shipped().probabilities(_features(crop, parts)[None])[0]
    best = int(shares.argmax())
    return COLOURS[best] if shares[best] >= _SURE else PlateColour.UNKNOWN


def features(crop: "Image") -> "Floats":
    """The crop in a few pixels, and what its light and dark parts are like; all about 0, at most 1."""
    return _features(crop, _parts(crop))


def _features(crop: "Image", parts: "tuple[Floats, Floats, float]") -> "Floats":
    grid = cv2.resize(crop, _GRID, interpolation=cv2.INTER_AREA).astype(np.float32).ravel() / 127.5 - 1
    bright, dark, share = parts
    return np.concatenate([grid, bright / 127.5 - 1, dark / 127.5 - 1, [_POLARITY * (share - 0.5)]]).astype(np.float32)


def _parts(crop: "Image") -> "tuple[Floats, Floats, float]":
    """The median colours of what is light and what is dark in the number's line, and the share of the light."""
    height, width = crop.shape[:2]
    inner = crop[round(0.12 * height) : round(0.68 * height), round(0.06 * width) : round(0.94 * width)]
    line = cv2.resize(inner, _LINE, interpolation=cv2.INTER_AREA)
    light = _light(cv2.cvtColor(line, cv2.COLOR_BGR2GRAY))
    if light.all() or not light.any():
        middle: Floats = np.median(line.reshape(-1, 3), axis=0).astype(np.float32)
        return middle, middle, 0.5
    return np.median(line[light], axis=0), np.median(line[~light], axis=0), float(light.mean())


def _light(grey: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Which pixels are lighter than the plate around them: light that changes slowly is glare, and no letter."""
    coarse = cv2.resize(grey, (_LINE[0] // _COARSE, _LINE[1] // _COARSE), interpolation=cv2.INTER_AREA)
    level = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), _GLARE / _COARSE), _LINE, interpolation=cv2.INTER_LINEAR)
    flat = np.clip(grey.astype(np.int16) - level.astype(np.int16) + 128, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(flat, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    light: NDArray[np.bool_] = flat > threshold
    return light


@cache
def _shipped() -> ColourNetwork:
    from models.weights.locate import weight

    return load_network(weight(WEIGHTS))
