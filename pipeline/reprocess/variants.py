"""The site as a run sees it: with other rules and drawings, or with other models."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from etle.config.site import CameraSettings, DetectionSettings, GroundPoint, Lane, Line, RuleEntry, SignalHead, Site
from etle.config.strict_yaml import Name, Section, interpolate_env, read_yaml, resolve_paths, validate
from etle.errors import ConfigError
from etle.protocols import PlateDetector
from etle.runs.plan import SiteVariant
from etle.types import Digest, PlateBox

if TYPE_CHECKING:
    from etle.types import Image
    from pipeline.assembly import Engines


class CameraRules(Section):
    """Rules and drawings of one camera; what is not given stays as in the site file."""

    id: Name
    rules: tuple[RuleEntry, ...] | None = None
    lines: tuple[Line, ...] | None = None
    lanes: tuple[Lane, ...] | None = None
    signals: tuple[SignalHead, ...] | None = None
    ground_points: tuple[GroundPoint, ...] | None = None


class RulesFile(Section):
    """`cameras`, as in a site file, with the keys that differ."""

    cameras: tuple[CameraRules, ...] = Field(min_length=1)


def read_variant(site: Site, rules: Path | None, models: Path | None) -> SiteVariant:
    """From the files of the command line. Raises ConfigError."""
    return SiteVariant(cameras=_read_rules(rules) if rules else None, detect=_read_models(site, models) if models else None)


def with_variant(site: Site, variant: SiteVariant, where: str) -> Site:
    """`where`: named in errors. Raises ConfigError, also for a camera that the site does not have."""
    if variant.detect is not None:
        site = site.model_copy(update={"detect": _detect(site, variant.detect, where)})
    if variant.cameras is not None:
        site = _with_rules(site, variant.cameras, where)
    return site


def _read_rules(file: Path) -> tuple[Mapping[str, Any], ...]:
    document = read_yaml(file)
    validate(document, RulesFile, str(file))
    return tuple(document["cameras"])


def _read_models(site: Site, file: Path) -> Mapping[str, Any]:
    """The keys of `detect` that the file has, with absolute paths; those that are not given stay as in the site file."""
    document = interpolate_env(read_yaml(file), os.environ, str(file))
    if not isinstance(document, dict):
        validate(document, DetectionSettings, str(file))
    detect = resolve_paths(_detect(site, document, str(file)), file.parent.absolute())
    given = {DetectionSettings.renamed_keys.get(key, key) for key in document}
    return detect.model_dump(mode="json", include=given)


def _detect(site: Site, given: Mapping[str, Any], where: str) -> DetectionSettings:
    known = {key: getattr(site.detect, key) for key in site.detect.model_fields_set}
    return validate({**known, **given}, DetectionSettings, where)


def _with_rules(site: Site, cameras: Sequence[Mapping[str, Any]], where: str) -> Site:
    given = {each.id: each for each in validate({"cameras": list(cameras)}, RulesFile, where).cameras}
    if unknown := given.keys() - {camera.id for camera in site.cameras}:
        raise ConfigError(f"{where}: the site has no camera {sorted(unknown)[0]!r}")
    merged = tuple(_merged(camera, given[camera.id], where) if camera.id in given else camera for camera in site.cameras)
    return site.model_copy(update={"cameras": merged})


def _merged(camera: CameraSettings, rules: CameraRules, where: str) -> CameraSettings:
    given: dict[str, Any] = {key: getattr(rules, key) for key in rules.model_fields_set if key != "id"}
    return validate({**{key: getattr(camera, key) for key in camera.model_fields_set}, **given}, CameraSettings, where)


class NoPlateDetector:
    """A PlateDetector that finds no plates, for runs that repeat the rules only."""

    name = "none"
    digest = Digest("0" * 64)

    def detect_crops(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        return [() for _ in images]

    def detect_frames(self, images: "Sequence[Image]") -> Sequence[tuple[PlateBox, ...]]:
        return self.detect_crops(images)


def without_plates(engines: "Engines") -> "Engines":
    detector: PlateDetector = NoPlateDetector()
    return replace(engines, plate_detector=detector, reads_plates=False, persons=None, heads=None, attributes={})
