"""`etle schema`: the JSON Schema of a site file, with which editors complete and check it while it is written."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from etle.errors import MissingExtra


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "schema",
        help="print the JSON Schema of a site file, for editors",
        description="Prints the JSON Schema of a site file, the rules' own settings included. `etle init` puts it beside the site file, "
        "whose first line tells editors with a YAML language server where it is.",
    )
    parser.add_argument("--out", metavar="FILE", type=Path, help="write it there instead")
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
    """Raises MissingExtra: the rules, which check their own settings, need numpy."""
    from etle.config import site as config

    try:
        from pipeline import rules
    except ImportError as error:
        raise MissingExtra("numpy", "detect") from error

    whole = config.schema()
    entry = rules.schema()
    whole["$defs"] |= {"RuleEntry": entry} | _lifted(entry)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_untitled(whole)}


def _lifted(entry: dict[str, Any]) -> dict[str, Any]:
    """The definitions inside the rules' schemas, taken out: `#/$defs/...` is looked for at the top."""
    found: dict[str, Any] = {}
    for choice in entry.get("anyOf", ()):
        found |= choice.pop("$defs", {})
    return found


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes of the keys: an editor would show `Interval S` in the place of the description."""
    if isinstance(schema, list):
        return [_untitled(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    return {key: _untitled(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
