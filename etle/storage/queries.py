"""Reads `queries.sql`, which holds the SQL statements of all stores by name."""

import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- (\w+) --$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^--.*$\n?", re.MULTILINE)


def sql(name: str) -> str:
    """The statement of that name, with psycopg2's `%(parameter)s`."""
    return load_queries()[name]


@cache
def load_queries() -> Mapping[str, str]:
    text = resources.files("etle.storage").joinpath("queries.sql").read_text(encoding="utf-8")
    _, *parts = _NAME.split(text)
    return {name: _COMMENT.sub("", statement).strip() for name, statement in zip(parts[::2], parts[1::2], strict=True)}
