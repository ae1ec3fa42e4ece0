"""The text of a new site file: every key with its meaning, and guessed positions to correct.

The rules are comments, because a rule over a guessed line would report innocent people.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from etle.config.sources import SOURCE_KINDS, FolderSourceSettings, RecordedSection, SourceSettings
from etle.types import View
from pipeline.rules import RULES

PASSWORD: Final = "CAMERA_PASSWORD"
"""Name of the environment variable that replaces a camera's password in the site file."""
SCHEMA: Final = "site.schema.json"
_TIMEZONE = "Asia/Jakarta"
_VIEW_NOTES = {
    View.REAR: "vehicles move away from the camera, so it sees their rear: check it",
    View.FRONT: "vehicles move towards the camera, so it sees their front: check it",
    None: "CHECK: not clear from the pictures; rear or front",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateGuess:
    """Guessed positions in a picture, in whole pixels."""

    head: tuple[int, int, int, int]
    stop_line: tuple[tuple[int, int], tuple[int, int]]
    junction: tuple[tuple[int, int], tuple[int, int]]
    beyond: tuple[int, int]
    lane: tuple[tuple[int, int], ...]
    along: tuple[tuple[int, int], tuple[int, int]]
    zone: tuple[tuple[int, int], ...]
    exit: tuple[tuple[int, int], ...]
    marking: tuple[tuple[int, int], ...]
    ground: tuple[tuple[int, int], ...]


def guess_positions(width: int, height: int, view: View) -> TemplateGuess:
    """Fixed fractions of the picture: traffic moves up, away from the camera (rear), or down, towards it (front)."""

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * width), round(y * height)

    near, far = (at(0.15, 0.62), at(0.85, 0.62)), (at(0.22, 0.48), at(0.78, 0.48))
    up, down = (at(0.28, 0.95), at(0.37, 0.5)), (at(0.37, 0.3), at(0.28, 0.6))
    rear = view is View.REAR
    return TemplateGuess(
        head=(*at(0.72, 0.10), *at(0.75, 0.24)),
        stop_line=near if rear else far,
        junction=far if rear else near,
        beyond=at(0.5, 0.3) if rear else at(0.5, 0.9),
        lane=(at(0.05, 0.98), at(0.48, 0.98), at(0.49, 0.3), at(0.3, 0.3)),
        along=up if rear else down,
        exit=(at(0.3, 0.42), at(0.5, 0.42), at(0.5, 0.34), at(0.3, 0.34)),
        zone=(at(0.05, 0.98), at(0.2, 0.98), at(0.3, 0.62), at(0.2, 0.62)),
        marking=(at(0.49, 0.98), at(0.495, 0.62)),
        ground=(*near, *far),
    )


def site_template(origin: str, source: SourceSettings, size: tuple[int, int], starts_at: datetime, view: View | None, out: Path) -> str:
    """`origin`: path or address as given by the user; `size`: width and height in pixels; `out`: folder of the site file."""
    guess = guess_positions(*size, view or View.REAR)

    def as_flow_style(value: object) -> str:
        return str(value).replace("(", "[").replace(")", "]")

    return _TEMPLATE.format(
        schema=SCHEMA,
        kinds="\n".join(f"    #   {name + ':':<11}{kind.summary}" for name, kind in SOURCE_KINDS.items() if kind.opener),
        rules="\n".join(f"    #   - {{rule: {name}, {rule.example}}}" for name, rule in RULES.items()),
        source=_source_text(origin, source, starts_at, out),
        camera=_slug(origin) or "cam-1",
        view=f"{view or View.REAR}".ljust(30),
        view_note=f"# {_VIEW_NOTES[view]}",
        width=size[0],
        height=size[1],
        g=[as_flow_style(list(point)) for point in guess.ground],
        head=as_flow_style(guess.head),
        stop_line=as_flow_style(guess.stop_line),
        junction=as_flow_style(guess.junction),
        beyond=as_flow_style(guess.beyond),
        lane=as_flow_style(guess.lane),
        along=as_flow_style(guess.along),
        zone=as_flow_style(guess.zone),
        exit=as_flow_style(guess.exit),
        marking=as_flow_style(guess.marking),
        timezone=_TIMEZONE,
    )


def _source_text(origin: str, source: SourceSettings, starts_at: datetime, out: Path) -> str:
    """The `source` key: paths relative to the site file, a password as an environment variable."""
    if not isinstance(source, RecordedSection):
        return f"{source.kind}: {_quoted(_without_password(origin))}"
    lines = [f"{source.kind}: {_quoted(_relative_path(out, Path(origin)))}"]
    if not isinstance(source, FolderSourceSettings) or source.fps:  # otherwise each picture tells its time
        local = starts_at.astimezone(ZoneInfo(_TIMEZONE)).isoformat()
        lines.append(f"starts_at: {_quoted(local)}   # CHECK: a copied file may have the time of the copy")
    return "\n      ".join(lines + ([f"fps: {source.fps:g}"] if source.fps else []))


