"""Open the source that a camera's `source` in the site file describes."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, tzinfo
from importlib import import_module
from random import Random

from etle.config.sources import SourceSettings
from etle.errors import ConfigError
from etle.protocols import Clock, FrameSource
from etle.types import CameraId
from ingest.frame_loss import FrameLossCounter


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What sources need besides their settings. Each kind's `open_source(camera, settings, context)` takes what it uses."""

    clock: Clock
    losses: FrameLossCounter
    timezone: tzinfo = UTC
    """Of times in a folder's pictures that have no UTC offset: the site's."""
    attempts: int | None = None
    """Failures in a row after which a camera is given up; None: never."""
    jitter: Callable[[], float] = Random().random
    """Numbers from 0 up to 1, which spread the delays between attempts to reconnect."""


def open_source(
    camera: CameraId,
    source: SourceSettings,
    clock: Clock,
    losses: FrameLossCounter,
    *,
    timezone: tzinfo = UTC,
    attempts: int | None = None,
) -> FrameSource:
    """The source that `source` describes. No file or connection is opened before its `frames` are read.

    Raises ConfigError for a source that etle does not read itself, MissingExtra if a video is to be read and PyAV is not installed.
    """
    if source.opener is None:
        raise ConfigError(f"camera {camera!r}: {source.description} pushes its frames; `etle vendor serve` receives them")
    module, function = source.opener.split(":")
    context = SourceContext(clock=clock, losses=losses, timezone=timezone, attempts=attempts)
    opened: FrameSource = getattr(import_module(module), function)(camera, source, context)
    return opened
