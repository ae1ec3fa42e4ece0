"""What the pages on which a site is drawn need from the stages: pictures, an assessment of a drawing, and trials of it.

`review` has the pages, `pipeline` and `ingest` can read footage and run rules, and the command line joins them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from etle.types import CameraId, Point


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenePicture:
    """A picture of a camera on which to draw. `key`: its name in addresses, a number."""

    key: str
    captured_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureList:
    """`pending`: more are being read. `problem`: why none, or no more, can be read. `live`: whether another one can be taken."""

    pictures: tuple[ScenePicture, ...]
    pending: bool
    live: bool
    problem: str = ""


class ScenePictures(Protocol):
    """The pictures of the cameras of one site."""

    def listed(self, camera: CameraId) -> PictureList:
        """Does not wait: reading begins with the first call."""
        ...

    def take(self, camera: CameraId) -> PictureList:
        """With one more picture of a live camera, taken now. Raises SourceError."""
        ...

    def jpeg(self, camera: CameraId, key: str) -> bytes | None:
        """None if there is no such picture."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAt:
    """At a pixel: the largest error to expect there (95 %), in metres."""

    px: Point
    error_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationAssessment:
    """`matrix`: 3 x 3, row by row, from pixels without distortion to metres. `residuals`: (metres, pixels) of each ground point."""

    matrix: tuple[tuple[float, float, float], ...]
    k1: float
    k2: float
    residuals: tuple[tuple[float, float], ...]
    checked: bool
    """Whether there are more points than the fit needs, so that the residuals say something."""
    errors: tuple[ErrorAt, ...]
    typical_m: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """`problems`: why the camera's part of the site file would be refused, in words. `calibration`: None without a usable one."""

    problems: tuple[str, ...]
    calibration: CalibrationAssessment | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleForm:
    """A rule and the settings of it that a page may change.

    `fields`: by setting its `type` (number, integer, boolean, choice, choices, name, names, schedule), `description` and `default`, the
    values of a choice (`enum`), and the kind of drawn things that is named (`names`), with their number if it is fixed (`count`).
    """

    rule: str
    summary: str
    fields: Mapping[str, Mapping[str, Any]]
    required: frozenset[str]


class DrawingAssessor(Protocol):
    """Judges the content of a site file that is not saved yet."""

    def assess(self, text: str, camera: CameraId, lens_terms: int | None = None) -> Assessment:
        """`lens_terms`: fit a lens of so many terms to the ground points first."""
        ...

    def rule_forms(self) -> tuple[RuleForm, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialState:
    """A run of the rules on recent footage that stores nothing. `document`: its result as JSON."""

    running: bool
    by: str = ""
    frames: int = 0
    problem: str = ""
    document: bytes | None = None


class Trials(Protocol):
    """One trial at a time."""

    def start(self, text: str, camera: CameraId, seconds: float, by: str) -> bool:
        """`text`: content of the site file to try. False if one is running."""
        ...

    def state(self, camera: CameraId) -> TrialState:
        """Of the last trial of the camera; one that never ran is not running and has no document."""
        ...

    def stop(self) -> None: ...

    def picture(self, camera: CameraId, name: str) -> bytes | None:
        """A JPEG that the document names; None if there is no such picture."""
        ...
