"""Opens the sources of a site in the process that also runs its stages."""

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from etle.config.site import CameraSettings, Site
from etle.protocols import Clock, FrameSource
from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter, LossReason
from ingest.signals.source import OpenTail, no_topics, with_signals
from ingest.sources.live_buffer import BUFFER_FRAMES, LiveBuffer
from ingest.sources.open import open_source


class SiteSources:
    """A SourceProvider of `pipeline.workers.site_run`: live sources are read through a buffer, and all losses are counted."""

    def __init__(self, site: Site, clock: Clock, open_tail: OpenTail = no_topics) -> None:
        """`open_tail` opens the topic of a signal's controller."""
        self._timezone = ZoneInfo(site.timezone)
        self._clock = clock
        self._losses = FrameLossCounter()
        self._open_tail = open_tail

    def open(self, camera: CameraSettings) -> FrameSource:
        source = open_source(camera.camera_id, camera.source, self._clock, self._losses, timezone=self._timezone)
        buffered = LiveBuffer(source, BUFFER_FRAMES, self._losses) if source.live else source
        return with_signals(buffered, camera, self._clock, self._losses, self._open_tail)

    def count_undecodable(self, camera: CameraId, reason: str) -> None:
        self._losses.count(camera, LossReason.UNDECODABLE, reason)

    def losses(self) -> Mapping[CameraId, Mapping[str, int]]:
        return {camera: {str(reason): times for reason, times in counts.items()} for camera, counts in self._losses.snapshot().items()}
