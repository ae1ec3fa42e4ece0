"""`etle init`: from a video or a camera's address to a site file that can be drawn on.

What it draws are guesses at the size of the picture, so that the file shows how each thing is written. The rules stand in comments:
a rule over a guessed line would accuse people.
"""

import argparse
import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from etle.clock import SystemClock
from etle.config import Source
from etle.errors import ConfigError, FrameBroken, MissingExtra, SourceBroken, SourceUnavailable
from etle.types import CameraId, Frame

if TYPE_CHECKING:
    from etle.types import Image

_SETTLED_S = 1.0
"""The first pictures of many videos and cameras are black or grey."""
_PASSWORD = "CAMERA_PASSWORD"
_TIMEZONE = "Asia/Jakarta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Guess:
    """Where things might be in a picture of this size, in whole pixels."""

    head: tuple[int, int, int, int]
    stop_line: tuple[tuple[int, int], tuple[int, int]]
    junction: tuple[tuple[int, int], tuple[int, int]]
    beyond: tuple[int, int]
    lane: tuple[tuple[int, int], ...]
    along: tuple[tuple[int, int], tuple[int, int]]
    ground: tuple[tuple[int, int], ...]


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "init",
        help="write a site file for a video, a folder of pictures or a camera",
        description="Looks at one picture of a video file, a folder or a camera (rtsp://, http://), and writes three files: "
        "site.yaml, commented, with guesses to correct; frame.jpg, the picture; frame-grid.jpg, the picture with its pixels "
        "labelled and the guesses drawn, to read positions off.",
    )
    parser.add_argument("source", metavar="VIDEO_OR_URL", help="a video file, a folder of pictures, or an address")
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path(), help="where to write (default: here)")
    parser.add_argument("--force", action="store_true", help="overwrite files that are there")
    parser.add_argument("--fps", type=float, help="of a folder whose pictures tell no time: the rate they were taken at")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    out: Path = args.out
    _refuse_to_overwrite(out, args.force)
    with console.status("Looking at the source ..."):
        source = _source_of(args.source, args.fps)
        frame, starts_at = _look(source)
    out.mkdir(parents=True, exist_ok=True)
    (out / "site.yaml").write_text(_site(args.source, source, frame, starts_at, out), encoding="utf-8")
    (out / "frame.jpg").write_bytes(frame.jpeg)
    grid = _write_grid(out / "frame-grid.jpg", frame)
    shown = escape(str(out / "site.yaml"))
    console.print(f"Wrote [bold]{shown}[/bold] and frame.jpg ({frame.width}x{frame.height}){', frame-grid.jpg' if grid else ''}.")
    if not grid:
        console.print("No frame-grid.jpg: drawing it takes OpenCV: pip install 'etle\\[detect]'")
    console.print("\nNext:")
    for number, step in enumerate(_next_steps(args.source, shown), 1):
        console.print(f" {number}. {step}")
    return 0


def _refuse_to_overwrite(out: Path, force: bool) -> None:
    there = [name for name in ("site.yaml", "frame.jpg", "frame-grid.jpg") if (out / name).exists()]
    if there and not force:
        raise ConfigError(f"{out / there[0]} is there already; give another --out, or --force to overwrite it")


def _source_of(origin: str, fps: float | None) -> Source:
    """What kind of source a path or an address is. Raises SourceUnavailable, SourceBroken."""
    if "://" in origin:
        return _address_source(origin)
    path = Path(origin)
    if not path.exists():
        raise SourceUnavailable(f"{origin}: no such file or folder")
    return Source(folder=path, fps=fps) if path.is_dir() else Source(file=path)


def _address_source(url: str) -> Source:
    scheme = urlsplit(url).scheme
    if scheme in ("rtsp", "rtsps"):
        return Source(rtsp=url)
    if scheme not in ("http", "https"):
        raise SourceUnavailable(f"an address begins with rtsp://, rtsps://, http:// or https://, not with {scheme}://")
    from ingest.address import Address
    from ingest.fetch import Http

    with Http(Address.of(url), timeout_s=10.0).open() as answer:
        kind = answer.headers.get_content_type()
    if kind.startswith("multipart/"):
        return Source(mjpeg=url)
    return Source(snapshot=url) if kind == "image/jpeg" else Source(rtsp=url)


