"""Whether the picture is dark, blurred (dirt, fog, focus) or shifted against the camera's first picture. Every ten seconds.

The first picture is the site file's `reference`, on which the lines were drawn, or else the first one that is not dark. While the camera
looks elsewhere its lines lie on other ground: the stage then reports nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from math import hypot
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from etle.clock import seconds_between
from etle.errors import FrameBroken
from etle.types import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etle.types import Image

CHECK_EVERY_S: Final = 10.0
MOVED_CHECKS: Final = 2
_MARGIN: Final = 2
_MIN_LIKENESS, _CLEARER = 0.5, 1.15
"""The shifted first picture has to be like this one, and clearly more so than where it was: a vehicle in an empty picture is no shift."""
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
    moved: int = 0
    """In so many checks in a row the view was shifted. A check that cannot tell, as in fog, does not count."""

    @property
    def looks_elsewhere(self) -> bool:
        """Whether the camera has moved: its rules pause."""
        return self.moved >= MOVED_CHECKS


def check_view(image: "Image", at: datetime, state: ViewCheckState | None) -> tuple[frozenset[ViewFault], ViewCheckState] | None:
    """Faults of the picture and the new state; None if the last check was less than ten seconds ago.

    `image`: height x width x 3, uint8, BGR, at any size.
    """
    if state is not None and 0 <= seconds_between(state.checked_at, at) < CHECK_EVERY_S:
        return None
    grey = _reduced(image)
    reference = state.reference if state is not None and state.height == len(grey) else b""
    if float(grey.mean()) < _DARK:
        moved = state.moved if state is not None and reference else 0
        return frozenset({ViewFault.DARK}), ViewCheckState(checked_at=at, height=len(grey), reference=reference, moved=moved)
    if not reference:
        return frozenset(), ViewCheckState(checked_at=at, height=len(grey), reference=grey.tobytes())
    before = np.frombuffer(reference, np.uint8).reshape(grey.shape)
    faults, shifted = set(), _is_shifted(grey, before)
    if float(_edges(grey).mean()) < _BLURRED * float(_edges(before).mean()):
        faults.add(ViewFault.BLURRED)
    if shifted:
        faults.add(ViewFault.MOVED)
    earlier = state.moved if state is not None else 0
    moved = earlier if shifted is None else earlier + 1 if shifted else 0
    return frozenset(faults), ViewCheckState(checked_at=at, height=len(grey), reference=reference, moved=moved)


def is_elsewhere(image: "Image", state: ViewCheckState | None, vehicles: Sequence[Box] = (), frame_width: int = 0) -> bool:
    """Whether this picture is shifted against the first one, or the view was in the last checks. False if it cannot be told.

    `vehicles`: boxes in frames of `frame_width`. What moves there is not the camera.
    """
    if state is None or not state.reference:
        return False
    if state.looks_elsewhere:
        return True
    grey = _reduced(image)
    if state.height != len(grey):
        return False
    reference = np.frombuffer(state.reference, np.uint8).reshape(grey.shape)
    for box in vehicles:
        x1, y1, x2, y2 = (round(edge * _WIDTH / frame_width) for edge in box)
        part = slice(max(0, y1 - _MARGIN), y2 + _MARGIN), slice(max(0, x1 - _MARGIN), x2 + _MARGIN)
        grey[part] = reference[part]
    return bool(_is_shifted(grey, reference))


def view_of(picture: bytes) -> ViewCheckState:
    """The state of a camera whose first picture is this JPEG. Raises FrameBroken."""
    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise FrameBroken("OpenCV cannot decode this picture")
    grey = _reduced(np.asarray(image, np.uint8))
    return ViewCheckState(checked_at=datetime.min.replace(tzinfo=UTC), height=len(grey), reference=grey.tobytes())


def _is_shifted(grey: "NDArray[np.uint8]", reference: "NDArray[np.uint8]") -> bool | None:
    """None if it cannot be told."""
    window = cv2.createHanningWindow((grey.shape[1], grey.shape[0]), cv2.CV_32F)
    before, now = _edges(reference), _edges(grey)
    (dx, dy), response = cv2.phaseCorrelate(before, now, window)
    if response < _MIN_RESPONSE:
        return None
    if hypot(dx, dy) <= _MOVED * grey.shape[1]:
        return False
    move = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
    shifted = np.asarray(cv2.warpAffine(before, move, (grey.shape[1], grey.shape[0])), np.float32)
    here, there = _likeness(before, now), _likeness(shifted, now)
    return True if there > max(_MIN_LIKENESS, _CLEARER * here) else False if here >= there else None


def _likeness(one: "NDArray[np.float32]", two: "NDArray[np.float32]") -> float:
    """Cosine of the angle between two pictures of edges: 1 for the same, 0 for nothing in common."""
    norm = float(np.linalg.norm(one)) * float(np.linalg.norm(two))
    return float((one * two).sum()) / norm if norm else 0.0


def _edges(grey: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Magnitude of the gradient, height x width."""
    return np.asarray(cv2.magnitude(cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)), np.float32)


def _reduced(image: "Image") -> "NDArray[np.uint8]":
    height = max(1, round(_WIDTH * image.shape[0] / image.shape[1]))
    return np.asarray(cv2.cvtColor(cv2.resize(image, (_WIDTH, height), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY), np.uint8)
