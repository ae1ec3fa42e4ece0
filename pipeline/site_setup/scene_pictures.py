"""Pictures of the cameras of a site on which to draw: sampled from recorded footage, or taken of a live camera when asked."""

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from etle.clock import seconds_between
from etle.errors import EtleError, SourceUnavailable
from etle.site_desk import PictureList, ScenePicture
from etle.types import CameraId, Frame
from pipeline.site_setup.survey import SETTLING_S

log = logging.getLogger(__name__)
EVERY_S: Final = 2.5
"""Between two pictures of recorded footage: in one of them the road is clear."""
MAX_PICTURES: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureSource:
    """Where the pictures of a camera come from. `recorded`: frames of its footage or of its archive; `now`: frames of the live camera."""

    recorded: Callable[[], Iterator[Frame]] | None
    now: Callable[[], Iterator[Frame]] | None


@dataclass(slots=True)
class _Kept:
    frames: dict[str, Frame] = field(default_factory=dict)
    pending: bool = False
    started: bool = False
    problem: str = ""


class SampledPictures:
    """ScenePictures in memory, at most sixteen of each camera. Thread-safe."""

    def __init__(self, sources: Mapping[CameraId, PictureSource]) -> None:
        self._sources = sources
        self._kept = {camera: _Kept() for camera in sources}
        self._lock = threading.Lock()
        self._taking = threading.Lock()

    def listed(self, camera: CameraId) -> PictureList:
        kept, source = self._kept[camera], self._sources[camera]
        with self._lock:
            begin = not kept.started
            kept.started = True
            kept.pending = kept.pending or begin
        if begin:
            threading.Thread(target=self._sample, args=(kept, source), name=f"pictures of {camera}", daemon=True).start()
        return self._list(camera)

    def take(self, camera: CameraId) -> PictureList:
        now = self._sources[camera].now
        if now is None:
            raise SourceUnavailable(f"camera {camera!r} is a recording: there is no picture of now")
        with self._taking:
            frame = _settled(now())
        self._add(self._kept[camera], frame)
        return self._list(camera)

    def jpeg(self, camera: CameraId, key: str) -> bytes | None:
        with self._lock:
            frame = self._kept[camera].frames.get(key)
        return frame.jpeg if frame else None

    def _list(self, camera: CameraId) -> PictureList:
        kept = self._kept[camera]
        with self._lock:
            pictures = tuple(ScenePicture(key=key, captured_at=frame.captured_at) for key, frame in kept.frames.items())
            return PictureList(pictures=pictures, pending=kept.pending, live=self._sources[camera].now is not None, problem=kept.problem)

    def _sample(self, kept: _Kept, source: PictureSource) -> None:
        try:
            if source.recorded is not None:
                for frame in _sampled(source.recorded()):
                    self._add(kept, frame)
            if source.now is not None and not kept.frames:
                self._add(kept, _settled(source.now()))
        except (EtleError, OSError) as error:
            log.warning("no picture to draw on: %s", error)
            kept.problem = str(error)
        finally:
            kept.pending = False

    def _add(self, kept: _Kept, frame: Frame) -> None:
        with self._lock:
            while len(kept.frames) >= MAX_PICTURES:
                del kept.frames[next(iter(kept.frames))]
            kept.frames[f"{int(frame.captured_at.timestamp() * 1000)}"] = frame
            kept.problem = ""


def _sampled(frames: Iterator[Frame]) -> Iterator[Frame]:
    last: Frame | None = None
    count = 0
    for frame in frames:
        if last is None or seconds_between(last.captured_at, frame.captured_at) >= EVERY_S:
            yield frame
            last, count = frame, count + 1
        if count == MAX_PICTURES:
            return


def _settled(frames: Iterator[Frame]) -> Frame:
    """A frame from after the first second: the first ones of many cameras are grey. Raises SourceError."""
    first = last = None
    for frame in frames:
        first, last = first or frame, frame
        if seconds_between(first.captured_at, frame.captured_at) >= SETTLING_S:
            return frame
    if last is None:
        raise SourceUnavailable("the camera sent no picture")
    return last