def _look(source: Source) -> tuple[Frame, datetime]:
    """A picture from shortly after the beginning, and the moment of the first one."""
    from ingest.losses import Losses
    from ingest.open import open_source

    first = frame = None
    with suppress(SourceBroken):  # a video that breaks off later shows its beginning
        for frame in open_source(CameraId("init"), source, SystemClock(), Losses(), attempts=2).frames():
            first = first or frame
            if (frame.captured_at - first.captured_at).total_seconds() >= _SETTLED_S:
                break
    if first is None or frame is None:
        raise SourceBroken(f"{source.file or source.folder or 'the camera'}: not one picture could be read from it")
    return frame, first.captured_at


def guess(width: int, height: int) -> Guess:
    """Positions for a camera that sees the road from behind the traffic, as shares of the picture."""

    def at(x: float, y: float) -> tuple[int, int]:
        return round(x * width), round(y * height)

    return Guess(
        head=(*at(0.72, 0.10), *at(0.75, 0.24)),
        stop_line=(at(0.15, 0.62), at(0.85, 0.62)),
        junction=(at(0.22, 0.48), at(0.78, 0.48)),
        beyond=at(0.5, 0.3),
        lane=(at(0.05, 0.98), at(0.48, 0.98), at(0.49, 0.48), at(0.25, 0.48)),
        along=(at(0.28, 0.95), at(0.37, 0.5)),
        ground=(at(0.15, 0.62), at(0.85, 0.62), at(0.22, 0.48), at(0.78, 0.48)),
    )


def _site(origin: str, source: Source, frame: Frame, starts_at: datetime, out: Path) -> str:
    drawn = guess(frame.width, frame.height)
    name = _slug(Path(urlsplit(origin).path).stem or urlsplit(origin).hostname or "") if "://" in origin else _slug(Path(origin).stem)

    def flow(value: object) -> str:
        return str(value).replace("(", "[").replace(")", "]")

    return _TEMPLATE.format(
        source=_source_text(origin, source, starts_at, out),
        camera=name or "cam-1",
        width=frame.width,
        height=frame.height,
        g=[flow(list(point)) for point in drawn.ground],
        head=flow(drawn.head),
        stop_line=flow(drawn.stop_line),
        junction=flow(drawn.junction),
        beyond=flow(drawn.beyond),
        lane=flow(drawn.lane),
        along=flow(drawn.along),
        timezone=_TIMEZONE,
    )


def _source_text(origin: str, source: Source, starts_at: datetime, out: Path) -> str:
    """The `source` key. A file is named as seen from the site file, a password by an environment variable."""
    if source.live:
        kind = next(key for key in ("rtsp", "mjpeg", "snapshot") if getattr(source, key) is not None)
        return f"{kind}: {_quoted(_without_password(origin))}"
    kind = "file" if source.file is not None else "folder"
    local = starts_at.astimezone(ZoneInfo(_TIMEZONE)).isoformat()
    text = f"{kind}: {_quoted(_from(out, Path(origin)))}\n      starts_at: {_quoted(local)}   # as the files tell it: check it"
    return text + (f"\n      fps: {source.fps:g}" if source.fps else "")


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
    return urlunsplit(parts._replace(netloc=f"{parts.username or ''}:${{{_PASSWORD}}}@{host}"))


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower()).strip("-_")[:63]


def _next_steps(origin: str, shown: str) -> list[str]:
    password = urlsplit(origin).password if "://" in origin else None
    steps = [
        "Open frame-grid.jpg and read off where the stop line, the signal head and the lanes are.",
        f"Write the positions into {shown}, and take the comment signs off the rules that shall watch.",
        "Check `starts_at`, `timezone` and `view`: evidence carries them.",
    ]
    if password is not None:
        steps.insert(0, f"export {_PASSWORD}=...  (the camera's password; the site file only names it)")
    return steps


def _write_grid(path: Path, frame: Frame) -> bool:
    """False if OpenCV is not installed."""
    try:
        data = draw_grid(frame.jpeg)
    except MissingExtra:
        return False
    path.write_bytes(data)
    return True


