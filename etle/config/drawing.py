"""What is drawn for one camera in the browser, as it is sent to and from the page, and what it changes in the camera's part of a site file.

Only positions, names, calibration and settings of rules are taken from the page. Everything else of an item, such as the address of a
signal's controller, stays as the file has it: `was` names the item of the file that a drawn one continues.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import Field

from etle.config.site import GroundPoint, Lens, Pixel, Rectangle
from etle.config.strict_yaml import Name, Section
from etle.types import Lamp

MAX_ITEMS: Final = 200
"""Of each kind; the form of the page has a limit in bytes as well."""
_PX_DIGITS, _M_DIGITS = 1, 3


class DrawnItem(Section):
    id: Name
    was: str | None = Field(None, description="The id that the item has in the file; None: it is new.")


class DrawnSignal(DrawnItem):
    heads: tuple[Rectangle, ...] = Field((), max_length=20)
    order: tuple[Lamp, ...] = (Lamp.RED, Lamp.YELLOW, Lamp.GREEN)


class DrawnLine(DrawnItem):
    points: tuple[Pixel, Pixel]
    beyond: Pixel


class DrawnLane(DrawnItem):
    polygon: tuple[Pixel, ...] = Field(min_length=3, max_length=60)
    along: tuple[Pixel, Pixel]


class DrawnZone(DrawnItem):
    polygon: tuple[Pixel, ...] = Field(min_length=3, max_length=60)


class DrawnMarking(DrawnItem):
    points: tuple[Pixel, ...] = Field(min_length=2, max_length=60)
    crossable_from: Pixel | None = None


class DrawnRule(Section):
    rule: str
    was: int | None = Field(None, description="The number of the entry in the file; None: it is new.")
    settings: dict[str, Any]


class CameraDrawing(Section):
    ground_points: tuple[GroundPoint, ...] = Field((), max_length=MAX_ITEMS)
    lens: Lens | None = None
    signals: tuple[DrawnSignal, ...] = Field((), max_length=MAX_ITEMS)
    lines: tuple[DrawnLine, ...] = Field((), max_length=MAX_ITEMS)
    lanes: tuple[DrawnLane, ...] = Field((), max_length=MAX_ITEMS)
    zones: tuple[DrawnZone, ...] = Field((), max_length=MAX_ITEMS)
    markings: tuple[DrawnMarking, ...] = Field((), max_length=MAX_ITEMS)
    rules: tuple[DrawnRule, ...] = Field((), max_length=MAX_ITEMS)


def drawing_document(camera: Mapping[str, Any]) -> dict[str, Any]:
    """The drawing of a camera of a site file, as `CameraDrawing` reads it. `camera`: its part of the YAML document."""
    return {
        "ground_points": camera.get("ground_points") or [],
        "lens": camera.get("lens"),
        "signals": [_signal_document(each) for each in camera.get("signals") or []],
        "lines": [_picked(each, "points", "beyond") for each in camera.get("lines") or []],
        "lanes": [_picked(each, "polygon", "along") for each in camera.get("lanes") or []],
        "zones": [_picked(each, "polygon") for each in camera.get("zones") or []],
        "markings": [{**_picked(each, "points"), "crossable_from": each.get("crossable_from")} for each in camera.get("markings") or []],
        "rules": [
            {"rule": each["rule"], "was": number, "settings": {key: value for key, value in each.items() if key != "rule"}}
            for number, each in enumerate(camera.get("rules") or [])
        ],
    }


def changed_values(camera: Mapping[str, Any], drawing: CameraDrawing, editable: Mapping[str, frozenset[str]]) -> dict[str, Any]:
    """The new values of the camera's keys, for `etle.config.site_text.change_camera`.

    `editable`: settings by rule that the page may change.
    """
    return {
        "ground_points": [{"px": _px(each.px), "m": _metres(each.m)} for each in drawing.ground_points],
        "lens": _lens(drawing.lens),
        "signals": [_signal(_continued(camera, "signals", each), each) for each in drawing.signals],
        "lines": [
            {**_continued(camera, "lines", each), "id": each.id, "points": [*map(_px, each.points)], "beyond": _px(each.beyond)}
            for each in drawing.lines
        ],
        "lanes": [
            {**_continued(camera, "lanes", each), "id": each.id, "polygon": [*map(_px, each.polygon)], "along": [*map(_px, each.along)]}
            for each in drawing.lanes
        ],
        "zones": [{**_continued(camera, "zones", each), "id": each.id, "polygon": [*map(_px, each.polygon)]} for each in drawing.zones],
        "markings": [_marking(_continued(camera, "markings", each), each) for each in drawing.markings],
        "rules": [_rule(camera, each, editable.get(each.rule, frozenset())) for each in drawing.rules],
    }


def _picked(item: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {"id": item["id"], "was": item["id"], **{key: item[key] for key in keys}}


def _signal_document(signal: Mapping[str, Any]) -> dict[str, Any]:
    heads = [*([signal["head"]] if signal.get("head") else []), *(signal.get("heads") or [])]
    order = signal.get("order") or [Lamp.RED.value, Lamp.YELLOW.value, Lamp.GREEN.value]
    return {"id": signal["id"], "was": signal["id"], "heads": heads, "order": order}


def _continued(camera: Mapping[str, Any], kind: str, item: DrawnItem) -> dict[str, Any]:
    """The item of the file that this one continues; empty for a new one."""
    found: dict[str, Any] = next((each for each in camera.get(kind) or [] if each["id"] == item.was), {})
    return found


def _signal(old: Mapping[str, Any], drawn: DrawnSignal) -> dict[str, Any]:
    heads = [_px(each) for each in drawn.heads]
    boxes = {"head": heads[0] if heads else None, "heads": heads[1:]}
    if old.get("heads") and not old.get("head"):
        boxes = {"head": None, "heads": heads}
    kept = {key: value for key, value in old.items() if key not in ("head", "heads")}
    return {**kept, "id": drawn.id, **{key: value for key, value in boxes.items() if value}, "order": [each.value for each in drawn.order]}


def _marking(old: Mapping[str, Any], drawn: DrawnMarking) -> dict[str, Any]:
    side = {} if drawn.crossable_from is None else {"crossable_from": _px(drawn.crossable_from)}
    kept = {key: value for key, value in old.items() if key != "crossable_from"}
    return {**kept, "id": drawn.id, "points": [*map(_px, drawn.points)], **side}


def _rule(camera: Mapping[str, Any], drawn: DrawnRule, editable: frozenset[str]) -> dict[str, Any]:
    """A setting that the page may not change stays as the file has it. None removes a setting, which then has its default."""
    entries: Sequence[Mapping[str, Any]] = camera.get("rules") or []
    known = drawn.was is not None and 0 <= drawn.was < len(entries) and entries[drawn.was]["rule"] == drawn.rule
    old = dict(entries[drawn.was or 0]) if known else {"rule": drawn.rule}
    given = {key: value for key, value in drawn.settings.items() if key in editable}
    return {key: value for key, value in {**old, **given}.items() if value is not None}


def _lens(lens: Lens | None) -> dict[str, float] | None:
    if lens is None or not (lens.k1 or lens.k2):
        return None
    return {"k1": lens.k1, **({"k2": lens.k2} if lens.k2 else {})}


def _px(values: Sequence[float]) -> list[float]:
    return [_shortest(value, _PX_DIGITS) for value in values]


def _metres(values: Sequence[float]) -> list[float]:
    return [_shortest(value, _M_DIGITS) for value in values]


def _shortest(value: float, digits: int) -> float:
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded
