"""One public class name has one meaning: it is defined once in all packages."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("etle", "etle_cli", "ingest", "models", "pipeline", "review", "benchmark", "simulator", "services")


def public_classes() -> Iterator[tuple[str, str]]:
    """Name and file of each public class at module level. Classes inside a class are qualified by it (`RedLight.Settings`)."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.parse(file.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    yield node.name, str(file.relative_to(ROOT))


def test_every_public_class_name_is_defined_once() -> None:
    files = defaultdict(list)
    for name, file in public_classes():
        files[name].append(file)
    assert {name: where for name, where in files.items() if len(where) > 1} == {}
