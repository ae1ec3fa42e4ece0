"""Checks of the cameras: a frame arrives, its size is `frame_size`, the clock is right. In parallel, because a timeout is slow."""

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
from etle.errors import EtleError, MissingExtra, SourceUnavailable
from etle.types import Frame, Lamp, LocatedHead
from etle_cli.check.result import CheckResult, note, ok, problem

if TYPE_CHECKING:
    from etle.protocols import FrameSource

PARALLEL_CAMERAS: Final = 16
MAX_CLOCK_ERROR_S: Final = 2.0
"""A larger error is reported: the time overlay in the pictures has to stand up in court."""
_MB: Final = 1_000_000


def check_sources(site: Site, timeout_s: float) -> Iterator[CheckResult]:
    cameras = [camera for camera in site.cameras if camera.source.pushed_by is None]
    with ThreadPoolExecutor(PARALLEL_CAMERAS) as pool:
        for results in pool.map(lambda camera: _check_camera(site, camera, timeout_s), cameras):
            yield from results


def check_spool_disk(site: Site, data: Path) -> Iterator[CheckResult]:
    """Free disk space for the spool, on top of `keep_free_mb`."""
    settings, folder = site.ingest, next(path for path in (data, *data.parents) if path.exists())
    free_mb, needed_mb = shutil.disk_usage(folder).free / _MB, settings.spool_mb + settings.keep_free_mb
    found = f"{folder} has {free_mb:.0f} MB free"
    if free_mb < settings.keep_free_mb:
        yield problem(
            "disk for the spool",
            f"{found}, less than keep_free_mb ({settings.keep_free_mb}): nothing can be spooled. Free some space, or choose another --data",
        )
    elif free_mb < needed_mb:
        yield note("disk for the spool", f"{found}; spool_mb and keep_free_mb need {needed_mb}: the spool will be smaller than configured")
    else:
        yield ok("disk for the spool", f"{found}; the spool uses up to {settings.spool_mb}")


def _check_camera(site: Site, camera: CameraSettings, timeout_s: float) -> list[CheckResult]:
    subject = f"camera {camera.id}"
    try:
        frame = _first_frame(site, camera, timeout_s)
    except EtleError as error:
        return [problem(subject, str(error))]
    if (frame.width, frame.height) != camera.frame_size:
        expected = "x".join(map(str, camera.frame_size))
        return [
            problem(
                subject,
                f"delivers {frame.width}x{frame.height}, but frame_size is {expected}: reset the camera or redraw the site (`etle init`)",
            )
        ]
    return [
        ok(subject, f"delivers {frame.width}x{frame.height}, {len(frame.jpeg) / 1000:.0f} kB"),
        *_clock(camera, frame),
        *_signals(camera, frame),
    ]


def _clock(camera: CameraSettings, frame: Frame) -> list[CheckResult]:
    error_s = frame.clock_error_s
    if error_s is None or abs(error_s) <= MAX_CLOCK_ERROR_S:
        return []
    return [note(f"clock of {camera.id}", f"is off by {error_s:+.1f} s; both times are stored, but synchronise it by NTP")]


def _signals(camera: CameraSettings, frame: Frame) -> list[CheckResult]:
    """Whether there is a signal head near each drawn box, and what it shows. Nothing on a host without the extra `detect`."""
    if not any(signal.boxes for signal in camera.signals):
        return []
    try:
        from pipeline.assembly import open_lamp_reader
        from pipeline.frames.decode import decode

        lamps, image = open_lamp_reader(), decode(frame)
    except (MissingExtra, ImportError):
        return []
    return [
        _located(f"signal {signal.id} of {camera.id}", lamps.locate(image, box, signal.order))
        for signal in camera.signals
        for box in signal.boxes
    ]


def _located(subject: str, head: LocatedHead) -> CheckResult:
    if head.box is None:
        return note(
            subject, "no signal head is visible in its box in this picture: if nothing hides it, draw it again (`etle init SITE.yaml`)"
        )
    at = ", ".join(f"{side:.0f}" for side in head.box)
    if head.lamp is Lamp.UNKNOWN:
        return note(subject, f"the head is at {at}, but its lamp cannot be read in this picture")
    return ok(subject, f"the head is at {at} and shows {head.lamp}")


def _first_frame(site: Site, camera: CameraSettings, timeout_s: float) -> Frame:
    """Reads in a daemon thread, which is abandoned if the source hangs. Raises EtleError."""
    from ingest.frame_loss import FrameLossCounter
    from ingest.sources.open import open_source

    source = camera.source.with_timeout(timeout_s)
    opened = open_source(camera.camera_id, source, SystemClock(), FrameLossCounter(), timezone=ZoneInfo(site.timezone), attempts=1)
    answers: SimpleQueue[Frame | EtleError] = SimpleQueue()
    Thread(target=_read_one, args=(opened, camera, answers), daemon=True).start()
    try:
        answer = answers.get(timeout=3 * timeout_s)
    except Empty as error:
        raise SourceUnavailable(f"delivered no frame within {3 * timeout_s:g} s") from error
    if isinstance(answer, EtleError):
        raise answer
    return answer


def _read_one(source: "FrameSource", camera: CameraSettings, answers: "SimpleQueue[Frame | EtleError]") -> None:
    try:
        with closing(source.frames()) as frames:  # type: ignore[type-var]  # every source returns a generator
            frame = next(frames, None)
        answers.put(frame or SourceUnavailable("ended before its first frame"))
    except EtleError as error:
        answers.put(error)
