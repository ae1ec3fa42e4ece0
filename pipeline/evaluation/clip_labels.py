"""Labelled video clips: `clips_truth.json` and `clips/`, in the layout that docs/evaluating.md describes.

All labels are checked before the first clip runs, so that a wrong one is reported after a second, not after minutes.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from etle.errors import ConfigError, EtleError
from etle.geometry import distance
from etle.media.video import Video
from etle.types import Box, Lamp, Point, RuleName, View

TRUTH: Final = "clips_truth.json"
SCORED: Final = (RuleName("red_light"), RuleName("stop_line"))
"""Rules whose violations the labels can name."""
_DEFAULT_TOLERANCE = 3
_MATCHING_FRAMES = 2
"""A crossing and a violation are the same if they begin within so many frames."""
_MAX_PROBLEMS = 12
_HEADS: Final[Mapping[str, Box]] = {
    "redlight_us_platte.mp4": Box(454, 22, 461, 37),
    "redlight_us_lake_a.mp4": Box(499, 36, 508, 54),
    "redlight_us_lake_b.mp4": Box(533, 30, 541, 47),
    "redlight_us_crosswalk.mp4": Box(328, 41, 336, 62),
}
"""Signal heads, drawn by hand, of published clips whose labels describe the signal in words only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledLine:
    """A line on the road, and the direction in which traffic crosses it."""

    start: Point
    end: Point
    direction: Point
    """Unit vector in the picture, perpendicular to the line."""
    view: View
    both_ways: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledHead:
    """A signal head. `red_from`: number of the frame from which it is red; None if that is not labelled."""

    box: Box
    order: tuple[Lamp, ...]
    arrow: bool
    red_from: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledViolation:
    """A vehicle touches the line from frame `first` to `last`; its foot passes the line in frame `contact`."""

    rule: RuleName
    first: int
    last: int
    contact: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledClip:
    """`violations`: all that the clip shows, unless `incomplete`."""

    path: Path
    frame_size: tuple[int, int]
    fps: float
    tolerance: int
    """In frames."""
    lines: tuple[LabelledLine, ...]
    heads: tuple[LabelledHead, ...]
    violations: tuple[LabelledViolation, ...]
    incomplete: bool
    """The labels name only the clear violations: a report in the time of one of them, beside its own, may be right."""

    @property
    def name(self) -> str:
        return self.path.name


def load_clips(folder: Path, names: Sequence[str] = ()) -> tuple[LabelledClip, ...]:
    """The labelled clips of `folder`, or those with these names. Raises ConfigError that names what is wrong with which clip."""
    truth = _truth(folder / TRUTH)
    if unknown := [name for name in names if name not in truth]:
        raise ConfigError(f"{folder / TRUTH} has no clip {unknown[0]!r}; it has: {', '.join(truth) or 'none'}")
    clips: list[LabelledClip] = []
    problems: list[str] = []
    for name in names or truth:
        try:
            clips.append(_clip(folder / "clips" / name, truth[name]))
        except (EtleError, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            problems.append(f"{name}: {error if isinstance(error, EtleError) else f'its labels cannot be read: {error!r}'}")
    if problems:
        raise ConfigError(f"{folder / TRUTH}:\n  " + "\n  ".join(problems[:_MAX_PROBLEMS]))
    if not clips:
        raise ConfigError(f"{folder / TRUTH} labels no clip")
    return tuple(clips)


def _truth(file: Path) -> dict[str, Any]:
    """Labels by the name of the clip; keys that begin with _ are remarks."""
    try:
        labels = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"{file.parent} contains no {file.name}: the folder needs it beside clips/ (see docs/evaluating.md)") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    if not isinstance(labels, dict):
        raise ConfigError(f"{file} is not an object with the labels of each clip under its name")
    return {name: value for name, value in labels.items() if not name.startswith("_")}


