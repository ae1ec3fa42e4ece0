"""Turning round where it is forbidden: UU 22/2009 article 287(1) with 106(4)a."""

from collections.abc import Iterator, Sequence
from math import degrees, hypot, radians, sqrt
from typing import Final, NamedTuple

from pydantic import Field

from etle.config import site as config
from etle.config.strict_yaml import Section
from etle.errors import ConfigError
from etle.geometry import displacement_along, distance, polygon_contains, signed_distance
from etle.types import Drawing, Finding, Measurement, RuleName, Sighting, Track
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.rules.rule_type import RuleType
from pipeline.scene.calibration import Calibration
from pipeline.scene.driven import DrivenMemory
from pipeline.scene.hidden_foot import judged_by_visible_feet
from pipeline.scene.judgement import Judgement, NotReported, Reason
from pipeline.scene.passage import COVERAGE
from pipeline.scene.road_path import MAX_JITTER_M, Knot, PathMemory, bends, heading, wrapped
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.sighting_memory import SightingMemory
from pipeline.scene.vehicle_motion import measured_jitter

_LEG_M: Final = 3.0
"""The vehicle must drive straight for so long before and after the turn."""
_LEG_BEND: Final = radians(35)
_MAX_STEP_TURN: Final = radians(100)
"""A heading that changes by more from one step to the next is that of a vehicle that reverses, or of another vehicle."""
_MIN_TURN: Final = radians(100)
"""Who turns by less is no subject of the rule."""
_MIN_OFFSET_M: Final = 1.5
"""Who turns round comes back beside the way on which he came; who reverses comes back on it."""


class _Turn(NamedTuple):
    """The straight way before the turn, from `came_from` to `begins`, and that after it, from `ends` to `leaves_to`."""

    came_from: Knot
    begins: Knot
    ends: Knot
    leaves_to: Knot
    angle: float
    """Between the two ways, in radians, 0 to pi."""
    u: float
    offset: float
    """Distance of the way on which it leaves from that on which it came, in metres."""
    offset_u: float


