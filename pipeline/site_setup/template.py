"""The text of a first site file: every key with its meaning, guesses where nobody can know, and the rules in comments.

A rule over a guessed line would accuse people.
"""

import os
import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from etle.config.sources import SOURCE_KINDS, RecordedSection, SourceSettings
from etle.types import View

PASSWORD: Final = "CAMERA_PASSWORD"
"""The environment variable that a camera's password is written as."""
SCHEMA: Final = "site.schema.json"
_TIMEZONE = "Asia/Jakarta"
_NOTES = {
    View.REAR: "vehicles go away from the camera, so it sees their rear: check it",
    View.FRONT: "vehicles come towards the camera, so it sees their front: check it",
    None: "CHECK: the pictures do not tell; rear or front",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateGuess:
    """Where things might be in a picture of this size, in whole pixels."""

    head: tuple[int, int, int, int]
    stop_line: tuple[tuple[int, int], tuple[int, int]]
    junction: tuple[tuple[int, int], tuple[int, int]]
    beyond: tuple[int, int]
    lane: tuple[tuple[int, int], ...]
    along: tuple[tuple[int, int], tuple[int, int]]
    ground: tuple[tuple[int, int], ...]


def guess(width: int, height: int, view: View) -> TemplateGuess:
    """Positions as shares of the picture: traffic goes up it away from the camera, or down it towards the camera."""

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
        ground=(*near, *far),
    )


def site_text(origin: str, source: SourceSettings, size: tuple[int, int], starts_at: datetime, view: View | None, out: Path) -> str:
    """`origin` is the path or address as it was given; `out` the folder that the file will lie in."""
    drawn = guess(*size, view or View.REAR)

    def flow(value: object) -> str:
        return str(value).replace("(", "[").replace(")", "]")

    return _TEMPLATE.format(
        schema=SCHEMA,
        kinds="\n".join(f"    #   {name + ':':<11}{kind.summary}" for name, kind in SOURCE_KINDS.items() if kind.opener),
        source=_source_text(origin, source, starts_at, out),
        camera=_slug(origin) or "cam-1",
        view=f"{view or View.REAR}".ljust(30),
        view_note=f"# {_NOTES[view]}",
        width=size[0],
        height=size[1],
        g=[flow(list(point)) for point in drawn.ground],
        head=flow(drawn.head),
        stop_line=flow(drawn.stop_line),
        junction=flow(drawn.junction),
        beyond=flow(drawn.beyond),
        lane=flow(drawn.lane),
        along=flow(drawn.along),
        timezone=_TIMEZONE,
    )


def _source_text(origin: str, source: SourceSettings, starts_at: datetime, out: Path) -> str:
    """The `source` key. A file is named as seen from the site file, a password by an environment variable."""
    if not isinstance(source, RecordedSection):
        return f"{source.kind}: {_quoted(_without_password(origin))}"
    local = starts_at.astimezone(ZoneInfo(_TIMEZONE)).isoformat()
    lines = [
        f"{source.kind}: {_quoted(_from(out, Path(origin)))}",
        f"starts_at: {_quoted(local)}   # CHECK: a copied file may tell the time of the copy",
    ]
    return "\n      ".join(lines + ([f"fps: {source.fps:g}"] if source.fps else []))


def _from(out: Path, path: Path) -> str:
    """Relative, so that folder and site file can move together; absolute if they share nothing."""
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
    """A camera's name from its path or address."""
    name = Path(origin).stem if "://" not in origin else Path(urlsplit(origin).path).stem or urlsplit(origin).hostname or ""
    return re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")[:63]


_TEMPLATE = """\
# yaml-language-server: $schema={schema}
# A site: its cameras, what is drawn on their pictures, and the rules that watch. Written by `etle init`.
# Positions are [x, y] in pixels of the full frame, from its upper left corner: read them off frame-grid.jpg.
# After a change, `etle init site.yaml` draws them anew, so that you see what you wrote. A key that is not known is an error.
# No secret stands here: ${{NAME}} is taken from the environment, as it has to stand in an address (@ is %40, / is %2F).

site: site-1                      # short name of the place: a-z, 0-9, - and _
name: ""                          # the place as reviewers read it, such as "Simpang Lima, arah barat"
timezone: {timezone}            # Asia/Jakarta (WIB), Asia/Makassar (WITA), Asia/Jayapura (WIT)

cameras:
  - id: {camera}
    name: ""                      # the camera as reviewers read it
    view: {view}{view_note}

    # Where the pictures come from: exactly one of
{kinds}
    source:
      {source}

    frame_size: [{width}, {height}]       # of the pictures that everything below is drawn on

    # Four or more points of the road, in the picture and in metres, make distances and speeds measurable. Measure them on the spot.
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

    # Take the comment signs off when the lines are right: a rule over a guessed line would accuse people.
    # rules:
    #   - {{rule: red_light, line: henti, entry: simpang, signal: barat}}
    #   - {{rule: stop_line, line: henti, entry: simpang, signal: barat}}
    #   - {{rule: wrong_way, lanes: [kiri]}}

# How vehicles and plates are found and read; these are the defaults.
# detect:
#   engine: onnx                  # or ultralytics, for .pt weights and GPUs (needs the torch extra)
#   weights: weights.pt           # for the ultralytics engine; onnx brings its own
#   finder_weights: finder.onnx   # your own plate finder (etle models train plate-finder); etle brings one
#   readers: [tnkb, ppocr]        # also easyocr (needs the torch extra)
#   reader_weights: reader.onnx   # your own reader tnkb (etle models train reader --finetune); etle brings one
#   arbiter: easyocr              # asked once for a plate on which the readers are at odds; none by default
#   threads: 1                    # of each model
#   score: 0.25                   # a vehicle's least score
#   plate_reads: 8                # frames of a violating vehicle that are searched for its plate
#   gate: true                    # no inference on frames in which nothing moves

# What is kept of a violation, in seconds from its moment; these are the defaults.
# evidence:
#   before_s: 3.0
#   after_s: 3.0
#   clip_width: 960               # of the film in pixels; the pictures keep their full size
#   keep_s: 15.0                  # how long frames stay in memory, for a plate that was legible earlier
"""
