"""Options of commands that look at recorded footage of one site."""

import argparse
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from etle.config.site import Site
from etle.config.sources import FileSourceSettings
from etle.errors import ConfigError


def with_footage(site: Site, cameras: Sequence[str], file: Path | None) -> Site:
    """The site with these cameras only (all if none are named); with `file`, as if its only camera had recorded it.

    Raises ConfigError where a file is given for several cameras, or a live camera is to be read.
    """
    chosen = site.with_cameras(cameras)
    if file is not None:
        if len(chosen.cameras) != 1:
            raise ConfigError(f"the footage is of one camera; name it with --camera: {', '.join(camera.id for camera in chosen.cameras)}")
        if not file.is_file():
            raise ConfigError(f"{file} does not exist")
        camera = chosen.cameras[0]
        known = getattr(camera.source, "starts_at", None)
        fps = getattr(camera.source, "fps", None)
        source = FileSourceSettings(file=file, starts_at=known, fps=fps, max_width=None, quality=None)
        return chosen.model_copy(update={"cameras": (camera.model_copy(update={"source": source}),)})
    if live := [camera.id for camera in chosen.cameras if camera.source.live]:
        raise ConfigError(f"camera {live[0]!r} is live: give a recording of it with --footage FILE --camera {live[0]}")
    return chosen


def moment(text: str) -> Callable[[ZoneInfo, datetime], datetime]:
    """A time of day (`16:00:05`), in the site's time zone on the day of the footage, or a moment in ISO 8601."""
    try:
        parsed = datetime.fromisoformat(text if "-" in text else f"2000-01-01T{text}")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a time such as 16:00:05 nor a moment in ISO 8601") from error

    def on_day(zone: ZoneInfo, begin: datetime) -> datetime:
        if "-" not in text:
            local = begin.astimezone(zone)
            at = parsed.replace(year=local.year, month=local.month, day=local.day, tzinfo=zone)
        else:
            at = parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
        return at.astimezone(UTC)

    return on_day
