"""What a rule decided on a vehicle that met one of its lines or lanes, and why. The texts are in `pipeline/explain/sentences.py`."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from etle.types import Finding, Lamp, Measurement, RuleName, TrackId


class Reason(StrEnum):
    """Why a vehicle was reported or not."""

    REPORTED = "reported"

    LOST_BEFORE_LINE = "lost_before_line"
    FIRST_SEEN_BEYOND_LINE = "first_seen_beyond_line"
    LOST_BEFORE_ENTRY = "lost_before_entry"
    POSITION_UNCERTAIN = "position_uncertain"
    NOT_ONE_VEHICLE = "not_one_vehicle"
    BOX_MOVED_ONLY = "box_moved_only"
    SIGNAL_UNKNOWN = "signal_unknown"
    RED_NOT_PROVEN = "red_not_proven"
    PICTURES_GONE = "pictures_gone"
    VIEW_MOVED = "view_moved"
    NOT_MEASURED = "not_measured"
    FIRST_SEEN_INSIDE = "first_seen_inside"
    CLASS_UNCERTAIN = "class_uncertain"
    PLATE_NOT_CERTAIN = "plate_not_certain"
    EXEMPTION_UNKNOWN = "exemption_unknown"
    EXPIRY_NOT_READ = "expiry_not_read"
    PLATE_NOT_SEEN = "plate_not_seen"
    LIST_TOO_OLD = "list_too_old"
    RIDERS_NOT_SEEN = "riders_not_seen"
    ATTRIBUTE_NOT_SEEN = "attribute_not_seen"

    NOT_RED = "not_red"
    RED_TOO_YOUNG = "red_too_young"
    NOT_ENTERED = "not_entered"
    ENTERED_BEFORE_LINE = "entered_before_line"
    WALKING_PACE = "walking_pace"
    DROVE_ON = "drove_on"
    NOT_STOOD = "not_stood"
    ON_LINE = "on_line"
    AGAINST_TOO_SHORT = "against_too_short"
    NOT_ALONG_LANE = "not_along_lane"
    TOO_SLOW = "too_slow"
    UNSTEADY = "unsteady"
    OUTSIDE_HOURS = "outside_hours"
    IN_QUEUE = "in_queue"
    MAY_WAIT = "may_wait"
    EXIT_FREE = "exit_free"
    TOO_SHORT = "too_short"
    CLASS_ALLOWED = "class_allowed"
    CROSSABLE_SIDE = "crossable_side"
    NOT_SOLID_THERE = "not_solid_there"
    NOT_TURNED = "not_turned"
    LEFT_ELSEWHERE = "left_elsewhere"
    REVERSED = "reversed"
    PLATE_AWAITED = "plate_awaited"
    DAY_ALLOWED = "day_allowed"
    EXEMPT = "exempt"
    NOT_EXPIRED = "not_expired"
    NUMBER_FITS = "number_fits"
    HAS_PLATE = "has_plate"
    NOT_LISTED = "not_listed"
    PICTURES_AWAITED = "pictures_awaited"
    NOT_MOTORCYCLE = "not_motorcycle"
    RIDERS_ALLOWED = "riders_allowed"
    ATTRIBUTE_ABSENT = "attribute_absent"
    WITHIN_LIMIT = "within_limit"
    HARDLY_MOVES = "hardly_moves"
    HELD_UP = "held_up"
    SAME_ACT = "same_act"
    SAME_VEHICLE = "same_vehicle"

    @property
    def awaits_pictures(self) -> bool:
        """Whether the rule has not decided yet."""
        return self in (Reason.PLATE_AWAITED, Reason.PICTURES_AWAITED)

    @property
    def could_not_be_seen(self) -> bool:
        """Whether the truth could not be seen: such a vehicle may have violated the rule, and is counted."""
        return self in _COULD_NOT_BE_SEEN


_COULD_NOT_BE_SEEN = frozenset(
    {
        Reason.LOST_BEFORE_LINE,
        Reason.FIRST_SEEN_BEYOND_LINE,
        Reason.LOST_BEFORE_ENTRY,
        Reason.POSITION_UNCERTAIN,
        Reason.NOT_ONE_VEHICLE,
        Reason.BOX_MOVED_ONLY,
        Reason.SIGNAL_UNKNOWN,
        Reason.RED_NOT_PROVEN,
        Reason.PICTURES_GONE,
        Reason.VIEW_MOVED,
        Reason.NOT_MEASURED,
        Reason.FIRST_SEEN_INSIDE,
        Reason.CLASS_UNCERTAIN,
        Reason.PLATE_NOT_CERTAIN,
        Reason.EXEMPTION_UNKNOWN,
        Reason.EXPIRY_NOT_READ,
        Reason.PLATE_NOT_SEEN,
        Reason.LIST_TOO_OLD,
        Reason.RIDERS_NOT_SEEN,
        Reason.ATTRIBUTE_NOT_SEEN,
    }
)


class LampState(NamedTuple):
    """What a signal showed at a moment, and since when."""

    lamp: Lamp
    since: datetime


class LinePassage(NamedTuple):
    """The moment at which the front passed a line of the site file."""

    line: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NotReported:
    """Why a rule does not report a vehicle, with the facts that decided. `limit`: what `measured` was compared with, in its unit."""

    reason: Reason
    signal: LampState | None = None
    measured: Measurement | None = None
    limit: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitsPlate:
    """The rule decides once the plate is known. `passage`: as the finding would be, without what the plate adds."""

    passage: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitsPictures:
    """The rule decides once riders, or an attribute, were searched. `passage`: the finding, without what they add."""

    passage: Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a rule decides at one moment on a vehicle that met one of its lines or lanes. It may change while the vehicle is in view."""

    rule: RuleName
    track: TrackId
    outcome: Finding | NotReported | AwaitsPlate | AwaitsPictures
    crossed: LinePassage | None = None
    """Over the stop line; None for rules without one, or if it did not cross."""
    entered: LinePassage | None = None
    """Into the junction."""
    left: LinePassage | None = None
    """By an exit of the junction, for a rule that has them."""
    lane: str | None = None
    """The lane on which the rule decided; None for rules without lanes."""
    zone: str | None = None
    began_at: datetime | None = None
    """When an offence that lasts may have begun: frames from then on are kept for its evidence. None if there is nothing to keep."""

    @property
    def finding(self) -> Finding | None:
        return self.outcome if isinstance(self.outcome, Finding) else None

    @property
    def candidate(self) -> Finding | None:
        """The passage of a vehicle on which the rule decides once more of it is known."""
        return self.outcome.passage if isinstance(self.outcome, AwaitsPlate | AwaitsPictures) else None

    @property
    def reason(self) -> Reason:
        match self.outcome:
            case Finding():
                return Reason.REPORTED
            case AwaitsPlate():
                return Reason.PLATE_AWAITED
            case AwaitsPictures():
                return Reason.PICTURES_AWAITED
            case NotReported(reason=reason):
                return reason
