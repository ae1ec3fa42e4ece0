"""The demo cameras' pictures as folders, over and over with later times, and what an undisturbed run finds in them."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from etle.clock import SystemClock
from etle.config.site import CameraSettings, load_site
from etle.types import CameraId, ViolationId
from etle_cli.commands.detect import SiteStageFactory
from ingest.frame_loss import FrameLossCounter
from ingest.sources.folder import FolderSource
from ingest.sources.open import open_source
from pipeline.workers.checkpoint import first_memory

DEMO = Path(__file__).parents[2] / "configs" / "demo" / "site.yaml"
BETWEEN = timedelta(seconds=10)
"""From the end of one pass to the beginning of the next, by the cameras' clocks."""


@dataclass(frozen=True, slots=True)
class FootageFrame:
    camera: CameraId
    moment: datetime
    jpeg: Path


class Footage:
    """Lies in `folder`: one pass over the clips, thinned to `fps`, and a folder for each camera that pictures are laid into."""

    def __init__(self, folder: Path, fps: float) -> None:
        self.site = load_site(DEMO, {})
        self._folder = folder
        self.zone = ZoneInfo(self.site.timezone)
        self._pass = [picture for camera in self.site.cameras for picture in self._taken(camera, fps)]
        self._span = max(each.moment for each in self._pass) - min(each.moment for each in self._pass) + BETWEEN
        for camera in self.site.cameras:
            self.folder_of(camera.camera_id).mkdir(parents=True)
            self.folder_of(camera.camera_id, whole=True).mkdir(parents=True)

    def folder_of(self, camera: CameraId, *, whole: bool = False) -> Path:
        """`whole`: for the undisturbed run, which has everything from the start."""
        return self._folder / ("whole" if whole else "cameras") / camera

    def pictures(self, passes: int) -> list[FootageFrame]:
        """Of all cameras, in the order of their moments."""
        every = [FootageFrame(each.camera, each.moment + number * self._span, each.jpeg) for number in range(passes) for each in self._pass]
        return sorted(every, key=lambda picture: (picture.moment, picture.camera))

    def lay(self, picture: FootageFrame, *, whole: bool = False) -> None:
        """Into its camera's folder, under a name that tells its moment."""
        name = picture.moment.astimezone(self.zone).strftime("%Y%m%d_%H%M%S_%f.jpg")
        os.link(picture.jpeg, self.folder_of(picture.camera, whole=whole) / name)

    def _taken(self, camera: CameraSettings, fps: float) -> Iterator[FootageFrame]:
        folder = self._folder / "pass" / camera.id
        folder.mkdir(parents=True)
        source = camera.source.model_copy(update={"fps": fps})
        for frame in open_source(camera.camera_id, source, SystemClock(), FrameLossCounter(), timezone=self.zone).frames():
            path = folder / f"{frame.sequence}.jpg"
            path.write_bytes(frame.jpeg)
            moment = frame.captured_at.replace(microsecond=frame.captured_at.microsecond // 1000 * 1000)
            yield FootageFrame(camera.camera_id, moment, path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedViolation:
    violations: frozenset[ViolationId]
    frames: dict[CameraId, int]


def undisturbed(footage: Footage, pictures: Sequence[FootageFrame], stages: SiteStageFactory) -> ExpectedViolation:
    """One stage for each camera, over all of the pictures."""
    found: set[ViolationId] = set()
    frames: dict[CameraId, int] = {}
    for picture in pictures:
        footage.lay(picture, whole=True)
    for name in (camera.camera_id for camera in footage.site.cameras):
        stage = stages.build(name, first_memory(stages.made_by(name), name, 0))
        for frame in FolderSource(
            name, footage.folder_of(name, whole=True), SystemClock(), FrameLossCounter(), timezone=footage.zone
        ).frames():
            frames[name] = frames.get(name, 0) + 1
            found |= {parcel.violation.id for parcel in stage.process(frame)}
        found |= {parcel.violation.id for parcel in stage.finish()}
    return ExpectedViolation(violations=frozenset(found), frames=frames)
