"""The demo footage as folders of pictures, repeated with later times, and the violations of an undisturbed run on it."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from etle.clock import SystemClock
from etle.config.site import CameraSettings, load_site
from etle.types import CameraId, ViolationId
from ingest.frame_loss import FrameLossCounter
from ingest.sources.folder import FolderSource
from ingest.sources.open import open_source
from pipeline.detect.state import initial_state
from pipeline.workers.stages import SiteStageFactory

DEMO = Path(__file__).parents[2] / "configs" / "demo" / "site.yaml"
PASS_GAP = timedelta(seconds=10)
"""Time between the end of one pass over the clips and the start of the next, by the cameras' clocks."""


@dataclass(frozen=True, slots=True)
class FootageFrame:
    camera: CameraId
    captured_at: datetime
    jpeg: Path


class Footage:
    """In `folder`: the frames of one pass over the clips at `fps`, and a folder for each camera into which pictures are published."""

    def __init__(self, folder: Path, fps: float) -> None:
        self.site = load_site(DEMO, {})
        self._folder = folder
        self.zone = ZoneInfo(self.site.timezone)
        self._pass = [picture for camera in self.site.cameras for picture in self._extract(camera, fps)]
        self._span = max(each.captured_at for each in self._pass) - min(each.captured_at for each in self._pass) + PASS_GAP
        for camera in self.site.cameras:
            self.folder_of(camera.camera_id).mkdir(parents=True)
            self.folder_of(camera.camera_id, whole=True).mkdir(parents=True)

    def folder_of(self, camera: CameraId, *, whole: bool = False) -> Path:
        """`whole`: of the undisturbed run, which reads all pictures at once."""
        return self._folder / ("whole" if whole else "cameras") / camera

    def pictures(self, passes: int) -> list[FootageFrame]:
        """Of all cameras, in the order of their times."""
        frames = [
            FootageFrame(each.camera, each.captured_at + number * self._span, each.jpeg) for number in range(passes) for each in self._pass
        ]
        return sorted(frames, key=lambda picture: (picture.captured_at, picture.camera))

    def publish(self, picture: FootageFrame, *, whole: bool = False) -> None:
        """Adds the picture to its camera's folder, with its time as the file name."""
        name = picture.captured_at.astimezone(self.zone).strftime("%Y%m%d_%H%M%S_%f.jpg")
        os.link(picture.jpeg, self.folder_of(picture.camera, whole=whole) / name)

    def _extract(self, camera: CameraSettings, fps: float) -> Iterator[FootageFrame]:
        folder = self._folder / "pass" / camera.id
        folder.mkdir(parents=True)
        source = camera.source.model_copy(update={"fps": fps})
        for frame in open_source(camera.camera_id, source, SystemClock(), FrameLossCounter(), timezone=self.zone).frames():
            path = folder / f"{frame.sequence}.jpg"
            path.write_bytes(frame.jpeg)
            captured_at = frame.captured_at.replace(microsecond=frame.captured_at.microsecond // 1000 * 1000)
            yield FootageFrame(camera.camera_id, captured_at, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedViolation:
    violations: frozenset[ViolationId]
    frames: dict[CameraId, int]


def undisturbed(footage: Footage, pictures: Sequence[FootageFrame], stages: SiteStageFactory) -> ExpectedViolation:
    """Runs one stage for each camera on all pictures."""
    found: set[ViolationId] = set()
    frames: dict[CameraId, int] = {}
    for picture in pictures:
        footage.publish(picture, whole=True)
    for name in (camera.camera_id for camera in footage.site.cameras):
        stage = stages.build(name, initial_state(stages.fingerprint(name), name, 0))
        for frame in FolderSource(
            name, footage.folder_of(name, whole=True), SystemClock(), FrameLossCounter(), timezone=footage.zone
        ).frames():
            frames[name] = frames.get(name, 0) + 1
            found |= {message.violation.id for message in stage.process(frame)}
        found |= {message.violation.id for message in stage.finish()}
    return ExpectedViolation(violations=frozenset(found), frames=frames)
