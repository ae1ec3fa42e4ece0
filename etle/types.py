"""The types that all stages share: frames, detections, tracks, findings, plates, violations, cases.

All of them are frozen. A later stage makes a new value from an earlier one and never changes it.
Coordinates are pixels of the original frame: origin at the upper left corner, x to the right, y down. `..._at` is an aware datetime in
UTC. What can be computed (a track's duration, a case's state) is not stored.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NewType, TypeAlias
from uuid import UUID

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image: TypeAlias = NDArray[np.uint8]
    """A decoded picture: height x width x 3, BGR, uint8, 0 to 255."""

CameraId = NewType("CameraId", str)
SignalId = NewType("SignalId", str)
LineId = NewType("LineId", str)
LaneId = NewType("LaneId", str)
RuleName = NewType("RuleName", str)
TrackId = NewType("TrackId", str)
ViolationId = NewType("ViolationId", UUID)
Digest = NewType("Digest", str)
"""SHA-256 in lower-case hexadecimal."""


def digest_of(data: bytes) -> Digest:
    return Digest(sha256(data).hexdigest())


class VehicleClass(StrEnum):
    CAR = "car"
    MOTORCYCLE = "motorcycle"
    BUS = "bus"
    TRUCK = "truck"


class Headgear(StrEnum):
    """What a rider wears. A cap, a hat, a hood or a head scarf is no helmet; UNKNOWN means that it could not be told."""

    HELMET = "helmet"
    NO_HELMET = "no_helmet"
    UNKNOWN = "unknown"


class View(StrEnum):
    """The side of the vehicles that the camera sees."""

    REAR = "rear"
    FRONT = "front"


class Lamp(StrEnum):
    """The lit lamp of a signal. `UNKNOWN` means that it could not be determined; no rule reports a violation for it."""

    RED = "red"
    YELLOW = "yellow"
    GREEN = "green"
    UNKNOWN = "unknown"


class Quality(StrEnum):
    """JPEG quality. docs/ingest.md has the size and the readability of plates for each."""

    FINE = "fine"
    NORMAL = "normal"
    SMALL = "small"
    SMALLEST = "smallest"
    """Some plates become unreadable; for slow network links."""


class PlateColour(StrEnum):
    """Background colour of a plate, which determines the text colour (Perpol 7/2021 article 45)."""

    WHITE = "white"  # private, from 2022
    BLACK = "black"  # private, before 2022
    YELLOW = "yellow"  # public transport
    RED = "red"  # government
    GREEN = "green"  # free-trade zone
    UNKNOWN = "unknown"


class Certainty(StrEnum):
    """Whether a reviewer has to check the text of a plate."""

    CERTAIN = "certain"
    CHECK = "check"
    UNREADABLE = "unreadable"


class EvidenceRole(StrEnum):
    """What a picture of a violation shows."""

    BEFORE = "before"
    AT = "at"
    AFTER = "after"
    PLATE = "plate"


class Point(NamedTuple):
    x: float
    y: float


class Box(NamedTuple):
    """Axis-aligned rectangle in pixels; x2 and y2 are exclusive."""

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
        """Middle of the lower edge: where the side that faces the camera touches the road."""
        return Point((self.x1 + self.x2) / 2, self.y2)


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerReading:
    """The lamp of a signal as its controller reports it: lit since `since`, and still at `at`."""

    signal: SignalId
    lamp: Lamp
    since: datetime
    at: datetime
    sequence: int
    """Number of this state: one more with every change of the signal. A gap means that changes in between are not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture of one camera, with its JPEG bytes, which are not encoded again after this point."""

    camera: CameraId
    sequence: int
    captured_at: datetime
    received_at: datetime
    clock_error_s: float | None
    """Camera clock minus device clock at capture, in seconds; None if the camera sends no time."""
    width: int
    height: int
    sha256: Digest
    jpeg: bytes
    controller: tuple[ControllerReading, ...] = ()
    """What signal controllers reported since the frame before, about any time."""
    signature: "FrameSignature | None" = field(default=None, compare=False)
    """Of the edge device that sent the frame; None if it came unsigned, or by no edge device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameSignature:
    """What an edge device signed of a frame, and its Ed25519 signature, both in hexadecimal.

    The signed bytes are the headers of the frame's message, each name and value with its length in front, and name the JPEG by its digest.
    """

    signed: str
    signature: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """A vehicle in one frame; `score` is the confidence of the detector, 0 to 1, not a calibrated probability."""

    box: Box
    vehicle: VehicleClass
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonBox:
    """A detected person; `score` is the confidence of the detector, 0 to 1."""

    box: Box
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeRead:
    """What a classifier sees in a crop. `probabilities`: of every label, as the network states them, not calibrated; their sum is 1."""

    probabilities: tuple[tuple[str, float], ...]

    def probability(self, label: str) -> float:
        """Raises KeyError if the classifier has no such label."""
        return dict(self.probabilities)[label]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderHead:
    """A head in one picture. Scores are 0 to 1, and not calibrated probabilities."""

    box: Box
    found: float
    """That it is a head."""
    headgear: Headgear
    score: float
    """Of the headgear; 0 if it is UNKNOWN."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One vehicle in one frame, as part of a track."""

    sequence: int
    captured_at: datetime
    box: Box
    vehicle: VehicleClass
    score: float
    foot_hidden: bool = False
    """Whether a nearer vehicle hides the lower edge of the box."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One vehicle over time: its sightings, oldest first; at least one."""

    id: TrackId
    sightings: tuple[Sighting, ...]
    follows: Sighting | None = None
    """Of a track that was lost where this one begins: the sighting there that reaches lowest. It may be of the same vehicle, whose lower
    edge something hid later."""

    @property
    def first(self) -> Sighting:
        return self.sightings[0]

    @property
    def last(self) -> Sighting:
        return self.sightings[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalReading:
    """The lamp of a signal in one frame."""

    captured_at: datetime
    lamp: Lamp
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedHead:
    """A signal head as found near its drawn box in one picture."""

    lamp: Lamp
    score: float
    """0 to 1; 0 if the lamp is UNKNOWN."""
    box: Box | None
    """The housing in pixels of the picture; None if none was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A measured quantity with its standard uncertainty (GUM: u, one sigma) in the same unit."""

    name: str
    value: float
    unit: str
    uncertainty: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule reports: the vehicle, the time, and the measured quantities. Without plate and pictures."""

    rule: RuleName
    track: TrackId
    first_sequence: int
    """Sequence number of the track's first frame; with camera, rule and time it determines the violation's id."""
    vehicle: VehicleClass
    occurred_at: datetime
    """Interpolated between frames if the rule can do so; the picture `at` is the nearest frame."""
    measured: tuple[Measurement, ...]
    began_at: datetime | None = None
    """Of an act that lasts, such as standing; None if it is that of `occurred_at`."""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and text of what decided besides the measurements: the holiday, the version of a list, a device's certificate."""
    marks: tuple[str, ...] = ()
    """Marks that the rule itself gives, such as `lead`; see `pipeline.evidence.marks`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateBox:
    """A detected plate. `corners`: clockwise from the upper left, if the detector gives them."""

    box: Box
    score: float
    corners: tuple[Point, Point, Point, Point] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CharacterRead:
    """One character of a read with its probability, and the alternatives with theirs."""

    character: str
    probability: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateRead:
    """The result of one reader on one plate crop. An empty `text` means that nothing legible was found."""

    reader: str
    text: str
    characters: tuple[CharacterRead, ...]
    colour: PlateColour = PlateColour.UNKNOWN
    expiry: str | None = None
    """The second line, `MM·YY`; None if it was not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateSighting:
    """One read with the frame and the box from which it was made. All reads behind a plate's text are kept."""

    sequence: int
    captured_at: datetime
    plate: PlateBox
    sharpness: float
    """Variance of the Laplacian of the crop, resized to a standard height; larger is sharper."""
    contrast: float | None = None
    """Difference in grey levels between the 5th and the 95th percentile of the centre of the crop; None in older cases."""
    read: PlateRead
    whole: bool | None = None
    """Whether the crop has a margin on both sides of the number, so that no character is cut off; None in older cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plate:
    """The plate of a vehicle, voted over the reads of its track. `text` is without spaces and expiry; None if nothing legible was read."""

    text: str | None
    characters: tuple[CharacterRead, ...]
    probability: float
    """Probability that the whole text is correct."""
    certainty: Certainty
    colour: PlateColour
    expiry: str | None
    alternatives: tuple[tuple[str, float], ...]
    notes: tuple[str, ...]
    """Values of `PlateWarning`, such as an unknown area code: reasons for the reviewer to look closely, never to drop the violation."""
    sightings: tuple[PlateSighting, ...]
    electric: bool | None = None
    """Whether it has the blue strip of electric vehicles; None if that cannot be told, and in older cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidencePicture:
    """A complete original frame, with the boxes of vehicle and plate on it. Its bytes are the evidence file with this digest."""

    role: EvidenceRole
    sequence: int
    captured_at: datetime
    width: int
    height: int
    sha256: Digest
    vehicle_box: Box | None
    plate_box: Box | None
    signal_heads: tuple[tuple[str, Box], ...] = ()
    """Id of the signal, and where its head was located; without those that were not."""
    frame_signature: FrameSignature | None = None
    """Of the edge device that sent the frame: it shows that the device vouched for these bytes and times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A video of the violation, made of the same frames at reduced size: H.264 in MP4, the evidence file with this digest."""

    starts_at: datetime
    ends_at: datetime
    width: int
    height: int
    sha256: Digest
    offsets_s: tuple[float, ...] = ()
    """Capture time of each picture, in seconds after `starts_at`; the video itself has a constant rate. Empty in older cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Lines, areas and signals of the rule in the site file, in pixels, stored with the case so that later edits do not change it."""

    lines: tuple[tuple[str, tuple[Point, ...]], ...]
    areas: tuple[tuple[str, tuple[Point, ...]], ...]
    signals: tuple[tuple[str, Box], ...]
    feeds: tuple[str, ...] = ()
    """Signals whose state their controller reports (too), by id; none in older cases."""
    arrows: tuple[tuple[str, tuple[Point, Point]], ...] = ()
    """The legal direction of each lane, from the first point to the second; none in older cases."""

    @property
    def signal_ids(self) -> tuple[str, ...]:
        """The signals that the rule uses, each once."""
        return tuple(dict.fromkeys((*(name for name, _ in self.signals), *self.feeds)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Code version, models and configuration that found a violation."""

    code_version: str
    models: tuple[tuple[str, Digest], ...]
    config_digest: Digest
    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Article:
    """The provision of law that a rule enforces, as in force at the time of the violation."""

    offence: str
    law: str
    article: str
    max_fine_idr: int
    title_id: str
    title_en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """A finding with everything that a reviewer needs; pictures and clip are referred to by digest."""

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
    """Changes of the signal during the clip; empty for rules without a signal."""
    path: tuple[Sighting, ...]
    """Sightings of the vehicle from the first evidence picture to the last."""
    plate: Plate
    pictures: tuple[EvidencePicture, ...]
    clip: Clip | None
    drawing: Drawing
    provenance: Provenance
    marks: tuple[str, ...] = ()
    """Names of `pipeline.evidence.marks`: reasons for the reviewer to look at the context, never to drop the violation."""
    facts: tuple[tuple[str, str], ...] = ()
    """Name and text of what decided besides the measurements; empty in older cases."""
    polda: str | None = None
    """The regional police whose deadlines hold; None: those of every Polda without its own, and in older cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceFile:
    """The bytes with a digest; `suffix` is their type: `.jpg`, `.mp4`."""

    sha256: Digest
    suffix: str
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationMessage:
    """A violation with all files that it refers to, so that it does not depend on frames that the topic has deleted."""

    violation: Violation
    files: tuple[EvidenceFile, ...]


LEAD_MARK: Final = "lead"
"""Mark of a case that is a hint: what a camera saw, or a device without a valid certificate measured, and something else has to prove."""


class Verdict(StrEnum):
    """Decision of a reviewer. A warning (teguran) is a full outcome, not a weaker confirmation."""

    CONFIRM = "confirm"
    REJECT = "reject"
    WARN = "warn"

    @property
    def needs_reason(self) -> bool:
        """A decision with this verdict needs a code from the list of reasons; a constraint of the table `decisions` checks it too."""
        return self is Verdict.REJECT


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One verdict on one case; never changed. The state of a case is its last decision."""

    violation: ViolationId
    verdict: Verdict
    reason: str | None
    """Code from the list of reasons; required for a rejection."""
    plate_text: str | None
    """The text of the plate as confirmed or corrected by the reviewer; None if the plate cannot be read."""
    note: str
    reviewer: str
    decided_at: datetime
    seconds_taken: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A violation and the decisions on it, oldest first. Its state is the verdict of the last decision; without one it is open."""

    violation: Violation
    recorded_at: datetime
    decisions: tuple[Decision, ...]
    assigned_to: str | None
    """The reviewer to whom the case is assigned now."""
    is_reserved: bool = False
    """Assigned to come next, after the one on that reviewer's screen."""

    @property
    def state(self) -> Verdict | None:
        return self.decisions[-1].verdict if self.decisions else None

    @property
    def plate_text(self) -> str | None:
        """The plate as last decided, or as read while the case is open; None if it cannot be read."""
        return self.decisions[-1].plate_text if self.decisions else self.violation.plate.text


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSummary:
    """What a list shows of a case: a case without its track, its readings and its evidence."""

    id: ViolationId
    occurred_at: datetime
    timezone: str
    camera_name: str
    article: Article
    polda: str | None
    vehicle: VehicleClass
    plate_text: str | None
    picture: Digest | None
    """That of the moment, else any."""
    marks: tuple[str, ...]
    state: Verdict | None
    decided_by: str | None
    """The officer of the last decision."""
    assigned_to: str | None

    @classmethod
    def of(cls, case: Case) -> "CaseSummary":
        violation = case.violation
        return cls(
            id=violation.id,
            occurred_at=violation.occurred_at,
            timezone=violation.timezone,
            camera_name=violation.camera_name,
            article=violation.article,
            polda=violation.polda,
            vehicle=violation.vehicle,
            plate_text=case.plate_text,
            picture=shown_picture((each.role, each.sha256) for each in violation.pictures),
            marks=violation.marks,
            state=case.state,
            decided_by=case.decisions[-1].reviewer if case.decisions else None,
            assigned_to=case.assigned_to,
        )


def shown_picture(pictures: Iterable[tuple[EvidenceRole, Digest]]) -> Digest | None:
    """The one that a list shows of a case."""
    return next((digest for _, digest in sorted(pictures, key=lambda each: each[0] is not EvidenceRole.AT)), None)


class CaseOrder(StrEnum):
    """Order of a list of cases."""

    NEWEST = "newest"
    OLDEST = "oldest"
    DECIDED = "decided"
    """Decided cases only, the last decided first."""
    URGENT = "urgent"
    """Open cases only, that whose confirmation letter is due first."""


class DeadlineStep(StrEnum):
    """What has to be done, or follows, within a number of days after a violation; in the order in which the days end."""

    LETTER = "letter"  # the confirmation letter is sent
    CONFIRMATION = "confirmation"  # the owner has confirmed
    BLOCK_UNCONFIRMED = "block_unconfirmed"  # else the STNK is blocked
    BLOCK_UNPAID = "block_unpaid"  # the STNK is blocked if the fine is not paid


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """Until when a step is due for one violation; `ends_at` is exclusive, the first moment of the next local day."""

    step: DeadlineStep
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterDeadlinePeriod:
    """For violations of a Polda from `since` (inclusive) to `until` (exclusive; None: without end): letters are due after `days`."""

    polda: str | None
    """None: every Polda but `except_poldas`, and cases without one."""
    except_poldas: tuple[str, ...] = ()
    since: datetime
    until: datetime | None
    days: int

    def covers(self, polda: str | None, occurred_at: datetime) -> bool:
        of_polda = polda == self.polda if self.polda is not None else polda not in self.except_poldas
        return of_polda and self.since <= occurred_at and (self.until is None or occurred_at < self.until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a promoted run of reprocessing says of a case. It changes nothing: whoever decides the case sees it."""

    violation: ViolationId
    run: str
    changed: tuple[str, ...]
    """Values of `etle.runs.compare.Difference`, or `missing`: the run did not find the violation."""
    found: Violation | None
    """As the run found it."""
    proposed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseCounts:
    """Number of cases by state and rule."""

    cases: Mapping[tuple[Verdict | Literal["open"], RuleName], int]
    """By the last decision, or open without one; a number that is 0 is left out."""
    in_review: int
    """Open and assigned to a reviewer."""

    def number(self, state: Verdict | Literal["open"] | None = None, rule: str | None = None) -> int:
        """Of that state and that rule; None counts all."""
        return sum(cases for (a, b), cases in self.cases.items() if state in (None, a) and rule in (None, b))

    @property
    def open(self) -> int:
        """Without a decision, including those in review."""
        return self.number("open")

    @property
    def verdicts(self) -> Mapping[Verdict, int]:
        """By last decision; 0 for a verdict that no case has."""
        return {verdict: self.number(verdict) for verdict in Verdict}

    @property
    def open_by_rule(self) -> Mapping[RuleName, int]:
        return {rule: cases for (state, rule), cases in self.cases.items() if state == "open"}

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
