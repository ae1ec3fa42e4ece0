"""Classifies the base colour of a plate: private (white, or black before 2022), public transport, government, free-trade zone.

At night colours are shifted: sodium lamps make white yellow, tail lamps make black red. The characters and the surroundings show the
colour of the light, so a small network classifies the whole crop; it is trained on rendered plates under rendered lamps
(`models.training.colours`). Below a minimum probability the result is UNKNOWN.
"""

from dataclasses import dataclass
from functools import cache
from io import BytesIO
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
_MIN_CONTRAST = 14.0
"""Minimum difference in grey levels of characters and base; below it the crop shows no plate that can be classified."""
_GLARE_SIGMA_PX = 12.0
"""Sigma of the blur that estimates the local brightness, in pixels of `_LINE`."""
_DOWNSCALE = 4
"""Factor by which the line is scaled down for that blur; it saves time."""
_POLARITY_SCALE = 6.0
"""Factor on the fraction of bright pixels: it separates light characters from dark ones under any lamp."""
_MIN_PROBABILITY = 0.5
_MARGIN = (0.1, 0.11)
"""Cut off on each side, relative to the crop: with it 213 of 213 labelled plates of photos are right, without it 209."""
WEIGHTS = "plate-colour"


@dataclass(frozen=True, slots=True)
class ColourNetwork:
    """One hidden layer (ReLU), then a probability for each of COLOURS."""

    first: "Floats"
    first_bias: "Floats"
    second: "Floats"
    second_bias: "Floats"

    def hidden(self, x: "Floats") -> "Floats":
        values: Floats = np.maximum(x @ self.first + self.first_bias, 0)
        return values

    def probabilities(self, x: "Floats") -> "Floats":
        """n x COLOURS, for features of n x FEATURES."""
        scores = self.hidden(x) @ self.second + self.second_bias
        exponentials: Floats = np.exp(scores - scores.max(axis=1, keepdims=True))
        result: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
        return result

    def to_bytes(self) -> bytes:
        """The content of an .npz file, with 16-bit weights."""
        file = BytesIO()
        np.savez(file, **{name: getattr(self, name).astype(np.float16) for name in self.__slots__})
        return file.getvalue()


def load_network(path: Path) -> ColourNetwork:
    """Raises WeightsMissing, WeightsError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            network = ColourNetwork(*(file[name].astype(np.float32) for name in ColourNetwork.__slots__))
    except FileNotFoundError as error:
        raise WeightsMissing(f"Weights {path} of the plate colour classifier are missing: they are part of etle, reinstall it") from error
    except (KeyError, ValueError, OSError) as error:
        raise WeightsError(f"{path} does not contain the weights of the plate colour classifier: {error}") from error
    if network.first.shape != (FEATURES, HIDDEN) or network.second.shape != (HIDDEN, len(COLOURS)):
        raise WeightsError(f"{path} contains weights of another network: {network.first.shape}, {network.second.shape}")
    return network


def plate_colour(crop: "Image") -> PlateColour:
    """`crop`: height x width x 3, uint8, BGR. UNKNOWN if the crop is too small, or the result not probable enough."""
    if crop.shape[0] < 8 or crop.shape[1] < 24:
        return PlateColour.UNKNOWN
    inner = _inner(crop)
    bright, dark, _ = statistics = _statistics(inner)
    if bright.mean() - dark.mean() < _MIN_CONTRAST:
        return PlateColour.UNKNOWN
    probabilities = _shipped_network().probabilities(_features(inner, statistics)[None])[0]
    best = int(probabilities.argmax())
    return COLOURS[best] if probabilities[best] >= _MIN_PROBABILITY else PlateColour.UNKNOWN


def _inner(crop: "Image") -> "Image":
    """The crop without its usual margin, in which a red fender beside a black plate misleads."""
    height, width = crop.shape[:2]
    x, y = round(_MARGIN[0] * width), round(_MARGIN[1] * height)
    return crop[y : height - y, x : width - x]


def features(crop: "Image") -> "Floats":
    """FEATURES float32 values around 0: the crop scaled down to `_GRID`, and the statistics of its bright and dark pixels."""
    return _features(crop, _statistics(crop))


def _features(crop: "Image", statistics: "tuple[Floats, Floats, float]") -> "Floats":
    grid = cv2.resize(crop, _GRID, interpolation=cv2.INTER_AREA).astype(np.float32).ravel() / 127.5 - 1
    bright, dark, fraction = statistics
    return np.concatenate([grid, bright / 127.5 - 1, dark / 127.5 - 1, [_POLARITY_SCALE * (fraction - 0.5)]]).astype(np.float32)


def _statistics(crop: "Image") -> "tuple[Floats, Floats, float]":
    """Median colours (BGR, 0 to 255) of the bright and of the dark pixels of the number line, and the fraction of bright pixels."""
    height, width = crop.shape[:2]
    inner = crop[round(0.12 * height) : round(0.68 * height), round(0.06 * width) : round(0.94 * width)]
    line = cv2.resize(inner, _LINE, interpolation=cv2.INTER_AREA)
    bright = _bright_pixels(cv2.cvtColor(line, cv2.COLOR_BGR2GRAY))
    if bright.all() or not bright.any():
        median: Floats = np.median(line.reshape(-1, 3), axis=0).astype(np.float32)
        return median, median, 0.5
    return np.median(line[bright], axis=0), np.median(line[~bright], axis=0), float(bright.mean())


def _bright_pixels(grey: "NDArray[np.uint8]") -> "NDArray[np.bool_]":
    """Mask of the pixels brighter than their surroundings; brightness that changes slowly is glare, not a character."""
    coarse = cv2.resize(grey, (_LINE[0] // _DOWNSCALE, _LINE[1] // _DOWNSCALE), interpolation=cv2.INTER_AREA)
    level = cv2.resize(cv2.GaussianBlur(coarse, (0, 0), _GLARE_SIGMA_PX / _DOWNSCALE), _LINE, interpolation=cv2.INTER_LINEAR)
    flat = np.clip(grey.astype(np.int16) - level.astype(np.int16) + 128, 0, 255).astype(np.uint8)
    threshold, _ = cv2.threshold(flat, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    bright: NDArray[np.bool_] = flat > threshold
    return bright


@cache
def _shipped_network() -> ColourNetwork:
    from models.weights.locate import weight

    return load_network(weight(WEIGHTS))
