"""Where pictures and trial footage of a camera come from: its recording, the archive, or the live camera."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from etle.clock import SystemClock
from etle.config.site import CameraSettings, Site
from etle.errors import SourceUnavailable
from etle.types import CameraId, Digest, Frame

if TYPE_CHECKING:
    from etle.protocols import FrameSource
    from pipeline.site_setup.scene_pictures import PictureSource

ARCHIVE_S: Final = 120.0
"""Of the archive, from which pictures are sampled."""
_ATTEMPTS: Final = 2


def picture_sources(site: Site, data: Path) -> Mapping[CameraId, "PictureSource"]:
    """For each camera, how its pictures are read."""
    return {camera.camera_id: _picture_source(site, camera, data) for camera in site.cameras}


def recent_footage(site: Site, camera: CameraSettings, data: Path, seconds: float) -> "tuple[FrameSource, datetime | None]":
    """Footage of about so many seconds, with the time from which on decisions count; None: from its beginning.

    The recording from its beginning; of a live camera the end of its archive, or else what it sends from now on. Raises ConfigError,
    SourceUnavailable.
    """
    from pipeline.site_setup.trial import CountedFrames, frames_until

    source = _opened(site, camera)
    if camera.source.live and (archived := archived_footage(site, camera, data, seconds)) is not None:
        return archived
    if not camera.source.live:
        return CountedFrames(lambda: frames_until(source, seconds), lambda: None), None
    recorded = list(frames_until(source, seconds))
    return CountedFrames(lambda: iter(recorded), lambda: None), None


def archived_footage(site: Site, camera: CameraSettings, data: Path, seconds: float) -> "tuple[FrameSource, datetime] | None":
    """The last seconds of the camera in the archive, with a lead-in, and when they begin; None if the archive has none."""
    if site.archive is None:
        return None
    from etle.runs.plan import FootageKind, Part, PlannedCamera, ReprocessPlan
    from etle.signing import frame_verifier
    from etle.storage.archive.opening import ArchivePlace, open_archive_reader
    from pipeline.reprocess.footage import ArchiveFootage

    reader = open_archive_reader(site, ArchivePlace.of(site.archive, data))
    stored = reader.segments(camera.camera_id)
    if not stored:
        return None
    _, index = reader.open(stored[-1].name)
    times = [entry.captured_at for entry in index.entries() if entry is not None]
    if not times:
        return None
    until = max(times) + timedelta(microseconds=1)
    since = until - timedelta(seconds=seconds)
    segments = tuple(each.name.video for each in reader.segments(camera.camera_id, since - timedelta(minutes=2), until))
    planned = PlannedCamera(camera=camera.camera_id, fingerprint=Digest(""), segments=segments)
    plan = ReprocessPlan(site=site.site, source=FootageKind.ARCHIVE, part=Part.RULES, since=since, until=until, cameras=(planned,))
    return ArchiveFootage(reader, plan, planned, frame_verifier(site.ingest), lambda frame: None), since


def _picture_source(site: Site, camera: CameraSettings, data: Path) -> "PictureSource":
    from pipeline.site_setup.scene_pictures import PictureSource

    if not camera.source.live:
        return PictureSource(recorded=partial(_recorded, site, camera), now=None)
    archive = partial(_archived, site, camera, data) if site.archive is not None else None
    return PictureSource(recorded=archive, now=partial(_recorded, site, camera) if camera.source.opener else None)


def _recorded(site: Site, camera: CameraSettings) -> Iterator[Frame]:
    return _opened(site, camera).frames()


def _archived(site: Site, camera: CameraSettings, data: Path) -> Iterator[Frame]:
    found = archived_footage(site, camera, data, ARCHIVE_S)
    return found[0].frames() if found else iter(())


def _opened(site: Site, camera: CameraSettings) -> "FrameSource":
    """Raises ConfigError for a camera that a vendor pushes and that has no archive."""
    from zoneinfo import ZoneInfo

    from ingest.frame_loss import FrameLossCounter
    from ingest.sources.open import open_source

    if camera.source.opener is None:
        return _NoSource(camera)
    return open_source(
        camera.camera_id, camera.source, SystemClock(), FrameLossCounter(), timezone=ZoneInfo(site.timezone), attempts=_ATTEMPTS
    )


class _NoSource:
    """Of a camera whose vendor pushes the frames."""

    live = True

    def __init__(self, camera: CameraSettings) -> None:
        self._camera = camera

    def frames(self, after: int | None = None) -> Iterator[Frame]:
        raise SourceUnavailable(f"camera {self._camera.id!r}: {self._camera.source.description} pushes its frames: archive them")
