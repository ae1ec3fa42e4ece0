"""Parses YAML of limited size, depth and expansion, so that no file can make the process hang or fail with a traceback.

Every error is a `yaml.MarkedYAMLError` with the line. PyYAML itself recurses for each level of nesting, expands aliases without a limit,
and raises ValueError, KeyError or AttributeError for scalars that it cannot convert.
"""

import re
from collections.abc import Hashable
from typing import Any, Final

import yaml

try:
    from yaml import CSafeLoader as _Loader  # ten times as fast
except ImportError:
    from yaml import SafeLoader as _Loader  # type: ignore[assignment]  # a build of PyYAML without libyaml

MAX_CHARACTERS: Final = 1_000_000
"""A site of 250 cameras with all their drawings takes half of it."""
_MAX_DEPTH: Final = 40
_MAX_NODES: Final = 100_000
"""Values of the document after every alias is replaced by a copy of its anchor."""
_MAX_NUMBER_CHARACTERS: Final = 64
_NUMBER: Final = re.compile(r"tag:yaml\.org,2002:(int|float)")
UNWANTED_CHARACTERS: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, characters that change the direction of a text, and halves of surrogate pairs."""
_CONVERSION_ERRORS: Final = (ValueError, OverflowError, KeyError, AttributeError, TypeError, IndexError, RecursionError)


def parse(text: str) -> Any:
    """The document. Raises yaml.YAMLError; keys that are given twice are an error."""
    if len(text) > MAX_CHARACTERS:
        raise yaml.YAMLError(f"it has {len(text)} characters; the maximum is {MAX_CHARACTERS}")
    if unprintable := yaml.reader.Reader.NON_PRINTABLE.search(text):
        at = unprintable.start()
        mark = yaml.Mark("", at, text.count("\n", 0, at), at - text.rfind("\n", 0, at) - 1, None, 0)
        raise yaml.MarkedYAMLError(problem=f"the character U+{ord(unprintable[0]):04X} is not allowed", problem_mark=mark)
    _check_events(text)
    return yaml.load(text, _StrictLoader)


def _check_events(text: str) -> None:
    """Limits depth and number of values. The parser's events are read without recursion, unlike the nodes."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, _Loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise _error(f"nested more than {_MAX_DEPTH} levels deep", event)
        if count > _MAX_NODES:
            raise _error(f"more than {_MAX_NODES} values", event)


def _error(problem: str, at: Any) -> yaml.MarkedYAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, at.start_mark)


class _StrictLoader(_Loader):
    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _check_size(node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        if _NUMBER.fullmatch(node.tag) and len(str(node.value)) > _MAX_NUMBER_CHARACTERS:
            raise _error(f"a number of {len(str(node.value))} characters", node)
        if isinstance(node, yaml.ScalarNode) and (unwanted := UNWANTED_CHARACTERS.search(node.value)):
            raise _error(f"a text with the character U+{ord(unwanted[0]):04X}, which is not allowed", node)
        try:
            return super().construct_object(node, deep)
        except _CONVERSION_ERRORS as error:
            kind = node.tag.rpartition(":")[2]
            raise _error(f"{_shown(node)} is not a valid {kind}; put a text into quotation marks", node) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        if not isinstance(node, yaml.MappingNode):
            raise _error("expected keys and values", node)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _error("a key is a text, not a list or a mapping", key)
            name = str(key.value)
            if name in lines:
                raise _error(f"the key {name!r} was already given in line {lines[name]}", key)
            lines[name] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _shown(node: yaml.Node) -> str:
    text = str(node.value) if isinstance(node, yaml.ScalarNode) else "this"
    return repr(text if len(text) <= _MAX_NUMBER_CHARACTERS else text[:_MAX_NUMBER_CHARACTERS] + "...")


def _check_size(root: yaml.Node) -> None:
    """Refuses an alias inside its own anchor, and a document that becomes too large when aliases are expanded."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size_of(node: yaml.Node) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) in open_nodes:
            raise _error("this anchor contains an alias to itself", node)
        if id(node) not in sizes:
            open_nodes.add(id(node))
            parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
            sizes[id(node)] = 1 + sum(size_of(part) for part in parts)
            open_nodes.discard(id(node))
            if sizes[id(node)] > _MAX_NODES:
                raise _error(f"its aliases expand to more than {_MAX_NODES} values", node)
        return sizes[id(node)]

    size_of(root)
