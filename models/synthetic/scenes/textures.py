"""Procedural textures: noise at several scales, surfaces, colours and lettering."""

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from models.synthetic.scenes.values import Colour

if TYPE_CHECKING:
    from etle.types import Image

Rng = np.random.Generator
_CONSONANTS, _VOWELS, _DIGITS = "bcdfghjklmnprstwyz", "aeiou", "0123456789"
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_TRIPLEX, cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_SCRIPT_COMPLEX, cv2.FONT_HERSHEY_PLAIN,
)  # fmt: skip


def chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def vary_colour(rng: Rng, colour: Colour, spread: float = 12) -> Colour:
    """The colour with random noise of this standard deviation per channel."""
    b, g, r = (np.array(colour) + rng.normal(0, spread, 3)).clip(0, 255).tolist()
    return b, g, r


def grey(rng: Rng, low: float, high: float) -> Colour:
    return vary_colour(rng, (rng.uniform(low, high),) * 3, 5)


def vivid(rng: Rng) -> Colour:
    """A random saturated colour, light or dark."""
    hsv = np.array([[[rng.integers(180), rng.integers(90, 256), rng.integers(60, 256)]]], np.uint8)
    b, g, r = cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return b, g, r


def noise(rng: Rng, height: int, width: int, coarse: int = 4, octaves: int = 4) -> NDArray[np.float32]:
    """height x width, float32, about -1 to 1: noise summed over octaves; `coarse`: number of cells across in the first one."""
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        across = coarse * 2**octave
        down = max(2, round(across * height / width))
        if across >= width or down >= height:
            break
        grid = rng.normal(0, 1, (down, across)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.6**octave / 2)
    return total


def surface(rng: Rng, height: int, width: int, colour: Colour, depth: float = 25, coarse: int = 4) -> NDArray[np.float32]:
    """A colour with noise of amplitude `depth` and grain: height x width x 3, float32."""
    base = np.full((height, width, 3), colour, np.float32)
    grain = rng.normal(0, depth * rng.uniform(0.05, 0.35), (height, width)).astype(np.float32)
    return base + (noise(rng, height, width, coarse) * depth + grain)[..., None]


def lettering(rng: Rng, image: "Image | NDArray[np.float32]", middle: tuple[float, float], height: float, colour: Colour) -> None:
    """Draw a random word (in place), centred at this point."""
    word = _word(rng)
    font = int(rng.choice(_FONTS))
    thickness = max(1, round(height * rng.uniform(0.06, 0.2)))
    (_, own), _ = cv2.getTextSize(word, font, 1.0, thickness)
    scale = height / max(own, 1)
    (wide, high), _ = cv2.getTextSize(word, font, scale, thickness)
    word_mask = np.zeros((high + 2 * thickness + 4, wide + 2 * thickness + 4), np.uint8)
    cv2.putText(word_mask, word, (thickness + 2, high + thickness), font, scale, 255.0, thickness, cv2.LINE_AA)
    stamp(image, word_mask, (round(middle[0] - wide / 2), round(middle[1] - high / 2)), colour)


def _word(rng: Rng) -> str:
    """A word as on shops, vehicles and signs: `Sate Budi`, `TOKU`, `RP 35`, `0812-44`."""
    kind = rng.random()
    if kind < 0.15:
        return _pick(rng, _DIGITS, 4) + "-" + _pick(rng, _DIGITS, int(rng.integers(2, 6)))
    parts = ["".join(_pick(rng, _CONSONANTS, 1) + _pick(rng, _VOWELS, 1) for _ in range(int(rng.integers(1, 4)))) for _ in range(2)]
    words = [part + (_pick(rng, _CONSONANTS, 1) if chance(rng, 0.5) else "") for part in parts[: 1 + chance(rng, 0.3)]]
    if kind < 0.3:
        words.append(_pick(rng, _DIGITS, int(rng.integers(1, 3))))
    word = " ".join(words)
    return word.upper() if chance(rng, 0.6) else word.capitalize()


def _pick(rng: Rng, letters: str, count: int) -> str:
    return "".join(letters[i] for i in rng.integers(0, len(letters), count))


def stamp(image: "Image | NDArray[np.float32]", mask: NDArray[np.uint8], at: tuple[int, int], colour: Colour) -> None:
    """Draw the colour with `mask` as alpha (in place), its upper left corner at `at`, clipped to the image."""
    x, y = at
    x1, y1, x2, y2 = max(x, 0), max(y, 0), min(x + mask.shape[1], image.shape[1]), min(y + mask.shape[0], image.shape[0])
    if x2 <= x1 or y2 <= y1:
        return
    alpha = mask[y1 - y : y2 - y, x1 - x : x2 - x, None].astype(np.float32) / 255
    image[y1:y2, x1:x2] = image[y1:y2, x1:x2] * (1 - alpha) + np.array(colour, np.float32) * alpha
