"""Whether each camera gives pictures, of the size that its drawings are for, and what its clock says. All at once: a dead one is slow."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from etle.clock import SystemClock
from etle.config.site import CameraSettings, Site
from etle.errors import EtleError, SourceUnavailable
from etle.types import Frame
from etle_cli.check.result import CheckResult, note, ok, problem

if TYPE_CHECKING:
    from etle.protocols import FrameSource

AT_ONCE: Final = 16
CLOCK_S: Final = 2.0
"""A camera whose clock is further off is named: what it burns into its pictures will be asked about in court."""
_MB: Final = 1_000_000


def check_sources(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    cameras = [camera for camera in site.cameras if camera.source.vendor is None]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for findings in pool.map(lambda camera: _looked_at(site, camera, timeout_s), cameras):
            yield from findings


def check_box_disk(site: Site, data: Path) -> Iterator[CheckResult]:
    """Room for the spool, beside what is to stay free."""
    settings, folder = site.ingest, next(path for path in (data, *data.parents) if path.exists())
    free_mb, wanted_mb = shutil.disk_usage(folder).free / _MB, settings.spool_mb + settings.keep_free_mb
    said = f"{folder} has {free_mb:.0f} MB free"
    if free_mb < settings.keep_free_mb:
        yield problem(
            "disk for the spool", f"{said}, and {settings.keep_free_mb} are to stay free: nothing could be spooled. Make room, or --data"
        )
    elif free_mb < wanted_mb:
        yield note("disk for the spool", f"{said}; spool_mb and keep_free_mb together want {wanted_mb}: the spool will be smaller")
    else:
        yield ok("disk for the spool", f"{said}; {settings.spool_mb} may be taken")


def _looked_at(site: Site, camera: CameraSettings, timeout_s: float) -> list[CheckResult]:
    subject = f"camera {camera.id}"
    try:
        frame = _first_frame(site, camera, timeout_s)
    except EtleError as error:
        return [problem(subject, str(error))]
    if (frame.width, frame.height) != camera.frame_size:
        wanted = "x".join(map(str, camera.frame_size))
        return [
            problem(
                subject,
                f"gives {frame.width}x{frame.height}, and frame_size is {wanted}: set the camera back, or draw it anew (`etle init`)",
            )
        ]
    return [ok(subject, f"gives {frame.width}x{frame.height}, {len(frame.jpeg) / 1000:.0f} kB"), *_clock(camera, frame)]


def _clock(camera: CameraSettings, frame: Frame) -> list[CheckResult]:
    error_s = frame.clock_error_s
    if error_s is None or abs(error_s) <= CLOCK_S:
        return []
    return [note(f"clock of {camera.id}", f"is off by {error_s:+.1f} s; both times are kept, but set it by NTP")]


def _first_frame(site: Site, camera: CameraSettings, timeout_s: float) -> Frame:
    """In a thread that is left behind if it hangs. Raises EtleError."""
    from ingest.frame_loss import FrameLossCounter
    from ingest.sources.open import open_source

    source = camera.source.model_copy(update={"timeout_s": timeout_s}) if camera.source.live else camera.source
    opened = open_source(camera.camera_id, source, SystemClock(), FrameLossCounter(), timezone=ZoneInfo(site.timezone), attempts=1)
    answers: SimpleQueue[Frame | EtleError] = SimpleQueue()
    Thread(target=_read_one, args=(opened, camera, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=3 * timeout_s)
    except Empty as error:
        raise SourceUnavailable(f"gave no picture within {3 * timeout_s:g} s") from error
    if isinstance(answer, EtleError):
        raise answer
    return answer


def _read_one(source: "FrameSource", camera: CameraSettings, answers: "SimpleQueue[Frame | EtleError]") -> None:
    try:
        with closing(source.frames()) as frames:  # type: ignore[type-var]  # a generator, in all of them
            frame = next(frames, None)
        answers.put(frame or SourceUnavailable("ended before its first picture"))
    except EtleError as error:
        answers.put(error)
