"""The rules, one file each. `RULES` is the only list of them: the schema, new site files and the stage are derived from it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from etle.config import site as config
from etle.errors import ConfigError
from etle.types import RuleName
from pipeline.rules.bus_lane import BUS_LANE
from pipeline.rules.candidate_rule import CandidateRule
from pipeline.rules.expired_plate import EXPIRED_PLATE
from pipeline.rules.forbidden_turn import FORBIDDEN_TURN
from pipeline.rules.minimum_speed import MINIMUM_SPEED
from pipeline.rules.no_helmet import NO_HELMET
from pipeline.rules.no_helmet_passenger import NO_HELMET_PASSENGER
from pipeline.rules.no_plate import NO_PLATE
from pipeline.rules.number_range import NUMBER_RANGE
from pipeline.rules.odd_even import ODD_EVEN
from pipeline.rules.parking import PARKING
from pipeline.rules.phone import PHONE
from pipeline.rules.red_light import RED_LIGHT
from pipeline.rules.rider_rule import RiderRule
from pipeline.rules.rule_type import RuleType
from pipeline.rules.seat_belt import SEAT_BELT
from pipeline.rules.solid_line import SOLID_LINE
from pipeline.rules.speed import SPEED
from pipeline.rules.stop_line import STOP_LINE
from pipeline.rules.stopping import STOPPING
from pipeline.rules.triple_riding import TRIPLE_RIDING
from pipeline.rules.u_turn import U_TURN
from pipeline.rules.watch_list import WATCH_LIST
from pipeline.rules.wrong_way import WRONG_WAY
from pipeline.rules.yellow_box import YELLOW_BOX
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import Rule

RULES: Final[Mapping[RuleName, RuleType[Any]]] = {
    RED_LIGHT.name: RED_LIGHT,
    STOP_LINE.name: STOP_LINE,
    SPEED.name: SPEED,
    MINIMUM_SPEED.name: MINIMUM_SPEED,
    SOLID_LINE.name: SOLID_LINE,
    U_TURN.name: U_TURN,
    FORBIDDEN_TURN.name: FORBIDDEN_TURN,
    WRONG_WAY.name: WRONG_WAY,
    STOPPING.name: STOPPING,
    PARKING.name: PARKING,
    YELLOW_BOX.name: YELLOW_BOX,
    BUS_LANE.name: BUS_LANE,
    ODD_EVEN.name: ODD_EVEN,
    EXPIRED_PLATE.name: EXPIRED_PLATE,
    NO_PLATE.name: NO_PLATE,
    NUMBER_RANGE.name: NUMBER_RANGE,
    WATCH_LIST.name: WATCH_LIST,
    TRIPLE_RIDING.name: TRIPLE_RIDING,
    NO_HELMET.name: NO_HELMET,
    NO_HELMET_PASSENGER.name: NO_HELMET_PASSENGER,
    SEAT_BELT.name: SEAT_BELT,
    PHONE.name: PHONE,
}


def build_rules(camera: config.CameraSettings, calibration: Calibration) -> tuple[Rule, ...]:
    """The rules of this camera. Raises ConfigError for an unknown rule, setting, line, lane or signal."""
    return tuple(_rule_type(entry, camera).from_entry(entry, camera, calibration) for entry in camera.rules)


def schema() -> dict[str, Any]:
    """JSON Schema of an entry under `rules`, for editors."""
    return {"anyOf": [rule.entry_schema() for rule in RULES.values()]}


def candidate_rules() -> frozenset[RuleName]:
    """Names of the rules that decide by what is searched in a vehicle's pictures."""
    return frozenset(name for name, rule in RULES.items() if isinstance(rule.build, type) and issubclass(rule.build, CandidateRule))


def needs_riders(camera: config.CameraSettings) -> bool:
    """Whether a rule of this camera asks who rides a motorcycle."""
    builders = (RULES[RuleName(entry.rule)].build for entry in camera.rules if entry.rule in RULES)
    return any(isinstance(build, type) and issubclass(build, RiderRule) for build in builders)


def are_one_act(one: RuleName, two: RuleName) -> bool:
    """Whether what these rules report of one vehicle, at the same time, is one act of its driver."""
    acts = [rule.act if (rule := RULES.get(name)) else "" for name in (one, two)]
    return one == two or acts[0] == acts[1] != ""


def needed_classifiers(camera: config.CameraSettings) -> frozenset[str]:
    """Catalogue names of the classifiers that the rules of this camera name."""
    named = (entry.settings.get("classifier") for entry in camera.rules)
    return frozenset(name for name in named if isinstance(name, str))


def used_signals(camera: config.CameraSettings, rules: Sequence[Rule]) -> Sequence[config.SignalHead]:
    """The signals that a rule uses; the others are not read."""
    names = {name for rule in rules for name in rule.drawing().signal_ids}
    return [signal for signal in camera.signals if signal.id in names]


def _rule_type(entry: config.RuleEntry, camera: config.CameraSettings) -> RuleType[Any]:
    rule = RULES.get(RuleName(entry.rule))
    if rule is None:
        raise ConfigError(f"camera {camera.id!r}: there is no rule {entry.rule!r}; there are: {', '.join(RULES)}")
    return rule
