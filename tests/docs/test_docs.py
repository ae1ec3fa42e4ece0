"""The documents say what is there."""

import argparse
import re
from pathlib import Path

import pytest

from etle import config, deployment, errors
from etle.config.law import load_law
from etle_cli.main import parser
from pipeline.rules import RULES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "simulator/README.md"]
TOLD = "\n".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def commands(of: argparse.ArgumentParser, name: str = "etle"):
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, sub in action.choices.items():
                yield f"{name} {word}"
                yield from commands(sub, f"{name} {word}")


@pytest.mark.parametrize("command", list(commands(parser())))
def test_every_command_is_told(command):
    assert command in TOLD or command.rsplit(" ", 1)[0] == "etle users"


SITE_PARTS = (
    config.Site,
    config.Camera,
    config.Source,
    config.SignalHead,
    config.Line,
    config.Lane,
    config.Detection,
    config.Evidence,
    config.Hours,
)
BROKER_PARTS = (deployment.Broker, deployment.Topic, deployment.Security)
PARTS = (*SITE_PARTS, *BROKER_PARTS, deployment.Store, deployment.IngestSettings, deployment.Box, deployment.Vendor)


@pytest.mark.parametrize("key", sorted({key for part in PARTS for key in part.model_fields}))
def test_every_key_is_told(key):
    assert re.search(rf"\b{key}\b", (ROOT / "docs/configuration.md").read_text())


@pytest.mark.parametrize("name", list(RULES))
def test_every_rule_has_a_section_with_its_settings_and_an_offence(name):
    section = (ROOT / "docs/rules.md").read_text().split(f"## {name}")[1].split("\n## ")[0]
    for key in RULES[name].Settings.model_fields:
        assert f"`{key}`" in section
    assert name in load_law(ROOT / "configs/law").offences


def test_every_error_stands_in_the_tree():
    for name, thing in vars(errors).items():
        if isinstance(thing, type) and issubclass(thing, Exception):
            assert re.search(rf"\b{name}\b", errors.__doc__ or ""), name


def test_the_readmes_commands_exist_and_ci_runs_the_tests_as_it_says():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert f"\n{target}:" in makefile
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("make test")


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m (benchmark\.\w+)", TOLD))))
def test_every_benchmark_that_is_told_of_exists(module):
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_environment_variables_are_told():
    code = "\n".join(
        path.read_text() for folder in ("etle", "ingest", "models", "pipeline", "review") for path in (ROOT / folder).rglob("*.py")
    )
    for name in set(re.findall(r"\"(ETLE_[A-Z]+)\"", code)):
        assert name in TOLD, name
