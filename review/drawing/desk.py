"""What the drawing pages work on: one site file, and what the stages offer for it."""

from dataclasses import dataclass
from typing import Any

import yaml
from fastapi import HTTPException, Request

from etle.config.bounded_yaml import parse
from etle.config.drawing import CameraDrawing, changed_values
from etle.config.site_text import change_camera
from etle.config.site_versions import SiteFile
from etle.errors import ConfigError
from etle.site_desk import DrawingAssessor, ScenePictures, Trials
from etle.types import CameraId


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteDesk:
    """`cameras`: those that may be drawn, which the command line chose."""

    file: SiteFile
    cameras: tuple[CameraId, ...]
    timezone: str
    pictures: ScenePictures
    assessor: DrawingAssessor
    trials: Trials

    def camera_values(self, text: str, camera: CameraId) -> dict[str, Any]:
        """The camera's part of the content of a site file. Raises ConfigError."""
        try:
            document = parse(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"{self.file.path.name}: {error}") from error
        found = next((each for each in _cameras_of(document) if each.get("id") == camera), None)
        if found is None:
            raise ConfigError(f"{self.file.path.name} has no camera {camera!r} any more")
        return found

    def with_drawing(self, text: str, camera: CameraId, drawing: CameraDrawing, more: dict[str, Any] | None = None) -> str:
        """The content of a site file with this drawing. `more`: further values of the camera. Raises ConfigError."""
        editable = {form.rule: frozenset(form.fields) for form in self.assessor.rule_forms()}
        values = changed_values(self.camera_values(text, camera), drawing, editable)
        return change_camera(text, camera, {**values, **(more or {})})

    def known(self, camera: str) -> CameraId:
        """Answers 404 for a camera that is not drawn here."""
        if camera not in self.cameras:
            raise HTTPException(404)
        return CameraId(camera)


def _cameras_of(document: Any) -> list[dict[str, Any]]:
    cameras = document.get("cameras") if isinstance(document, dict) else None
    return [each for each in cameras if isinstance(each, dict)] if isinstance(cameras, list) else []


def desk_of(request: Request) -> SiteDesk:
    desk: SiteDesk = request.app.state.desk
    return desk
