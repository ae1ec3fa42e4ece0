"""Every file in configs/ loads, and the JSON Schema matches the code."""

import json
from pathlib import Path

import pytest
import yaml

from etle.config.campaign import load_campaign
from etle.config.law import load_law
from etle.config.packaged import configs_folder
from etle.config.site import load_site
from etle.config.sources import FileSourceSettings
from etle.plates.tables import load_tables
from etle_cli.commands.schema import schema_text

FILES = sorted(path for path in configs_folder().rglob("*") if path.is_file())
SITES = [path for path in FILES if path.name == "site.yaml"]
LAWS = [path for path in FILES if path.parent.name == "law"]
CAMPAIGNS = [path for path in FILES if path.parent.name == "campaigns"]
PLATES = [path for path in FILES if path.parent.name == "plates"]


def each(paths: list[Path]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("path", [pytest.param(path, id=str(path.relative_to(configs_folder()))) for path in paths])


@each([path for path in FILES if path.suffix in (".yaml", ".yml")])
def test_every_yaml_file_is_covered_by_a_test_here(path: Path) -> None:
    assert path in (*SITES, *LAWS, *CAMPAIGNS, *PLATES)


@each(CAMPAIGNS)
def test_a_campaign_loads(path: Path) -> None:
    assert load_campaign(path, load_law(configs_folder() / "law")).targets


@each(SITES)
def test_a_site_file_loads_and_its_footage_exists(path: Path) -> None:
    for camera in load_site(path, {}).cameras:
        assert not isinstance(camera.source, FileSourceSettings) or camera.source.file.is_file()


@each(SITES)
def test_a_site_file_s_rules_can_be_built(path: Path) -> None:
    from pipeline.rules import build_rules
    from pipeline.scene.calibration import calibrate

    law = load_law(configs_folder() / "law")
    for camera in load_site(path, {}).cameras:
        assert build_rules(camera, calibrate(camera)) or not camera.rules
        assert all(entry.rule in law.offences for entry in camera.rules)


def test_the_law_loads() -> None:
    assert {offence.rule for offence in load_law(configs_folder() / "law").offences.values()} >= {"red_light", "stop_line", "wrong_way"}


def test_every_rule_has_an_offence() -> None:
    from pipeline.rules import RULES

    assert set(RULES) <= set(load_law(configs_folder() / "law").offences)


def test_the_plate_tables_load() -> None:
    assert load_tables(configs_folder() / "plates").area("B") is not None


class TestTheSchema:
    def test_is_current(self) -> None:
        shipped = (configs_folder() / "site.schema.json").read_text(encoding="utf-8")
        assert shipped == schema_text(), "run: etle schema --out configs/site.schema.json"

    def test_knows_every_rule_and_its_settings(self) -> None:
        from pipeline.rules import RULES

        entries = json.loads(schema_text())["$defs"]["RuleEntry"]["anyOf"]
        known = {entry["properties"]["rule"]["const"]: set(entry["properties"]) - {"rule"} for entry in entries}
        assert known == {name: set(rule.settings.model_fields) for name, rule in RULES.items()}

    def test_has_all_definitions_that_it_refers_to(self) -> None:
        text = schema_text()
        schema = json.loads(text)
        referenced = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
        assert referenced <= set(schema["$defs"])

    @each(SITES)
    def test_has_every_key_of_a_site_file(self, path: Path) -> None:
        schema = json.loads(schema_text())
        assert unknown_keys(yaml.safe_load(path.read_text(encoding="utf-8")), schema, schema) == []


def unknown_keys(document: object, node: dict[str, object], schema: dict[str, object], place: str = "") -> list[str]:
    """Paths of keys that the schema does not know, which an editor would mark."""
    choices = [resolved(choice, schema) for choice in choices_of(node, schema)]
    if isinstance(document, list):
        found = [
            unknown_keys(item, choice["items"], schema, f"{place}[{n}]")
            for n, item in enumerate(document)
            for choice in choices
            if "items" in choice
        ]
        return [one for some in found for one in some]
    if not isinstance(document, dict):
        return []
    best: list[str] | None = None
    for choice in choices:
        known = choice.get("properties", {})
        wrong = [f"{place}.{key}" for key in document if key not in known]
        for key, value in document.items():
            wrong += unknown_keys(value, known[key], schema, f"{place}.{key}") if key in known else []
        best = wrong if best is None or len(wrong) < len(best) else best
    return best or []


def choices_of(node: dict, schema: dict) -> list[dict]:  # type: ignore[type-arg]
    node = resolved(node, schema)
    return [inner for choice in node["anyOf"] for inner in choices_of(choice, schema)] if "anyOf" in node else [node]


def resolved(node: dict, schema: dict) -> dict:  # type: ignore[type-arg]
    return schema["$defs"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node  # type: ignore[no-any-return]
