"""The rules: each a file that sees a scene and says what it found. This table is the one place that lists them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from etle.config import site as config
from etle.config.strict_yaml import Section, check
from etle.errors import ConfigError
from etle.types import RuleName
from pipeline.rules.red_light import RedLight
from pipeline.rules.stop_line import StopLine
from pipeline.rules.wrong_way import WrongWay
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import Rule

RULES: Final[Mapping[RuleName, type[RedLight] | type[StopLine] | type[WrongWay]]] = {
    RedLight.name: RedLight,
    StopLine.name: StopLine,
    WrongWay.name: WrongWay,
}


def build_rules(camera: config.CameraSettings, calibration: Calibration) -> tuple[Rule, ...]:
    """The rules that watch this camera. Raises ConfigError for an unknown rule, setting, line, lane or signal."""
    return tuple(_build(entry, camera, calibration) for entry in camera.rules)


def schema() -> dict[str, Any]:
    """JSON Schema of an entry under `rules`, for editors."""
    return {"anyOf": [_entry_schema(name) for name in RULES]}


def used_signals(camera: config.CameraSettings) -> Sequence[config.SignalHead]:
    """The signals that some rule asks for: the others are not read."""
    named = {entry.settings.get("signal") for entry in camera.rules}
    return [signal for signal in camera.signals if signal.id in named]


def _build(entry: config.RuleEntry, camera: config.CameraSettings, calibration: Calibration) -> Rule:
    where = f"camera {camera.id!r}, rule {entry.rule!r}"
    kind = RULES.get(RuleName(entry.rule))
    if kind is None:
        raise ConfigError(f"camera {camera.id!r}: there is no rule {entry.rule!r}; there are: {', '.join(RULES)}")
    settings: Section = check(dict(entry.settings), kind.Settings, where)
    return _made(kind, settings, camera, calibration)


def _made(kind: Any, settings: Section, camera: config.CameraSettings, calibration: Calibration) -> Rule:
    """Each rule is given its own Settings, which no type can say of a table."""
    rule: Rule = kind(settings, camera, calibration)
    return rule


def _entry_schema(name: RuleName) -> dict[str, Any]:
    schema = RULES[name].Settings.model_json_schema()
    schema["properties"] = {"rule": {"const": name, "description": (RULES[name].__doc__ or "").splitlines()[0]}, **schema["properties"]}
    schema["required"] = ["rule", *schema.get("required", ())]
    return schema
