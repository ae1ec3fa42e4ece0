"""Read YAML files strictly: an error names the file, the place in it, and the nearest valid key.

YAML accepts a key that is given twice and silently drops the first value; here that is an error as well.
"""

import difflib
import logging
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, model_validator

from etle.config.bounded_yaml import UNWANTED_CHARACTERS
from etle.config.bounded_yaml import parse as parse_yaml
from etle.errors import ConfigError
from etle.redaction import conceal

log = logging.getLogger(__name__)
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
"""A short name of a thing in a document: lower-case letters, digits, - and _."""
SectionT = TypeVar("SectionT", bound=BaseModel)
ValueT = TypeVar("ValueT")
_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_MAX_NAME_BYTES = 255
"""Of file systems in use."""
_MAX_LINES = 25
"""Problems that one message lists."""
_MAX_SHOWN = 40
"""Longest value, in characters, that a message repeats. Addresses are never repeated: they may contain a password."""


class Section(BaseModel):
    """A section of a document: frozen; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=False, allow_inf_nan=False)

    @model_validator(mode="after")
    def usable_paths(self) -> Self:
        for key in type(self).model_fields:
            value = getattr(self, key)
            if isinstance(value, Path) and any(len(os.fsencode(part)) > _MAX_NAME_BYTES for part in value.parts):
                raise ValueError(f"`{key}`: a file name has at most {_MAX_NAME_BYTES} bytes")
        return self

    renamed_keys: ClassVar[Mapping[str, str]] = {}
    """Old name of a key to its new name. Old names are accepted with a warning for one release; then remove the entry."""

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
    """The content of the file. Raises ConfigError if it cannot be read, is not YAML, or has a key twice."""
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_yaml_problem(error)}") from error


def interpolate_env(document: Any, environment: Mapping[str, str], where: str, place: str = "") -> Any:
    """Replace each `${NAME}` in the texts of the document by the environment variable. Raises ConfigError for one that is not set.

    Messages and logs then show `${NAME}` instead of the value (`etle.redaction`).
    """
    if isinstance(document, dict):
        return {key: interpolate_env(value, environment, where, f"{place}.{key}".lstrip(".")) for key, value in document.items()}
    if isinstance(document, list):
        return [interpolate_env(value, environment, where, f"{place}[{number}]") for number, value in enumerate(document)]
    if not isinstance(document, str):
        return document

    def value_of(match: re.Match[str]) -> str:
        if match[1] not in environment:
            raise ConfigError(f"{where}: {place}: {match[0]}: the environment variable is not set; export {match[1]}=...")
        value = environment[match[1]]
        if UNWANTED_CHARACTERS.search(value):
            raise ConfigError(f"{where}: {place}: {match[0]}: its value contains a control character, or is not UTF-8")
        conceal(value, match[0])
        return value

    return _VARIABLE.sub(value_of, document)


def validate(document: object, section: type[SectionT], where: str) -> SectionT:
    """`document` as a `section`. Raises ConfigError with one line per problem; each begins with `where`, the name of the file."""
    if not isinstance(document, dict):
        raise ConfigError(f"{where}: expected keys and values, found {'nothing' if document is None else type(document).__name__}")
    try:
        return section.model_validate(document, context={"where": where})
    except ValidationError as error:
        problems = error.errors(include_url=False)
        lines = [_message(problem, section) for problem in problems if not _is_consequence(problem, problems)]
        if len(lines) > _MAX_LINES:
            lines[_MAX_LINES:] = [f"and {len(lines) - _MAX_LINES} more problems"]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from error


def resolve_paths(value: ValueT, folder: Path) -> ValueT:
    """The same value with every relative path in it, and in the sections inside it, resolved against `folder`."""
    resolved: Any = value
    if isinstance(value, Path):
        resolved = folder / value
    elif isinstance(value, tuple):
        resolved = tuple(resolve_paths(item, folder) for item in value)
    elif isinstance(value, Section):
        resolved = value.model_copy(update={key: resolve_paths(getattr(value, key), folder) for key in value.model_fields_set})
    result: ValueT = resolved
    return result


@cache
def _warn_renamed(where: str, old: str, new: str) -> None:
    """Cached, so that a file that is read several times is reported once."""
    log.warning("%s: the key `%s` is now called `%s`; the old name will be an error in the next release", where, old, new)


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', error)}" if mark else f"is not YAML: {error}"


def _message(problem: Any, section: type[BaseModel]) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in problem["loc"]).lstrip(".")
    if problem["type"] == "extra_forbidden":
        return f"{place}: unknown key; {_nearest(str(problem['loc'][-1]), _keys_at(section, problem['loc'][:-1]))}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "missing":
        message = "this key is missing"
    elif problem["type"] != "value_error" and _is_shown(problem["input"]):
        message += f"; here: {problem['input']!r}"
    return f"{place}: {message}" if place else message


def _is_consequence(problem: Any, problems: list[Any]) -> bool:
    """A list that is too short only because its items are wrong: the problems of the items are reported."""
    place = problem["loc"]
    return problem["type"] == "too_short" and any(other["loc"][: len(place)] == place for other in problems if other is not problem)


def _nearest(key: str, known: list[str]) -> str:
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"


def _is_shown(value: object) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= _MAX_SHOWN and "://" not in str(value)


def _keys_at(section: type[BaseModel], place: tuple[int | str, ...]) -> list[str]:
    """The keys that the schema knows at a place; of all members where it is a union."""
    whole = _schema_of(section)
    nodes: list[dict[str, Any]] = [whole]
    for step in place:
        inside = [choice for node in nodes for choice in _choices(node, whole)]
        nodes = [node.get("items", {}) if isinstance(step, int) else node.get("properties", {}).get(step, {}) for node in inside]
    return list(dict.fromkeys(key for node in nodes for choice in _choices(node, whole) for key in choice.get("properties", {})))


@cache
def _schema_of(section: type[BaseModel]) -> dict[str, Any]:
    return section.model_json_schema()


def _choices(node: dict[str, Any], whole: dict[str, Any]) -> list[dict[str, Any]]:
    """The node itself, or the members of its union, with references resolved."""
    resolved = whole["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node
    return [choice for member in resolved["anyOf"] for choice in _choices(member, whole)] if "anyOf" in resolved else [resolved]
