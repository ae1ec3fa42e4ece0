"""The site file of a labelled clip, as an operator would draw it: its stop line and signal heads from the labels, and where the junction
begins a little further on.

A clip without a signal gets a lane along each line instead, and the rule `wrong_way`: its labels name no vehicle against the traffic.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from etle.config.site import Site
from etle.types import Box, Point
from pipeline.evaluation.clip_labels import LabelledClip, LabelledHead, LabelledLine

STARTS_AT: Final = datetime(2020, 1, 1, 12, tzinfo=UTC)
MARGINS: Final[Mapping[str, float]] = {"tight": 0.0, "larger_15": 0.15}
"""By how much each side of a signal's box is moved outwards, relative to its width or height."""
_MAX_FPS = 15.0
_ENTRY, _MIN_ENTRY = 0.09, 0.025
"""Distance of the junction's edge beyond the stop line, relative to the frame's height: of a line at the lower edge, and at least. It grows
with the square of the line's distance from the horizon, which is near the upper edge."""
_ENTRY_LENGTH = 1.5
"""The junction's edge is so much longer than the stop line."""
_LANE = 0.12
"""How far the lane of a clip without a signal reaches on both sides of the line, relative to the frame's height."""


def site_of(clip: LabelledClip, margin: float) -> Site:
    """`margin`: by how much the box of each signal head is enlarged on every side, relative to its size."""
    camera: dict[str, Any] = {
        "id": "clip",
        "view": clip.lines[0].view,
        "source": {"file": str(clip.path), "starts_at": STARTS_AT.isoformat(), "fps": _MAX_FPS},
        "frame_size": clip.frame_size,
        **(_junction(clip, margin) if clip.heads else _road(clip)),
    }
    return Site.model_validate({"site": "clips", "timezone": "UTC", "cameras": [camera]})


def _junction(clip: LabelledClip, margin: float) -> dict[str, Any]:
    heads = _decisive(clip.heads)
    boxes = [_enlarged(head.box, margin, clip.frame_size) for head in heads]
    lines = {"henti": clip.lines[0], "simpang": _entry(clip.lines[0], clip.frame_size[1])}
    rule = {"line": "henti", "entry": "simpang", "signal": "utama"}
    return {
        "signals": [{"id": "utama", "head": boxes[0], "heads": boxes[1:], "order": heads[0].order}],
        "lines": [
            {"id": name, "points": [line.start, line.end], "beyond": _ahead(_middle(line), line, clip.frame_size[1] / 4)}
            for name, line in lines.items()
        ],
        "rules": [{"rule": "red_light", **rule}, {"rule": "stop_line", **rule}],
    }


def _road(clip: LabelledClip) -> dict[str, Any]:
    reach = _LANE * clip.frame_size[1]
    lanes = [
        {
            "id": f"lajur-{number}",
            "polygon": [
                _ahead(point, line, by) for point, by in ((line.start, -reach), (line.end, -reach), (line.end, reach), (line.start, reach))
            ],
            "along": [_ahead(_middle(line), line, -reach), _ahead(_middle(line), line, reach)],
        }
        for number, line in enumerate(clip.lines, 1)
        if not line.both_ways
    ]
    return {"lanes": lanes, "rules": [{"rule": "wrong_way", "lanes": [lane["id"] for lane in lanes]}] if lanes else []}


def _decisive(heads: tuple[LabelledHead, ...]) -> list[LabelledHead]:
    """The largest one and those like it, largest first; arrows only if there is nothing else: they are another lane's."""
    ordered = sorted(heads, key=lambda head: (head.arrow, -head.box.area))
    return [head for head in ordered if (head.arrow, head.order) == (ordered[0].arrow, ordered[0].order)]


def _enlarged(box: Box, margin: float, frame_size: tuple[int, int]) -> Box:
    """Moves every side outwards by `margin` times the width or height, as far as the picture goes."""
    dx, dy = margin * box.width, margin * box.height
    return Box(max(0.0, box.x1 - dx), max(0.0, box.y1 - dy), min(frame_size[0], box.x2 + dx), min(frame_size[1], box.y2 + dy))


def _entry(line: LabelledLine, height: int) -> LabelledLine:
    """The stop line further on in the direction of travel, made longer on both sides."""
    middle = _middle(line)
    by_px = height * max(_MIN_ENTRY, _ENTRY * (middle.y / height) ** 2)
    ends = (
        Point(middle.x + _ENTRY_LENGTH * (end.x - middle.x), middle.y + _ENTRY_LENGTH * (end.y - middle.y))
        for end in (line.start, line.end)
    )
    start, end = (_ahead(point, line, by_px) for point in ends)
    return replace(line, start=start, end=end)


def _middle(line: LabelledLine) -> Point:
    return Point((line.start.x + line.end.x) / 2, (line.start.y + line.end.y) / 2)


def _ahead(point: Point, line: LabelledLine, by_px: float) -> Point:
    return Point(point.x + by_px * line.direction.x, point.y + by_px * line.direction.y)
