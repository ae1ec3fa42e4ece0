"""Locates a signal head near the drawn box and reads which lamp is lit, with a small network trained on rendered heads.

The network sees the drawn box with a margin and answers three times, where the housing is and which lamp is lit: first for the drawn box,
then centred on the housing that it located before. A loose or shifted box and a camera that sways therefore change little, and a head that
is covered is not read. A head that is not read then, or is red with a low score, is looked at again from the drawn box, mirrored where it
was not, and all six answers decide. Where they do not tell a lamp either, six closer looks around the housing decide instead: they do not
depend on the drawn box any more. A red that is not is worse than an unknown: red needs more than yellow and green do, and red light in its
own section of the located housing.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.errors import WeightsMissing
from etle.types import Box, Digest, Lamp, LocatedHead
from models.runtime.onnx_session import OnnxSession
from models.signals.window import WINDOW, cut_window, in_image, network_input

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

WEIGHTS: Final = "lamps"
LAMPS: Final = (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)
"""The network's first outputs; the following ones are nothing lit, several lit, and hidden, in the order of `SignalState`."""
_STATES: Final = 6
_DARK, _SEVERAL, _HIDDEN = 3, 4, 5
_LEAST: Final = 1e-6
"""Added to each probability, so that one answer alone does not exclude a state."""
_MIRRORED: Final = (False, True, False)
"""Whether each look is mirrored across the row of lamps; looks after the first are centred on the housing located before."""
_AROUND: Final = ((1.15, 0.0, 0.0), (0.9, 0.0, 0.0), (1.0, 0.1, 0.05), (1.0, -0.1, -0.05), (1.0, 0.1, -0.05), (1.0, -0.1, 0.05))
"""Scale and shift, as fractions of the located housing, of closer looks at it: each samples the pixels differently."""
_CLEAR_RED: Final = 0.8
"""A red with a lower score is looked at again."""
_MAX_HIDDEN: Final = 0.9
"""Maximum probability, in a look, that there is no head to look at more closely."""
_MIN_WIDTH_PX = 3.0
"""Minimum shorter side of the drawn box."""
_MIN_INSIDE = 0.6
"""Minimum fraction of the drawn box, and of the head that was located, inside the image."""
_DARK_PRIOR: Final = 0.05
"""Dark heads are rarer on the road than among the rendered heads; applies to yellow and green only."""
_MIN_PROBABILITY: Final = 0.4
"""Of yellow and green."""
_MAX_SEVERAL: Final = 0.5
"""Maximum probability of several lit lamps relative to that of yellow or green."""
_MAX_RED_BESIDE_YELLOW: Final = 0.3
"""Maximum probability of red relative to that of yellow: both burn out to the same colour."""
_MAX_BESIDE_RED: Final = (0.1, 0.05, 0.55, 0.16, 0.35)
"""Maximum probabilities of yellow, green, nothing, several and hidden, relative to that of red: a red that is not accuses the innocent."""
_MAX_LAMP_BESIDE_RED: Final = 0.3
"""Maximum probability of yellow and of green, relative to that of red, in the first looks at a head that closer ones call red."""
_MIN_RED_LIGHT: Final = 16.0
"""Minimum difference of the red channel (0 to 255) between the brightest part of the red sections and the middle of the others."""


