"""Writes the files of a new site, and the grid pictures of an existing one."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, Site, load_site
from etle.config.sources import SourceSettings
from etle.errors import ConfigError, MissingExtra
from etle.protocols import LampReader
from etle.types import Frame, View
from pipeline.site_setup.frame_grid import draw_frame_grid
from pipeline.site_setup.survey import FootageSurvey
from pipeline.site_setup.template import PASSWORD, SCHEMA, site_template

SITE_FILE, FRAME_FILE, GRID_FILE = "site.yaml", "frame.jpg", "frame-grid.jpg"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSite:
    """What a new site file is written from."""

    origin: str
    """Path or address as given by the user."""
    source: SourceSettings
    survey: FootageSurvey
    view: View | None
    """None: not known."""


def check_overwrite(out: Path) -> None:
    """Raises ConfigError if one of the files of a new site exists."""
    existing = [name for name in (SITE_FILE, FRAME_FILE, GRID_FILE) if (out / name).exists()]
    if existing:
        raise ConfigError(f"{out / existing[0]} exists; use another --out, or --force to overwrite it")


def write_new_site(out: Path, new: NewSite) -> bool:
    """Writes the site file, its schema, a frame and the frame with the grid; False if the grid is missing because of missing OpenCV."""
    frame = new.survey.frame
    text = site_template(new.origin, new.source, (frame.width, frame.height), new.survey.starts_at, new.view, out)
    out.mkdir(parents=True, exist_ok=True)
    (out / SITE_FILE).write_text(text, encoding="utf-8")
    shutil.copyfile(configs_folder() / SCHEMA, out / SCHEMA)
    (out / FRAME_FILE).write_bytes(frame.jpeg)
    (camera,) = load_site(out / SITE_FILE, {PASSWORD: "-"}).cameras
    try:
        grid = draw_frame_grid(frame.jpeg, camera, None, " (guess)")
    except MissingExtra:
        return False
    (out / GRID_FILE).write_bytes(grid)
    return True


def write_camera_grid(out: Path, camera: CameraSettings, frame: Frame, lamps: LampReader) -> Path:
    """Draws the camera's positions on the frame, and its signal heads as `lamps` locates them.

    Raises ConfigError if the frame does not have the configured size.
    """
    if (frame.width, frame.height) != camera.frame_size:
        width, height = camera.frame_size
        raise ConfigError(f"camera {camera.id!r}: frame_size is {width}x{height}, but its pictures are {frame.width}x{frame.height}")
    path = out / f"{camera.id}-grid.jpg"
    path.write_bytes(draw_frame_grid(frame.jpeg, camera, lamps))
    return path


def check_rules(site: Site) -> None:
    """Raises ConfigError for wrong drawings or rules, MissingExtra."""
    from pipeline.rules import build_rules
    from pipeline.scene.calibration import calibrate

    for camera in site.cameras:
        build_rules(camera, calibrate(camera))
