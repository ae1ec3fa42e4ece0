"""Judges a drawing before it is saved: what `etle check` would refuse, and how accurate its calibration is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from etle.config.bounded_yaml import parse
from etle.config.schedule import Day, Holidays, RuleSchedule
from etle.config.site import CameraSettings, Lens, site_of
from etle.errors import ConfigError
from etle.site_desk import Assessment, CalibrationAssessment, ErrorAt, RuleForm
from etle.types import CameraId
from pipeline.rules import RULES, build_rules
from pipeline.scene.calibration import calibrate
from pipeline.site_setup.calibration_report import fit_lens, report_calibration

_PLAIN: Final = ("number", "integer", "boolean")


class SiteAssessor:
    """A DrawingAssessor for the site file at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def assess(self, text: str, camera: CameraId, lens_terms: int | None = None) -> Assessment:
        try:
            settings = _camera_of(text, self._path, camera)
            if lens_terms is not None:
                settings = settings.model_copy(update={"lens": fit_lens(settings, lens_terms) if lens_terms else None})
        except ConfigError as error:
            return Assessment(problems=_lines(error, self._path), calibration=None)
        problems: list[str] = []
        try:
            build_rules(settings, calibrate(settings))
        except ConfigError as error:
            problems += _lines(error, self._path)
        return Assessment(problems=tuple(problems), calibration=_calibration(settings))

    def rule_forms(self) -> tuple[RuleForm, ...]:
        return tuple(_form(rule.name, rule.summary, rule.entry_schema()) for rule in RULES.values())


def _camera_of(text: str, path: Path, camera: CameraId) -> CameraSettings:
    try:
        raw = parse(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {error}") from error
    return site_of(raw, path).with_cameras([camera]).cameras[0]


def _calibration(camera: CameraSettings) -> CalibrationAssessment | None:
    if not camera.ground_points:
        return None
    try:
        report = report_calibration(camera)
    except ConfigError:
        return None  # it is one of the problems
    assert report.calibration.matrix is not None
    lens = camera.lens or Lens()
    return CalibrationAssessment(
        matrix=report.calibration.matrix,
        k1=lens.k1,
        k2=lens.k2,
        residuals=tuple((each.m, each.px) for each in report.points),
        checked=report.checked,
        errors=tuple(ErrorAt(px=each.px, error_m=each.error_m) for each in report.errors),
        typical_m=report.typical_m,
    )


def _lines(error: ConfigError, path: Path) -> tuple[str, ...]:
    return tuple(line.removeprefix(f"{path}: ") for line in str(error).splitlines())


def _form(name: str, summary: str, schema: Mapping[str, Any]) -> RuleForm:
    made = ((key, _field(each, schema.get("$defs", {}))) for key, each in schema["properties"].items() if key != "rule")
    fields = {key: field for key, field in made if field is not None}
    return RuleForm(rule=name, summary=summary, fields=fields, required=frozenset(schema.get("required", ())) - {"rule"})


def _field(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What the page asks for: numbers, choices, names of what is drawn, and hours. None for paths, addresses and texts, which the page must
    not set."""
    found = _resolved(schema, defs)
    about = {key: found[key] for key in ("description", "default") if key in found}
    items = _resolved((found.get("prefixItems") or [found.get("items") or {}])[0], defs)
    if "names" in found:
        return {"type": "name", "names": found["names"], **about}
    if "enum" in found:
        return {"type": "choice", "enum": found["enum"], **about}
    if "names" in items:
        return {"type": "names", "names": items["names"], "count": len(found.get("prefixItems", ())) or None, **about}
    if "enum" in items:
        return {"type": "choices", "enum": items["enum"], **about}
    if set(found.get("properties", ())) == set(RuleSchedule.model_fields):
        return {"type": "schedule", "days": [*Day], "holidays": [*Holidays], **about}
    return {"type": found["type"], **about} if found.get("type") in _PLAIN else None


def _resolved(schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """With the content of the definition that it refers to; of a value that may be null, that of the value."""
    values = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if len(values) == 1:
        schema = {**schema, **values[0]}
    return {**defs[schema["$ref"].rsplit("/", 1)[-1]], **schema} if "$ref" in schema else schema