class UTurn(Rule):
    """A vehicle turns round inside a zone: it comes one way, and leaves nearly the opposite way, beside it.

    The headings are those of three metres driven straight before and after the turn, which lies inside the zone and on one unbroken path.
    A vehicle that reverses comes back on its own way, and changes its heading at once; it is not reported.
    Measured: the change of the heading, and how far beside the way in the way out lies. Uncertainty: of the four feet that determine them;
    both must exceed their limits by two standard uncertainties.
    """

    name: Final = RuleName("u_turn")

    class Settings(Section):
        zone: config.ZoneName = Field(description="The area in which turning round is forbidden.")
        angle_deg: float = Field(150.0, ge=120, lt=180, description="A smaller change of heading is no U-turn.")

    def __init__(self, settings: Settings, camera: config.CameraSettings, calibration: Calibration) -> None:
        if calibration.unit != "m":
            raise ConfigError(f"camera {camera.id!r}, rule 'u_turn': headings need `ground_points`; without them, use forbidden_turn")
        self._angle = radians(settings.angle_deg)
        self._calibration = calibration
        self._zone = camera.zone(settings.zone)
        self._paths = PathMemory(calibration)
        self._inside = SightingMemory(lambda sighting: polygon_contains(self._zone.corners, sighting.box.foot))
        self._jitters = SightingMemory(calibration.foot_jitter)
        self._driven = DrivenMemory(calibration)

    def judge(self, scene: Scene) -> tuple[Judgement, ...]:
        return tuple(judged_by_visible_feet(self._judge, (*scene.tracks, *scene.ended)))

    def drawing(self) -> Drawing:
        return Drawing(lines=(), areas=((self._zone.id, self._zone.corners),), signals=())

    def _judge(self, track: Track) -> Judgement | None:
        """The finding, or the decision on the largest turn; None if the vehicle did not turn in the zone."""
        knots = self._paths.of(track)
        largest: tuple[float, Judgement] | None = None
        for turn in self._turns(track, knots):
            judgement = Judgement(rule=self.name, track=track.id, outcome=self._outcome(track, turn))
            if judgement.finding or judgement.reason is Reason.NOT_ONE_VEHICLE:
                return judgement
            if largest is None or turn.angle > largest[0]:
                largest = turn.angle, judgement
        return largest[1] if largest else None

    def _turns(self, track: Track, knots: Sequence[Knot]) -> Iterator[_Turn]:
        """The turns in the zone, the tightest first of each that ends at one place."""
        bent = [0.0, *bends(knots), 0.0]
        if sum(abs(each) for each in bent) < _MIN_TURN:
            return
        u_m: float | None = None
        inside = self._inside.of(track)
        for ends in range(2, len(knots)):
            leaves_to = _straight(knots, bent, ends, 1) if abs(bent[ends]) <= _MAX_STEP_TURN else None
            if leaves_to is None:
                continue
            turned = 0.0
            for begins in range(ends - 1, 0, -1):
                turned += bent[begins + 1] if begins + 1 < ends else 0.0
                if abs(bent[begins]) > _MAX_STEP_TURN or not inside[knots[begins].sighting]:
                    break
                if abs(turned + bent[begins] + bent[ends]) < _MIN_TURN:
                    continue
                came_from = _straight(knots, bent, begins, -1)
                if came_from is None or not all(inside[knots[begins].sighting : knots[ends].sighting + 1]):
                    continue
                u_m = measured_jitter(track, self._calibration) if u_m is None else u_m
                yield self._measured(track, [knots[each] for each in (came_from, begins, ends, leaves_to)], min(u_m, MAX_JITTER_M))

    def _measured(self, track: Track, knots: Sequence[Knot], jitter_m: float) -> _Turn:
        came_from, begins, ends, leaves_to = knots
        angle = abs(wrapped(heading(ends.at, leaves_to.at) - heading(came_from.at, begins.at)))
        jitters = self._jitters.of(track)
        u_m = max(jitter_m, *(jitters[knot.sighting] for knot in knots))
        ways = distance(came_from.at, begins.at), distance(ends.at, leaves_to.at)
        u = hypot(*(sqrt(2) * u_m / way for way in ways))
        offset = abs(signed_distance(leaves_to.at, came_from.at, begins.at, leaves_to.at))
        return _Turn(came_from, begins, ends, leaves_to, angle, u, offset, sqrt(2) * u_m)

    def _outcome(self, track: Track, turn: _Turn) -> Finding | NotReported:
        turned = Measurement(name="turned", value=degrees(turn.angle), unit="°", uncertainty=degrees(turn.u))
        if turn.angle - COVERAGE * turn.u < self._angle:
            return NotReported(reason=Reason.NOT_TURNED, measured=turned, limit=degrees(self._angle))
        offset = Measurement(name="offset", value=turn.offset, unit="m", uncertainty=turn.offset_u)
        if turn.offset - COVERAGE * turn.offset_u < _MIN_OFFSET_M:
            return NotReported(reason=Reason.REVERSED, measured=offset, limit=_MIN_OFFSET_M)
        if reason := self._driven.why_not(track, turn.came_from.sighting, turn.leaves_to.sighting, turning=True):
            return NotReported(reason=reason, measured=turned)
        return Finding(
            rule=self.name,
            track=track.id,
            first_sequence=track.first.sequence,
            vehicle=vehicle_class_of(track),
            occurred_at=self._apex(track, turn).captured_at,
            measured=(turned, offset),
        )

    def _apex(self, track: Track, turn: _Turn) -> Sighting:
        """The sighting that is farthest along the way on which the vehicle came."""
        turning = track.sightings[turn.begins.sighting : turn.ends.sighting + 1]
        start, end = turn.came_from.at, turn.begins.at
        return max(turning, key=lambda sighting: displacement_along(start, self._calibration.ground(sighting.box.foot), start, end))


def _straight(knots: Sequence[Knot], bent: Sequence[float], index: int, direction: int) -> int | None:
    """The nearest knot before (-1) or after (1) one, to which the vehicle drove _LEG_M straight; None if it did not."""
    turned, other = 0.0, index + direction
    while 0 <= other < len(knots):
        if distance(knots[index].at, knots[other].at) >= _LEG_M:
            return other
        turned += bent[other]
        if abs(turned) > _LEG_BEND:
            return None
        other += direction
    return None


U_TURN: Final = RuleType(
    name=UTurn.name,
    summary="A vehicle turns round inside a zone.",
    settings=UTurn.Settings,
    build=UTurn,
    act="turning",
    example="zone: zona",
)