def _relative_path(out: Path, path: Path) -> str:
    """Relative, so that both can be moved together; absolute on another drive."""
    try:
        return Path(os.path.relpath(path.resolve(), out.resolve())).as_posix()
    except ValueError:  # another drive
        return path.resolve().as_posix()


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    if parts.password is None:
        return url
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:${{{PASSWORD}}}@{host}"))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _slug(origin: str) -> str:
    """A camera id from its path or address."""
    name = Path(origin).stem if "://" not in origin else Path(urlsplit(origin).path).stem or urlsplit(origin).hostname or ""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:63]


_TEMPLATE = """\
# yaml-language-server: $schema={schema}
# A site: its cameras, the drawings on their pictures, and their rules. Written by `etle init`.
# Positions are [x, y] in pixels of the full frame, from its upper left corner: read them off frame-grid.jpg.
# After a change, `etle init site.yaml` draws the positions again. An unknown key is an error.
# Write no secrets here: ${{NAME}} is replaced by the environment variable, URL-encoded in an address (@ is %40, / is %2F).

site: site-1                      # short name of the place: a-z, 0-9, - and _
name: ""                          # name on the review pages, such as "Simpang Lima, arah barat"
timezone: {timezone}            # Asia/Jakarta (WIB), Asia/Makassar (WITA), Asia/Jayapura (WIT)

cameras:
  - id: {camera}
    name: ""                      # name on the review pages
    view: {view}{view_note}

    # The source of the pictures, exactly one of
{kinds}
    source:
      {source}

    frame_size: [{width}, {height}]       # of the pictures; all positions below are in its pixels

    # Four or more points of the road, in the picture and in metres, calibrate distances and speeds. Measure them on site.
    # ground_points:
    #   - {{px: {g[0]}, m: [0.0, 0.0]}}
    #   - {{px: {g[1]}, m: [7.0, 0.0]}}
    #   - {{px: {g[2]}, m: [0.0, 10.0]}}
    #   - {{px: {g[3]}, m: [7.0, 10.0]}}

    # GUESSES from here on: correct them.
    signals:
      # head: the housing of the lamps, x1, y1, x2, y2. order: the lamps from top to bottom (or left to right).
      - {{id: barat, head: {head}, order: [red, yellow, green]}}
    lines:
      # points: the line's ends on the road. beyond: any point on the side to which vehicles cross.
      - {{id: henti, points: {stop_line}, beyond: {beyond}}}      # the painted stop line
      - {{id: simpang, points: {junction}, beyond: {beyond}}}    # where the junction begins
    lanes:
      # polygon: the lane's corners. along: an arrow, from its first point to its second, the way that is legal.
      - {{id: kiri, polygon: {lane}, along: {along}}}
    zones:
      # polygon: the corners of an area: where stopping is forbidden, a yellow box, the exit of a junction.
      - {{id: zona, polygon: {zone}}}
      - {{id: keluar, polygon: {exit}}}
    markings:
      # points: the course of a solid line along the road, as far as it is solid.
      - {{id: marka, points: {marking}}}

    # Remove the comment signs when the lines are right: a rule over a guessed line would report innocent people.
    # rules:
{rules}

# Detection of vehicles and plates; these are the defaults.
# detect:
#   engine: onnx                  # 8-bit; or onnx-float; or ultralytics, for .pt weights and GPUs (needs the torch extra)
#   weights: weights.pt           # for the ultralytics engine; onnx has packaged weights
#   finder_weights: finder.onnx   # your own plate detector (etle models train plate-finder); etle has packaged weights
#   readers: [tnkb, ppocr]        # also easyocr (needs the torch extra)
#   reader_weights: reader.onnx   # your own reader tnkb (etle models train reader --finetune); etle has packaged weights
#   tiebreaker: easyocr           # reads a plate once if the readers disagree; none by default
#   threads: 1                    # of each model
#   score: 0.25                   # minimum score of a vehicle
#   plate_reads: 8                # maximum number of frames of a violating vehicle in which its plate is searched
#   region: auto                  # search the part of a frame that moves; full: all of every frame
#   gate: true                    # skip inference on frames without motion
#   shadow: null                  # models to compare with these: docs/model-life-cycle.md

# The evidence of a violation, in seconds before and after it; these are the defaults.
# evidence:
#   before_s: 3.0
#   after_s: 3.0
#   clip_width: 960               # of the clip in pixels; the pictures keep their full size
#   keep_s: 15.0                  # buffer of frames, for a plate that was legible earlier
"""
