"""Every SQL statement of the stores is used, and every name that the stores use exists."""

import re
from pathlib import Path

import etle.storage
from etle.storage.queries import load_queries


def test_the_stores_use_exactly_the_queries_of_the_file() -> None:
    sources = "\n".join(path.read_text() for path in Path(etle.storage.__path__[0]).rglob("*.py"))
    used = set(re.findall(r'\bsql\("(\w+)"\)', sources))
    assert used == set(load_queries())
