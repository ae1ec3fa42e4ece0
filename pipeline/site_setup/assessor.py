"""Judges a drawing before it is saved: what `etle check` would refuse, and how accurate its calibration is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from etle.config.bounded_yaml import parse
from etle.config.site import CameraSettings, Lens, site_of
from etle.errors import ConfigError
from etle.site_desk import Assessment, CalibrationAssessment, ErrorAt, RuleForm
from etle.types import CameraId
from pipeline.rules import RULES, build_rules
from pipeline.scene.calibration import calibrate
from pipeline.site_setup.calibration_report import fit_lens, report_calibration

_NAME_PATTERN: Final = "^[a-z0-9][a-z0-9_-]{0,62}$"
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
    fields = {key: each for key, each in schema["properties"].items() if key != "rule" and _is_editable(each)}
    return RuleForm(rule=name, summary=summary, fields=fields, required=frozenset(schema.get("required", ())) - {"rule"})


def _is_editable(field: Mapping[str, Any]) -> bool:
    """Numbers, choices and names of what is drawn: no paths, addresses or texts, which the page must not set."""
    if field.get("type") in _PLAIN or "enum" in field or "const" in field:
        return True
    if field.get("type") == "array":
        return _is_editable(field.get("items", {}))
    if "anyOf" in field:
        return all(_is_editable(each) or each.get("type") == "null" for each in field["anyOf"])
    return field.get("type") == "string" and field.get("pattern") == _NAME_PATTERN