class SignalHeadReader:
    """Not thread-safe."""

    name = WEIGHTS

    def __init__(self, path: Path) -> None:
        """Raises WeightsMissing, WeightsError, MissingExtra."""
        try:
            weights = path.read_bytes()
        except FileNotFoundError as error:
            raise WeightsMissing(f"Weights {path} of the lamp network are missing: they are part of etle, reinstall it") from error
        self.digest = Digest(sha256(weights).hexdigest())
        self._network = OnnxSession(weights, "lamp network")

    def read(self, image: "Image", head: Box, order: Sequence[Lamp]) -> tuple[Lamp, float]:
        """The lit lamp of the signal in box `head` and a score from 0 to 1; (UNKNOWN, 0) if it cannot be determined.

        `image`: height x width x 3, uint8, BGR; `head` in its pixels. `order`: the lamps from top to bottom, or from left to right if the
        head is wider than high.
        """
        located = self.locate(image, head, order)
        return located.lamp, located.score

    def locate(self, image: "Image", head: Box, order: Sequence[Lamp]) -> LocatedHead:
        """As `read`, with the housing that was found."""
        if min(head.width, head.height) < _MIN_WIDTH_PX or _inside(head, image) < _MIN_INSIDE:
            return LocatedHead(lamp=Lamp.UNKNOWN, score=0.0, box=None)
        answers: list[NDArray[np.float64]] = []
        box = self._look(image, head, order, _MIRRORED, answers)
        if box is not None and _is_doubtful(*_judged(_mean(answers))):
            box = self._look(image, head, order, [not mirror for mirror in _MIRRORED], answers)
        if box is None:
            return LocatedHead(lamp=Lamp.UNKNOWN, score=0.0, box=None)
        lamp, score = self._decide(image, box, order, _mean(answers))
        if lamp not in order or (lamp is Lamp.RED and _red_light(image, box, order) < _MIN_RED_LIGHT):
            return LocatedHead(lamp=Lamp.UNKNOWN, score=0.0, box=box)
        return LocatedHead(lamp=lamp, score=round(score, 3), box=box)

    def _look(
        self, image: "Image", head: Box, order: Sequence[Lamp], mirrored: Sequence[bool], answers: "list[NDArray[np.float64]]"
    ) -> Box | None:
        """Adds the states of each look to `answers`; the housing that the last look located, None if there is no head."""
        box: Box | None = None
        for mirror in mirrored:
            if box is not None and (answers[-1][_HIDDEN] > _MAX_HIDDEN or _inside(box, image) < _MIN_INSIDE):
                return None
            states, box = self._infer(image, head if box is None else box, order, mirror)
            answers.append(states)
        return box

    def _decide(self, image: "Image", box: Box, order: Sequence[Lamp], states: "NDArray[np.float64]") -> tuple[Lamp, float]:
        """The lamp and its score from the states of the looks so far, or from closer ones."""
        lamp, score = _judged(states)
        if not _is_doubtful(lamp, score):
            return lamp, score
        lamp, score = _judged(_mean(self._closer_looks(image, box, order)))
        if lamp is Lamp.RED and states[1:3].max() > _MAX_LAMP_BESIDE_RED * states[0]:
            return Lamp.UNKNOWN, 0.0
        return lamp, score

    def _closer_looks(self, image: "Image", box: Box, order: Sequence[Lamp]) -> "list[NDArray[np.float64]]":
        """The states of looks around the located housing; every other one is mirrored. Heads of a few pixels are enlarged smoothly."""
        answers = []
        for number, (scale, right, down) in enumerate(_AROUND):
            x, y = box.centre.x + right * box.width, box.centre.y + down * box.height
            width, height = scale * box.width / 2, scale * box.height / 2
            near = Box(x - width, y - height, x + width, y + height)
            answers.append(self._infer(image, near, order, number % 2 == 1, enlarged_by=cv2.INTER_CUBIC)[0])
        return answers

    def _infer(
        self, image: "Image", head: Box, order: Sequence[Lamp], mirror: bool, *, enlarged_by: int = cv2.INTER_LINEAR
    ) -> "tuple[NDArray[np.float64], Box]":
        """Probability of each state, and the housing in pixels of the image."""
        seen = network_input(cut_window(image, head, enlarged_by=enlarged_by), order)
        output = self._network.run(np.ascontiguousarray(seen[..., ::-1]) if mirror else seen)[0].astype(np.float64)
        odds = np.exp(output[:_STATES] - output[:_STATES].max())
        x1, y1, x2, y2 = (output[_STATES:].clip(0, 1) * np.array(WINDOW * 2)).tolist()
        if mirror:
            x1, x2 = WINDOW[0] - x2, WINDOW[0] - x1
        return odds / odds.sum(), in_image(Box(x1, y1, max(x2, x1 + 1), max(y2, y1 + 1)), head)


def _mean(answers: "Sequence[NDArray[np.float64]]") -> "NDArray[np.float64]":
    """The geometric mean of the probabilities."""
    means = np.exp(np.log(np.stack(answers) + _LEAST).mean(axis=0))
    states: NDArray[np.float64] = means / means.sum()
    return states


def _is_doubtful(lamp: Lamp, score: float) -> bool:
    return lamp is Lamp.UNKNOWN or (lamp is Lamp.RED and score < _CLEAR_RED)


def _judged(states: "NDArray[np.float64]") -> tuple[Lamp, float]:
    """The lamp and its score from the probabilities of the states."""
    if states.argmax() == 0:
        is_red = (states[1:] <= np.array(_MAX_BESIDE_RED) * states[0]).all()
        return (Lamp.RED, float(states[0])) if is_red else (Lamp.UNKNOWN, 0.0)
    likely = states.copy()
    likely[_DARK] *= _DARK_PRIOR
    likely /= likely.sum()
    best = int(likely.argmax())
    if best not in (1, 2) or likely[best] < _MIN_PROBABILITY or likely[_SEVERAL] > _MAX_SEVERAL * likely[best]:
        return Lamp.UNKNOWN, 0.0
    if LAMPS[best] is Lamp.YELLOW and states[0] > _MAX_RED_BESIDE_YELLOW * states[best]:
        return Lamp.UNKNOWN, 0.0
    return LAMPS[best], float(likely[best])


def _red_light(image: "Image", box: Box, order: Sequence[Lamp]) -> float:
    """How much more red light the sections of the red lamps show than the others: 95th percentile minus median of the red channel."""
    height, width = image.shape[:2]
    x1, x2 = (min(width, max(0, round(x))) for x in (box.x1, box.x2))
    y1, y2 = (min(height, max(0, round(y))) for y in (box.y1, box.y2))
    red = image[y1:y2, x1:x2, 2]
    upright = red if box.height >= box.width else red.T
    of_red = np.array([order[i * len(order) // len(upright)] is Lamp.RED for i in range(len(upright))])
    if not of_red.any() or of_red.all() or not upright.size:
        return 0.0
    return float(np.percentile(upright[of_red], 95) - np.median(upright[~of_red]))


def _inside(box: Box, image: "Image") -> float:
    """Fraction of the box inside the image."""
    height, width = image.shape[:2]
    across = min(width, box.x2) - max(0.0, box.x1)
    along = min(height, box.y2) - max(0.0, box.y1)
    return float(max(0.0, across) * max(0.0, along) / box.area)
