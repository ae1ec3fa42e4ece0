"""`etle schema`: print the JSON Schema of a site file, which editors use for completion and validation."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of a site file, for editors",
        description="Prints the JSON Schema of a site file, including the settings of each rule. `etle init` writes it next to the site "
        "file and refers to it in the first line, for editors with a YAML language server.",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="write to this file instead")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    text = schema_text()
    if args.out is None:
        sys.stdout.write(text)
    else:
        args.out.write_text(text, encoding="utf-8")
    return 0


def schema_text() -> str:
    return json.dumps(site_schema(), indent=2, ensure_ascii=False) + "\n"


def site_schema() -> dict[str, Any]:
    from etle.config import site as config
    from pipeline import rules

    schema = config.schema()
    entry = rules.schema()
    schema["$defs"] |= {"RuleEntry": entry} | _hoist_definitions(entry)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_without_titles(schema)}


def _hoist_definitions(entry: dict[str, Any]) -> dict[str, Any]:
    """Removes and returns the `$defs` of each rule's schema: references to `#/$defs/...` resolve at the document root."""
    found: dict[str, Any] = {}
    for choice in entry.get("anyOf", ()):
        found |= choice.pop("$defs", {})
    return found


def _without_titles(schema: Any) -> Any:
    """Removes the titles that pydantic derives from field names: editors show `Interval S` instead of the description."""
    if isinstance(schema, list):
        return [_without_titles(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _without_titles(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
