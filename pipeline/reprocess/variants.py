"""The site as a run sees it: with other rules and drawings, or with other models."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from etle.config.site import CameraSettings, DetectionSettings, GroundPoint, Lane, Line, RuleEntry, SignalHead, Site
from etle.config.strict_yaml import Name, Section, interpolate_env, read_yaml, resolve_paths, validate
from etle.errors import ConfigError
from etle.protocols import PlateDetector
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


def with_rules(site: Site, file: Path) -> Site:
    """Raises ConfigError, also for a camera that the site does not have."""
    given = {each.id: each for each in validate(read_yaml(file), RulesFile, str(file)).cameras}
    if unknown := given.keys() - {camera.id for camera in site.cameras}:
        raise ConfigError(f"{file}: the site has no camera {sorted(unknown)[0]!r}")
    cameras = tuple(_merged(camera, given[camera.id], str(file)) if camera.id in given else camera for camera in site.cameras)
    return site.model_copy(update={"cameras": cameras})


def with_models(site: Site, file: Path) -> Site:
    """`file` has the keys of `detect`; those that are not given stay as in the site file. Raises ConfigError."""
    document = interpolate_env(read_yaml(file), os.environ, str(file))
    known = {key: getattr(site.detect, key) for key in site.detect.model_fields_set}
    detect = validate({**known, **document} if isinstance(document, dict) else document, DetectionSettings, str(file))
    given = resolve_paths(detect, file.parent)
    return site.model_copy(update={"detect": given.model_copy(update={key: value for key, value in known.items() if key not in document})})


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
    return replace(engines, plate_detector=detector, reads_plates=False, persons=None)
