"""Changes values of one camera in the text of a site file and leaves the rest of the text as it is: comments, order and spelling.

Only what differs is written again. The result is parsed and compared with what it should say; a file whose notation is too unusual for
this (anchors, the camera in braces) is refused rather than damaged.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from etle.config.bounded_yaml import parse
from etle.errors import ConfigError

KEY_ORDER: Final = (
    "id", "name", "view", "source", "frame_size",
    "ground_points", "lens", "signals", "lines", "lanes", "zones", "markings", "rules", "reference", "drawn",
)  # fmt: skip
"""New keys are put behind those that come before them here."""
_MAPPING: Final = yaml.MappingNode
_SEQUENCE: Final = yaml.SequenceNode


@dataclass(slots=True)
class _Edits:
    """Replacements of parts of a text, by start and end."""

    text: str
    parts: list[tuple[int, int, str]] = field(default_factory=list)

    def replace(self, start: int, end: int, new: str) -> None:
        self.parts.append((start, end, new))

    def applied(self) -> str:
        pieces, at = [], 0
        for start, end, new in sorted(self.parts, key=lambda part: part[:2]):
            pieces += [self.text[at:start], new]
            at = end
        return "".join((*pieces, self.text[at:]))

    def line_start(self, at: int) -> int:
        return self.text.rfind("\n", 0, at) + 1

    def line_end(self, at: int) -> int:
        """Behind the line break."""
        return self.text.find("\n", at) + 1


def change_camera(text: str, camera: str, values: Mapping[str, Any]) -> str:
    """`values`: for some keys of the camera the new value, as YAML has it; None or empty removes the key. Items of lists that remain keep
    their order, and new ones follow. Raises ConfigError if the camera does not exist or its notation cannot be changed here.
    """
    if not text.endswith("\n"):
        text += "\n"
    try:
        document, root = parse(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError as error:
        raise ConfigError(f"the site file is not YAML: {error}") from error
    node, old = _camera(root, document, camera)
    wanted = _wanted(old, values)
    edits = _Edits(text)
    _edit(edits, node, old, wanted)
    changed = edits.applied()
    if not _says(changed, document, camera, wanted):
        raise ConfigError(
            f"camera {camera!r} is written in a notation that cannot be changed here (anchors, braces): write it as `etle init` does"
        )
    return changed


def _camera(root: Any, document: Any, camera: str) -> tuple[yaml.MappingNode, dict[str, Any]]:
    cameras = document.get("cameras") if isinstance(document, dict) else None
    for number, each in enumerate(cameras if isinstance(cameras, list) else []):
        if isinstance(each, dict) and each.get("id") == camera:
            node = next(value for key, value in root.value if key.value == "cameras").value[number]
            return node, each
    raise ConfigError(f"the site file has no camera {camera!r}")


def _wanted(old: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    wanted = {key: value for key, value in old.items() if values.get(key, value) not in (None, [], {}, ())}
    for key, value in values.items():
        if value in (None, [], {}, ()):
            continue
        kept = old.get(key)
        wanted[key] = [item for _, item in _paired(kept, value)] if isinstance(kept, list) and isinstance(value, list) else value
    return wanted


def _says(text: str, document: Any, camera: str, wanted: Mapping[str, Any]) -> bool:
    expected = {**document, "cameras": [wanted if each.get("id") == camera else each for each in document["cameras"]]}
    try:
        return bool(parse(text) == expected)
    except yaml.YAMLError:
        return False


def _edit(edits: _Edits, node: Any, old: Any, new: Any) -> None:
    if old == new:
        return
    if isinstance(node, _MAPPING) and isinstance(new, dict) and (not node.flow_style or old.keys() == new.keys()):
        _edit_mapping(edits, node, old, new)
    elif isinstance(node, _SEQUENCE) and isinstance(new, list) and new and not node.flow_style:
        _edit_sequence(edits, node, old, new)
    else:
        edits.replace(node.start_mark.index, _end_of(node), flow_style(new))


def _edit_mapping(edits: _Edits, node: yaml.MappingNode, old: dict[str, Any], new: dict[str, Any]) -> None:
    for key, value in node.value:
        name = key.value
        if name in new:
            _edit(edits, value, old[name], new[name])
        else:
            edits.replace(edits.line_start(key.start_mark.index), edits.line_end(_end_of(value)), "")
    indent = " " * node.value[0][0].start_mark.column
    added = [key for key in sorted(new, key=_rank) if key not in old]
    for name in added:
        before = [value for key, value in node.value if _rank(key.value) < _rank(name) and key.value in new]
        at = edits.line_end(_end_of(before[-1] if before else node.value[-1][1]))
        edits.replace(at, at, _block(name, new[name], indent))


def _edit_sequence(edits: _Edits, node: yaml.SequenceNode, old: list[Any], new: list[Any]) -> None:
    pairs = list(_paired(old, new))
    kept = {number for number, _ in pairs if number is not None}
    dashes = [edits.text.rfind("-", 0, item.start_mark.index) for item in node.value]
    for number, item in pairs:
        if number is not None:
            _edit(edits, node.value[number], old[number], item)
    for number, item_node in enumerate(node.value):
        if number not in kept:
            edits.replace(edits.line_start(dashes[number]), edits.line_end(_end_of(item_node)), "")
    at = edits.line_end(_end_of(node.value[max(kept)] if kept else node.value[-1]))
    indent = " " * node.start_mark.column
    added = "".join(f"{indent}- {flow_style(item)}\n" for number, item in pairs if number is None)
    if added:
        edits.replace(at, at, added)


def _paired(old: Sequence[Any], new: Sequence[Any]) -> Iterator[tuple[int | None, Any]]:
    """For each new item the old one that it continues: the same one, else that with the same id, else one with the most equal values.

    In the order of the old ones; those that continue none come last.
    """
    free: list[int] = list(range(len(old)))
    found: dict[int, int] = {}
    for likeness in (_equal, _same_id, _shares):
        for number, item in enumerate(new):
            if number in found or not free:
                continue
            best = max(free, key=lambda place: likeness(old[place], item))
            if likeness(old[best], item) > 0:
                found[number] = best
                free.remove(best)
    continued = {place: number for number, place in found.items()}
    yield from ((place, new[continued[place]]) for place in sorted(continued))
    yield from ((None, item) for number, item in enumerate(new) if number not in found)


def _equal(old: Any, new: Any) -> int:
    return int(old == new)


def _same_id(old: Any, new: Any) -> int:
    both = isinstance(old, dict) and isinstance(new, dict) and "id" in old
    return int(both and old["id"] == new.get("id"))


def _shares(old: Any, new: Any) -> int:
    if not isinstance(old, dict) or not isinstance(new, dict):
        return 0
    return sum(1 for key, value in old.items() if key != "id" and new.get(key) == value)


def _end_of(node: Any) -> int:
    """Behind the last character of the node; PyYAML's mark of a block lies behind the comments after it."""
    if isinstance(node, _MAPPING | _SEQUENCE) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end_of(last[1] if isinstance(node, _MAPPING) else last)
    end: int = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return end - 1
    return end


def _rank(key: str) -> int:
    return KEY_ORDER.index(key) if key in KEY_ORDER else len(KEY_ORDER)


def _block(key: str, value: Any, indent: str) -> str:
    """A key with its value: one line for each item of a list."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        return f"{indent}{key}: {flow_style(value)}\n"
    return f"{indent}{key}:\n" + "".join(f"{indent}  - {flow_style(item)}\n" for item in value)


def flow_style(value: Any) -> str:
    """The value in one line, as `{id: henti, points: [[296.3, 589], [1402, 528.3]]}`."""
    return (
        yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**9)
        .removesuffix("\n")
        .removesuffix("\n...")
    )
