"""The words that every stage shares: what a frame, a sighting, a finding, a plate and a violation are.

All of them are frozen values. A later stage makes a new value from an earlier one; none is edited on its way.
Pixels are those of the original frame, origin at its upper left corner, x to the right, y down. A moment (`..._at`) is an aware
datetime in UTC. What can be computed (a track's duration, a case's state) is not stored.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple, NewType, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image: TypeAlias = NDArray[np.uint8]
    """A decoded picture: height x width x 3, blue-green-red, 0 to 255."""

CameraId = NewType("CameraId", str)
SignalId = NewType("SignalId", str)
LineId = NewType("LineId", str)
LaneId = NewType("LaneId", str)
RuleName = NewType("RuleName", str)
TrackId = NewType("TrackId", str)
ViolationId = NewType("ViolationId", UUID)
Digest = NewType("Digest", str)
"""Lower-case hexadecimal SHA-256 of some bytes."""


def digest_of(data: bytes) -> Digest:
    return Digest(sha256(data).hexdigest())


class VehicleClass(StrEnum):
    CAR = "car"
    MOTORCYCLE = "motorcycle"
    BUS = "bus"
    TRUCK = "truck"


class View(StrEnum):
    """The side of the vehicles that a camera sees."""

    REAR = "rear"
    FRONT = "front"


class Lamp(StrEnum):
    """What a signal shows. `UNKNOWN` means the lamp could not be told, and is never a ground for a finding."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"
    UNKNOWN = "unknown"


class Quality(StrEnum):
    """How finely a picture is encoded. docs/ingest.md has what each costs and keeps."""

    FINE = "fine"
    NORMAL = "normal"
    SMALL = "small"
    SMALLEST = "smallest"
    """Some plates cannot be read any more: for a line that carries no more."""


class PlateColour(StrEnum):
    """Base colour of a plate with its text colour, Perpol 7/2021 article 45."""

    WHITE = "white"  # private, from 2022
    BLACK = "black"  # private, before 2022
    YELLOW = "yellow"  # public transport
    RED = "red"  # government
    GREEN = "green"  # free-trade zone
    UNKNOWN = "unknown"


class Certainty(StrEnum):
    """What a reviewer has to do about a plate's text."""

    CERTAIN = "certain"
    CHECK = "check"
    UNREADABLE = "unreadable"


class EvidenceRole(StrEnum):
    """Where a picture stands in the story of a violation."""

    BEFORE = "before"
    AT = "at"
    AFTER = "after"
    PLATE = "plate"


class Point(NamedTuple):
    x: float
    y: float


class Box(NamedTuple):
    """Axis-parallel rectangle in pixels; x2 and y2 lie just outside it."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        return self.y2 - self.y1

    @property
    def area(self) -> float:
        return max(0.0, self.width) * max(0.0, self.height)

    @property
    def centre(self) -> Point:
        return Point((self.x1 + self.x2) / 2, (self.y1 + self.y2) / 2)

    @property
    def foot(self) -> Point:
        """Middle of the lower edge: where the side that faces the camera stands on the road."""
        return Point((self.x1 + self.x2) / 2, self.y2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of one camera: the JPEG bytes as they were born, never encoded again afterwards."""

    camera: CameraId
    sequence: int
    captured_at: datetime
    received_at: datetime
    clock_error_s: float | None
    """Camera clock minus box clock at capture; None if the camera tells no time of its own."""
    width: int
    height: int
    sha256: Digest
    jpeg: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A vehicle in one frame; `score` is the detector's own, between 0 and 1, not a probability."""

    box: Box
    vehicle: VehicleClass
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One vehicle in one frame, as a track remembers it."""

    sequence: int
    captured_at: datetime
    box: Box
    vehicle: VehicleClass
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One vehicle over time: its sightings, oldest first, at least one."""

    id: TrackId
    sightings: tuple[Sighting, ...]

    @property
    def first(self) -> Sighting:
        return self.sightings[0]

    @property
    def last(self) -> Sighting:
        return self.sightings[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReading:
    """What a signal showed in one frame."""

    captured_at: datetime
    lamp: Lamp
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A measured quantity with its standard uncertainty (GUM: u, one sigma) in the same unit."""

    name: str
    value: float
    unit: str
    uncertainty: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule saw: a vehicle, a moment, and what was measured. No plate and no picture yet."""

    rule: RuleName
    track: TrackId
    first_sequence: int
    """The track's first frame: together with camera, rule and moment it makes the violation's id."""
    vehicle: VehicleClass
    occurred_at: datetime
    """Interpolated between frames where the rule can; the picture `at` is the frame nearest to it."""
    measured: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateBox:
    """A plate found in a picture. `corners` runs from the upper left one clockwise, where the finder tells them."""

    box: Box
    score: float
    corners: tuple[Point, Point, Point, Point] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterRead:
    """One character of a read, its probability, and the runners-up with theirs."""

    character: str
    probability: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateRead:
    """What one reader made of one plate crop. An empty `text` means: looked, and there was nothing to read."""

    reader: str
    text: str
    characters: tuple[CharacterRead, ...]
    colour: PlateColour = PlateColour.UNKNOWN
    expiry: str | None = None
    """`MM·YY`, the second line; None if not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateSighting:
    """One read with where it came from; these are the votes behind a plate, and all are kept."""

    sequence: int
    captured_at: datetime
    plate: PlateBox
    sharpness: float
    """Variance of the Laplacian of the crop at a standard height; larger is sharper."""
    contrast: float | None = None
    """Grey levels from the darkest to the lightest twentieth of the crop's middle; None in cases from before it was measured."""
    read: PlateRead


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """A vehicle's plate as voted over its track. `text` has no spaces and no expiry; None if nothing legible was seen."""

    text: str | None
    characters: tuple[CharacterRead, ...]
    probability: float
    """That the whole text is right."""
    certainty: Certainty
    colour: PlateColour
    expiry: str | None
    alternatives: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]
    """What does not fit, such as an unknown area code or a number range of another vehicle class. A reason to look, never to drop."""
    sightings: tuple[PlateSighting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePicture:
    """An original frame, whole, with what is to be seen on it as boxes. Its bytes are the evidence file of that digest."""

    role: EvidenceRole
    sequence: int
    captured_at: datetime
    width: int
    height: int
    sha256: Digest
    vehicle_box: Box | None
    plate_box: Box | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A film of the moment for the reviewer's eye, of the same frames at reduced size: H.264 in MP4, the evidence file of that digest."""

    starts_at: datetime
    ends_at: datetime
    width: int
    height: int
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """What the site file drew for the rule, in frame pixels, kept with the case so that later edits cannot change what was judged."""

    lines: tuple[tuple[str, tuple[Point, ...]], ...]
    areas: tuple[tuple[str, tuple[Point, ...]], ...]
    signals: tuple[tuple[str, Box], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Which code, weights and configuration found it."""

    code_version: str
    models: tuple[tuple[str, Digest], ...]
    config_digest: Digest
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """The provision of law that a rule enforces, as in force at the moment of the violation."""

    offence: str
    law: str
    article: str
    max_fine_idr: int
    title_id: str
    title_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A finding with everything a reviewer needs; its pictures and its clip are named by digest."""

    id: ViolationId
    site: str
    camera: CameraId
    camera_name: str
    rule: RuleName
    article: Article
    occurred_at: datetime
    timezone: str
    vehicle: VehicleClass
    track: TrackId
    measured: tuple[Measurement, ...]
    signal: tuple[SignalReading, ...]
    """What the signal showed over the time of the clip, changes only; empty for rules without one."""
    path: tuple[Sighting, ...]
    """The vehicle's sightings from the first evidence picture to the last."""
    plate: Plate
    pictures: tuple[EvidencePicture, ...]
    clip: Clip | None
    drawing: Drawing
    provenance: Provenance


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """The bytes behind a digest; `suffix` is their kind: `.jpg`, `.mp4`."""

    sha256: Digest
    suffix: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationMessage:
    """A violation as it travels: with every file it names, so that it never points at a frame that retention has eaten."""

    violation: Violation
    files: tuple[EvidenceFile, ...]


class Verdict(StrEnum):
    """What a reviewer decided. Warning (teguran) is an outcome of equal rank."""

    CONFIRM = "confirm"
    REJECT = "reject"
    WARN = "warn"

    @property
    def needs_reason(self) -> bool:
        """A decision with this verdict needs a code from the list of reasons; a constraint of the table `decisions` checks it too."""
        return self is Verdict.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One verdict on one case: inserted, never changed. A case's state is its last decision."""

    violation: ViolationId
    verdict: Verdict
    reason: str | None
    """Code from the list of reasons; required to reject."""
    plate_text: str | None
    """The plate as the reviewer leaves it; None where no plate could be read."""
    note: str
    reviewer: str
    decided_at: datetime
    seconds_taken: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A violation and what was decided about it, oldest first. Its state is the last decision's verdict; without one it is open."""

    violation: Violation
    recorded_at: datetime
    decisions: tuple[Decision, ...]
    assigned_to: str | None
    """The reviewer who has it on the screen now."""

    @property
    def state(self) -> Verdict | None:
        return self.decisions[-1].verdict if self.decisions else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCounts:
    """Number of cases by state."""

    open: int
    """Without a decision, including those in review."""
    in_review: int
    """Open and assigned to a reviewer."""
    verdicts: Mapping[Verdict, int]
    """By last decision; 0 for a verdict that no case has."""
    open_by_rule: Mapping[RuleName, int]

    @property
    def decided(self) -> int:
        return sum(self.verdicts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewerTally:
    """What one reviewer decided: each case counts once, by their last verdict on it."""

    verdicts: Mapping[Verdict, int]
    median_s: float | None
    """Median of the seconds per verdict; None if there are no verdicts, or none was timed."""

    @property
    def decided(self) -> int:
        return sum(self.verdicts.values())
