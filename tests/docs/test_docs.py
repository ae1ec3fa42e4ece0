"""Everything that a user can set, start or meet is documented, and every link and command in the documents works."""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from etle import errors
from etle.config.law import load_law
from etle.config.strict_yaml import Section
from etle_cli.main import parser
from pipeline.rules import RULES

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "simulator/README.md"]
TEXT = "\n".join(page.read_text() for page in PAGES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_target_exists(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target


def commands(of: argparse.ArgumentParser, name: str = "etle"):
    for action in of._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, sub in action.choices.items():
                yield f"{name} {word}"
                yield from commands(sub, f"{name} {word}")


@pytest.mark.parametrize("command", list(commands(parser())))
def test_every_command_is_documented(command):
    assert command in TEXT or command.rsplit(" ", 1)[0] == "etle users"


def sections(of: type[Section]) -> Iterator[type[Section]]:
    for section in of.__subclasses__():
        yield section
        yield from sections(section)


KEYS = {
    key
    for section in sections(Section)
    if section.__module__ in ("etle.config.site", "etle.config.deployment", "etle.config.sources", "etle.config.signal_feed")
    for key in section.model_fields
}


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_key_of_a_site_file_is_documented(key):
    assert re.search(rf"\b{key}\b", (ROOT / "docs/configuration.md").read_text())


@pytest.mark.parametrize("name", list(RULES))
def test_every_rule_has_an_offence_and_a_section_with_its_settings(name):
    section = (ROOT / "docs/rules.md").read_text().split(f"## {name}")[1].split("\n## ")[0]
    for key in RULES[name].settings.model_fields:
        assert f"`{key}`" in section
    assert name in load_law(ROOT / "configs/law").offences


def test_the_tree_of_errors_is_complete():
    for name, member in vars(errors).items():
        if isinstance(member, type) and issubclass(member, Exception):
            assert re.search(rf"\b{name}\b", errors.__doc__ or ""), name


def test_the_make_targets_of_the_readme_exist_and_ci_runs_the_tests():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^    make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE):
        assert f"\n{target}:" in makefile
    assert (ROOT / ".ci/run").read_text().rstrip().endswith("make test")


@pytest.mark.parametrize("module", sorted(set(re.findall(r"python -m (benchmark\.\w+)", TEXT))))
def test_every_documented_benchmark_exists(module):
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").exists() or (path / "__main__.py").exists()


def test_environment_variables_are_documented():
    packages = ("etle", "etle_cli", "ingest", "models", "pipeline", "review")
    code = "\n".join(path.read_text() for package in packages for path in (ROOT / package).rglob("*.py"))
    for name in set(re.findall(r"\"(ETLE_[A-Z]+)\"", code)):
        assert name in TEXT, name


@pytest.mark.parametrize(("page", "anchor"), [("rules.md", "## Adding a rule"), ("extending.md", "## A verdict")])
def test_the_worked_examples_are_there(page, anchor):
    """tests/docs/test_extending.py runs them, and takes longer."""
    assert anchor in (ROOT / "docs" / page).read_text()