def _clip(path: Path, labels: Mapping[str, Any]) -> LabelledClip:
    if not path.is_file():
        raise ConfigError(f"there is no file {path}")
    with Video(str(path)) as video:
        info = video.info
    lines = tuple(_line(line) for line in labels.get("lines", ()))
    if not lines:
        raise ConfigError("it has no line under `lines`")
    crossings = [crossing for line in labels["lines"] for crossing in line.get("crossings", ())]
    heads = _heads(path.name, labels.get("signal"))
    violations = tuple(_violations(crossings, labels.get("violations", ())))
    if violations and not heads:
        raise ConfigError('violations on red need the signal head: "signal": [{"box": [x1, y1, x2, y2], "state": [[0, 99, "red"]]}]')
    return LabelledClip(
        path=path,
        frame_size=(info.width, info.height),
        fps=info.fps or 25.0,
        tolerance=int(labels.get("tolerance_frames", _DEFAULT_TOLERANCE)),
        lines=lines,
        heads=heads,
        violations=violations,
        incomplete=any("crossings_at_least" in line for line in labels["lines"]),
    )


def _line(label: Mapping[str, Any]) -> LabelledLine:
    """The direction names the camera (away from it, towards it), or a side of the picture (upwards, to the left)."""
    start, end = (Point(float(x), float(y)) for x, y in label["line"])
    if distance(start, end) < 1:
        raise ConfigError("a line has no length")
    text = str(label.get("direction", "")).lower()
    normal = Point((end.y - start.y) / distance(start, end), -(end.x - start.x) / distance(start, end))
    wanted = _wanted(text)
    if wanted is None:
        raise ConfigError(
            f'the direction {text!r} of a line is none of "away from camera", "towards camera", "up", "down", "left", "right"'
        )
    along = normal.x * wanted.x + normal.y * wanted.y
    sign = 1.0 if along >= 0 else -1.0
    view = View.FRONT if "toward" in text or ("away" not in text and "down" in text) else View.REAR
    return LabelledLine(start=start, end=end, direction=Point(sign * normal.x, sign * normal.y), view=view, both_ways=text == "both")


def _wanted(text: str) -> Point | None:
    """Rough direction in the picture; None if the text names none. A camera sees traffic that drives away from it move upwards."""
    y = (("down" in text) or ("toward" in text)) - (("up" in text) or ("away" in text) or text == "both")
    x = ("right" in text) - ("left" in text)
    return Point(0.5 * x if y else float(x), float(y)) if x or y else None


def _heads(name: str, label: object) -> tuple[LabelledHead, ...]:
    if not isinstance(label, list):
        return (LabelledHead(box=_HEADS[name], order=_order(""), arrow=False, red_from=0),) if name in _HEADS else ()
    return tuple(
        LabelledHead(
            box=Box(*(float(edge) for edge in head["box"])),
            order=_order(head.get("lamps", "")),
            arrow=head.get("kind") == "arrow",
            red_from=next((int(first) for first, _, lamp in head.get("state", ()) if lamp == "red"), None),
        )
        for head in label
        if "box" in head
    )


def _order(text: str) -> tuple[Lamp, ...]:
    return tuple(Lamp(name) for name in text.split("-")) if text else (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)


def _violations(crossings: Sequence[Mapping[str, Any]], listed: Sequence[Mapping[str, Any]]) -> Iterator[LabelledViolation]:
    """The crossings that are marked as violations, and the listed ones that are not among them."""
    marked = [_violation(SCORED[0], crossing) for crossing in crossings if crossing.get("red_light_violation")]
    yield from marked
    for label in listed:
        if label.get("type") in SCORED:
            first, last = label["frames"]
            violation = LabelledViolation(rule=RuleName(label["type"]), first=int(first), last=int(last), contact=int(last))
            if not any(violation.rule == known.rule and abs(violation.first - known.first) <= _MATCHING_FRAMES for known in marked):
                yield violation


def _violation(rule: RuleName, crossing: Mapping[str, Any]) -> LabelledViolation:
    contact = crossing.get("contact", crossing.get("last"))
    first, last = int(crossing.get("first", contact)), int(crossing.get("last", contact))
    return LabelledViolation(rule=rule, first=first, last=last, contact=int(contact))