def draw_grid(picture: bytes) -> bytes:
    """The JPEG with a labelled pixel grid and the guesses. Raises MissingExtra without OpenCV."""
    try:
        import cv2
        import numpy as np
    except ImportError as error:
        raise MissingExtra("opencv-python", "detect") from error

    image = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise FrameBroken("OpenCV cannot decode this picture")
    height, width = image.shape[:2]
    step = 100 if width >= 640 else 50
    lines = image.copy()
    for x in range(step, width, step):
        cv2.line(lines, (x, 0), (x, height), (255, 255, 255), 1)
    for y in range(step, height, step):
        cv2.line(lines, (0, y), (width, y), (255, 255, 255), 1)
    image = cv2.addWeighted(lines, 0.6, image, 0.4, 0)
    _draw_guess(image, guess(width, height))
    for x in range(step, width, step):
        _label(image, str(x), (x + 3, 0))
    for y in range(step, height, step):
        _label(image, str(y), (3, y - 5))
    done, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return bytes(data)


def _draw_guess(image: "Image", drawn: Guess) -> None:
    import cv2
    import numpy as np

    red, yellow, green, blue = (60, 60, 255), (0, 220, 255), (80, 220, 80), (255, 160, 60)
    cv2.polylines(image, [np.array(drawn.lane, np.int32)], True, green, 2)
    cv2.arrowedLine(image, *drawn.along, green, 2, tipLength=0.08)
    _label(image, "lane kiri (guess)", (drawn.lane[0][0] + 60, drawn.lane[0][1] - 12), green)
    for name, line, colour in (("henti", drawn.stop_line, yellow), ("simpang", drawn.junction, blue)):
        cv2.line(image, *line, colour, 2)
        _label(image, f"line {name} (guess)", (line[0][0] + 6, line[0][1] - 8), colour)
    x1, y1, x2, y2 = drawn.head
    cv2.rectangle(image, (x1, y1), (x2, y2), red, 2)
    _label(image, "signal barat (guess)", (x1, y2 + 22), red)


def _label(image: "Image", text: str, at: tuple[int, int], colour: tuple[int, int, int] = (255, 255, 255)) -> None:
    """On a dark plate, so that it can be read over any road. `at` is its lower left corner."""
    import cv2

    scale = max(0.4, image.shape[1] / 2600)
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x, y = at[0], max(at[1], height + 2)
    cv2.rectangle(image, (x - 2, y - height - 2), (x + width + 2, y + below), (40, 40, 40), -1)
    cv2.putText(image, text, (x, y), cv2.FONT_HERSHEY_SIMPLEX, scale, colour, 1, cv2.LINE_AA)


_TEMPLATE = """\
# A site: its cameras, what is drawn on their pictures, and the rules that watch. Written by `etle init`.
# Positions are [x, y] in pixels of the full frame, from its upper left corner: read them off frame-grid.jpg.
# A key that is not known is an error. Write ${{...}} with a name in it for what is in the environment: no secret stands here.

site: site-1                      # short name of the place: a-z, 0-9, - and _
name: ""                          # the place as reviewers read it, such as "Simpang Lima, arah barat"
timezone: {timezone}            # Asia/Jakarta (WIB), Asia/Makassar (WITA), Asia/Jayapura (WIT)

cameras:
  - id: {camera}
    name: ""                      # the camera as reviewers read it
    view: rear                    # the side of the vehicles that it sees: rear or front

    # Where the pictures come from: exactly one of
    #   file:      a video (starts_at: when its first picture was taken; fps: thin it out to that rate)
    #   folder:    JPEGs or PNGs (starts_at and fps, if they tell no time themselves)
    #   rtsp:      address of a camera that sends video (fps; timeout_s: silent for so long means connect anew)
    #   mjpeg:     address of a camera that pushes JPEGs (fps, timeout_s)
    #   snapshot:  address that answers with one JPEG (interval_s between two, timeout_s)
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

    # Take the comment signs off when the lines are right.
    rules: []
    # rules:
    #   - {{rule: red_light, line: henti, entry: simpang, signal: barat}}
    #   - {{rule: stop_line, line: henti, entry: simpang, signal: barat}}
    #   - {{rule: wrong_way, lanes: [kiri]}}

# How vehicles and plates are found and read; these are the defaults.
# detect:
#   engine: onnx                  # or ultralytics, for .pt weights and GPUs (needs the torch extra)
#   weights: weights.pt           # for the ultralytics engine; onnx brings its own
#   reader: ppocr                 # or easyocr (needs the torch extra)
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
