"""The frames of one camera of a site with recorded footage."""

from collections.abc import Sequence

from etle.clock import SystemClock
from etle.config.site import CameraSettings
from etle.types import Frame
from ingest.frame_loss import FrameLossCounter
from ingest.sources.open import open_source


def frames_of(camera: CameraSettings) -> Sequence[Frame]:
    return list(open_source(camera.camera_id, camera.source, SystemClock(), FrameLossCounter()).frames())
