"""YAML files, read strictly: a wrong one is refused with its file, the place in it, and the nearest thing that would be right.

YAML itself takes a key that stands twice and silently forgets the first; here that is an error too.
"""

import difflib
import logging
import re
from collections.abc import Hashable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from etle.errors import ConfigError

log = logging.getLogger(__name__)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A short name of a thing in a document: lower-case letters, digits, - and _."""
SectionT = TypeVar("SectionT", bound=BaseModel)
ValueT = TypeVar("ValueT")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_SHOWN = 40
"""Longer values than that are not repeated in a message, and addresses never: they may hold a password."""


class Section(BaseModel):
    """A part of a document: frozen, and without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False)

    renamed_keys: ClassVar[Mapping[str, str]] = {}
    """Old keys of this section that are still accepted, with their new names. A release after the renaming, the entry is removed."""

    @model_validator(mode="before")
    @classmethod
    def accept_renamed_keys(cls, value: Any, info: ValidationInfo) -> Any:
        old_keys = [key for key in cls.renamed_keys if isinstance(value, dict) and key in value]
        for old in old_keys:
            new = cls.renamed_keys[old]
            if new in value:
                raise ValueError(f"`{old}` is the old name of `{new}`, and both are given: remove `{old}`")
            _warn_renamed((info.context or {}).get("where", "the document"), old, new)
        return {cls.renamed_keys.get(key, key): item for key, item in value.items()} if old_keys else value


def read_yaml(path: Path) -> Any:
    """What stands in the file. Raises ConfigError if it cannot be read, is not YAML, or has a key twice."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _StrictLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_where_and_why(error)}") from error


def interpolate_env(document: Any, environment: Mapping[str, str], where: str, place: str = "") -> Any:
    """The document with each `${NAME}` in its texts taken from the environment. Raises ConfigError for a name that is not set."""
    if isinstance(document, dict):
        return {key: interpolate_env(value, environment, where, f"{place}.{key}".lstrip(".")) for key, value in document.items()}
    if isinstance(document, list):
        return [interpolate_env(value, environment, where, f"{place}[{number}]") for number, value in enumerate(document)]
    if not isinstance(document, str):
        return document

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ConfigError(f"{where}: {place}: {match[0]} stands for an environment variable that is not set; export {match[1]}=...")
        return environment[match[1]]

    return _VARIABLE.sub(value_of, document)


def check(document: object, part: type[SectionT], where: str) -> SectionT:
    """`document` as a `part`. Raises ConfigError with one line for each thing that is wrong."""
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: expected keys and values, found {'nothing' if document is None else type(document).__name__}")
    try:
        return part.model_validate(document, context={"where": where})
    except ValidationError as error:
        problems = error.errors(include_url=False)
        lines = [_said(problem, part) for problem in problems if not _follows(problem, problems)]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error


def resolve_paths(value: ValueT, folder: Path) -> ValueT:
    """The same value with every path in it, and in the parts inside it, taken from `folder`."""
    moved: Any = value
    if isinstance(value, Path):
        moved = folder / value
    elif isinstance(value, tuple):
        moved = tuple(resolve_paths(item, folder) for item in value)
    elif isinstance(value, Section):
        moved = value.model_copy(update={key: resolve_paths(getattr(value, key), folder) for key in value.model_fields_set})
    result: ValueT = moved
    return result


@cache
def _warn_renamed(where: str, old: str, new: str) -> None:
    """Cached, so that a file that is read several times is reported once."""
    log.warning("%s: the key `%s` is now called `%s`; the old name will be an error in the next release", where, old, new)


class _StrictLoader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        lines: dict[str, int] = {}
        for key, _ in node.value:
            name = str(key.value)
            if name in lines:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {name!r} stands in line {lines[name]} already", key.start_mark
                )
            lines[name] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _where_and_why(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', error)}" if mark else f"is not YAML: {error}"


def _said(problem: Any, part: type[BaseModel]) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"]).lstrip(".")
    if problem["type"] == "extra_forbidden":
        return f"{place}: unknown key; {_nearest(str(problem['loc'][-1]), _keys_at(part, problem['loc'][:-1]))}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        message = "this key is missing"
    elif problem["type"] != "value_error" and _may_be_shown(problem["input"]):
        message += f"; here: {problem['input']!r}"
    return f"{place}: {message}" if place else message


def _follows(problem: Any, problems: list[Any]) -> bool:
    """A list that is too short because its items are wrong: the items are named already."""
    place = problem["loc"]
    return problem["type"] == "too_short" and any(other["loc"][: len(place)] == place for other in problems if other is not problem)


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"


def _may_be_shown(value: object) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= _SHOWN and "://" not in str(value)


def _keys_at(part: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that the schema knows at a place; of all members where it is a union."""
    whole = part.model_json_schema()
    nodes: list[dict[str, Any]] = [whole]
    for step in place:
        inside = [choice for node in nodes for choice in _choices(node, whole)]
        nodes = [node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {}) for node in inside]
    return list(dict.fromkeys(key for node in nodes for choice in _choices(node, whole) for key in choice.get("properties", {})))


def _choices(node: dict[str, Any], whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The node itself, or the members of its union, with references resolved."""
    resolved = whole["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node
    return [choice for member in resolved["anyOf"] for choice in _choices(member, whole)] if "anyOf" in resolved else [resolved]
