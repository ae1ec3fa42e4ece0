"""What the table of rules holds for each rule."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from etle.config import site as config
from etle.config.strict_yaml import Section, validate
from etle.types import RuleName
from pipeline.scene.calibration import Calibration
from pipeline.scene.scene import Rule

SettingsT = TypeVar("SettingsT", bound=Section)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleType(Generic[SettingsT]):
    """Everything that the rest of etle derives from a rule: its settings' schema, its line in a new site file, its instances."""

    name: RuleName
    summary: str
    """One sentence, shown by editors."""
    settings: type[SettingsT]
    build: Callable[[SettingsT, config.CameraSettings, Calibration], Rule]
    """Raises ConfigError if the settings name a line, lane or signal that the camera does not have."""
    act: str = ""
    """Rules with the same act see one act of a driver from different sides: one case. Empty: no other rule sees it."""
    example: str
    """Settings in YAML for a new site file: `henti`, `simpang`, `barat`, `kiri`, zones `zona`, `keluar`, marking `marka`."""

    def from_entry(self, entry: config.RuleEntry, camera: config.CameraSettings, calibration: Calibration) -> Rule:
        """The rule for one entry under `rules` of a camera. Raises ConfigError."""
        settings = validate(dict(entry.settings), self.settings, f"camera {camera.id!r}, rule {entry.rule!r}")
        return self.build(settings, camera, calibration)

    def entry_schema(self) -> dict[str, Any]:
        """JSON Schema of an entry under `rules`."""
        schema = self.settings.model_json_schema()
        schema["properties"] = {"rule": {"const": self.name, "description": self.summary}, **schema["properties"]}
        schema["required"] = ["rule", *schema.get("required", ())]
        return schema
