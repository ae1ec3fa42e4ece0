"""Whether the picture is dark, blurred (dirt, fog, focus) or shifted against the camera's first picture. Every ten seconds."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import hypot
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.clock import seconds_between

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

CHECK_EVERY_S: Final = 10.0
_WIDTH: Final = 160
_DARK: Final = 35.0
"""Mean grey level, 0 to 255, below which plates and vehicles without lights are not seen."""
_BLURRED: Final = 0.5
"""Edges are this weak compared with the first picture."""
_MOVED: Final = 0.02
"""Shift against the first picture, as a fraction of the width: 38 px in 1080p."""
_MIN_RESPONSE: Final = 0.08
"""Height of the correlation's peak below which a shift is not believed: traffic and light change the picture, too."""


class ViewFault(StrEnum):
    DARK = "dark"
    BLURRED = "blurred"
    MOVED = "moved"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewCheckState:
    """The first picture, reduced: `height` rows of 160 grey values; empty until one that is not dark. `checked_at`: of the last check."""

    checked_at: datetime
    height: int
    reference: bytes = b""


def check_view(image: "Image", at: datetime, state: ViewCheckState | None) -> tuple[frozenset[ViewFault], ViewCheckState] | None:
    """Faults of the picture and the new state; None if the last check was less than ten seconds ago.

    `image`: height x width x 3, uint8, BGR, at any size.
    """
    if state is not None and 0 <= seconds_between(state.checked_at, at) < CHECK_EVERY_S:
        return None
    grey = _reduced(image)
    reference = state.reference if state is not None and state.height == len(grey) else b""
    if float(grey.mean()) < _DARK:
        return frozenset({ViewFault.DARK}), ViewCheckState(checked_at=at, height=len(grey), reference=reference)
    if not reference:
        return frozenset(), ViewCheckState(checked_at=at, height=len(grey), reference=grey.tobytes())
    faults = _compared(grey, np.frombuffer(reference, np.uint8).reshape(grey.shape))
    return faults, ViewCheckState(checked_at=at, height=len(grey), reference=reference)


def _compared(grey: "NDArray[np.uint8]", reference: "NDArray[np.uint8]") -> frozenset[ViewFault]:
    now, before = _edges(grey), _edges(reference)
    faults = set()
    if float(now.mean()) < _BLURRED * float(before.mean()):
        faults.add(ViewFault.BLURRED)
    window = cv2.createHanningWindow((grey.shape[1], grey.shape[0]), cv2.CV_32F)
    (dx, dy), response = cv2.phaseCorrelate(before, now, window)
    if response >= _MIN_RESPONSE and hypot(dx, dy) > _MOVED * grey.shape[1]:
        faults.add(ViewFault.MOVED)
    return frozenset(faults)


def _edges(grey: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Magnitude of the gradient, height x width."""
    return np.asarray(cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)), np.float32)


def _reduced(image: "Image") -> "NDArray[np.uint8]":
    height = max(1, round(_WIDTH * image.shape[0] / image.shape[1]))
    return np.asarray(cv2.cvtColor(cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY), np.uint8)
