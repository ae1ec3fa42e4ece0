"""The stages of a site's cameras, all with the same models."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

from etle.config.law import Law
from etle.config.site import Site
from etle.protocols import VehicleDetector
from etle.types import Box, CameraId, Detection, Digest
from pipeline.assembly import Engines, build_stage, fingerprint
from pipeline.detect.stage import CameraStage
from pipeline.detect.state import StageState, initial_state

if TYPE_CHECKING:
    from etle.types import Image


class SiteStageFactory:
    """A StageFactory. The models are shared: use its stages in one thread."""

    def __init__(self, site: Site, engines: Engines, law: Law) -> None:
        self._site = site
        self._engines = engines
        self._law = law
        self._cameras = {camera.camera_id: camera for camera in site.cameras}
        self._fingerprints = {name: fingerprint(site, camera, engines) for name, camera in self._cameras.items()}
        self.cameras = frozenset(self._cameras)

    def check(self) -> None:
        """Build every stage once. Raises ConfigError where a camera's drawings or rules are wrong, before the first frame arrives."""
        for camera in self.cameras:
            self.build(camera, initial_state(self._fingerprints[camera], camera, 0))

    def fingerprint(self, camera: CameraId) -> Digest:
        return self._fingerprints[camera]

    def build(self, camera: CameraId, state: StageState) -> CameraStage:
        return build_stage(self._site, self._cameras[camera], self._engines, self._law, state)


class MeasuredDetector:
    """A VehicleDetector that measures how long another one takes."""

    def __init__(self, detector: VehicleDetector, measure: Callable[[str], AbstractContextManager[None]]) -> None:
        """`measure` is called with the detector's name, and measures the block."""
        self.name = detector.name
        self.digest = detector.digest
        self._detector = detector
        self._measure = measure

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        with self._measure(self.name):
            return self._detector.detect(images)

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        with self._measure(self.name):
            return self._detector.detect_part(image, part, zoom)


def measured(engines: Engines, measure: Callable[[str], AbstractContextManager[None]]) -> Engines:
    """The same engines, with the time of the vehicle detector measured."""
    return replace(engines, detector=MeasuredDetector(engines.detector, measure))
