"""Every path, module, command and option that the documents name exists."""

import argparse
import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from etle.config.deployment import IngestSettings
from etle_cli.main import parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "simulator/README.md"]
PACKAGES = ("etle_cli", "etle", "ingest", "models", "pipeline", "review", "benchmark", "simulator", "services")
FOLDERS = (*PACKAGES, "tests", "docs", "configs", "deploy", "scripts")
CREATED_BY_THE_READER = ("deploy/.env", "deploy/site")
PATH = re.compile(rf"(?<![\w/.:-])((?:{'|'.join(FOLDERS)})/[\w./-]*\w)")
MODULE = re.compile(rf"(?<![\w/.:@-])((?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*)+)(?![\w-])(?!/)")
WORKED_EXAMPLE = re.compile(r"^```\w+ title=.*?^```$", re.MULTILINE | re.DOTALL)
"""New files and diffs, which tests/docs/test_extending.py applies."""
SPAN = re.compile(r"`([^`\n]+)`")


def each_page() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def text_of(page: Path) -> str:
    return WORKED_EXAMPLE.sub("", page.read_text())


def paths_in(text: str) -> set[str]:
    return {path for path in PATH.findall(text) if not path.startswith(CREATED_BY_THE_READER)}


def exists(path: str) -> bool:
    """Upper-case words are placeholders: `deploy/docker/ROLE.Dockerfile`."""
    return (ROOT / path).exists() or any(ROOT.glob(re.sub(r"\b[A-Z]{3,}\b", "*", path)))


def modules_in(text: str) -> set[str]:
    """Dotted names that begin with a package; not topic names (`etle.frames.v1`), config keys (`ingest.devices`) or host names."""
    names = set(MODULE.findall(text))
    keys = {f"ingest.{key}" for key in IngestSettings.model_fields}
    files_and_topics = re.compile(r"\.(v\d|md|py|sh|yaml|json|jpg|pub|dump|example|env|service)\b")
    return {name for name in names - keys if not files_and_topics.search(name)}


def resolves(name: str) -> bool:
    """Whether `a.b.C` is a module or a name at the top level of a module."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        base = ROOT.joinpath(*parts[:length])
        file = base.with_suffix(".py") if base.with_suffix(".py").is_file() else base / "__init__.py"
        if file.is_file():
            rest = parts[length:]
            return not rest or rest[0] in top_level_names(file)
    return False


def top_level_names(file: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


def code_in(text: str) -> Iterator[str]:
    """Indented and fenced code lines, and code spans outside of them."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.split("  #")[0].split(" # ")[0]
        else:
            yield from SPAN.findall(line)


def command_lines(text: str) -> Iterator[list[str]]:
    """The words behind each `etle`, as far as they belong to one command."""
    for code in code_in(text):
        for part in re.split(r"[|;&,]|\$\(", code):
            words = part.split()
            starts = [index for index, word in enumerate(words) if word == "etle" or word.endswith("/etle")]
            if starts and not any(word in ("cp", "helm", "pip", "install") for word in words):
                yield words[starts[0] + 1 :]


def subparsers(of: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    return {name: sub for action in of._actions if isinstance(action, argparse._SubParsersAction) for name, sub in action.choices.items()}


def options(of: argparse.ArgumentParser) -> set[str]:
    return {option for action in of._actions for option in action.option_strings}


def all_options(of: argparse.ArgumentParser) -> set[str]:
    return options(of).union(*(all_options(sub) for sub in subparsers(of).values()))


@cache
def the_parser() -> argparse.ArgumentParser:
    """Built once: it has all commands with all options."""
    return parser()


def problems_of(words: list[str]) -> list[str]:
    """What of a command line does not exist."""
    at = the_parser()
    path = "etle"
    for word in words:
        choices = subparsers(at)
        if not choices or not re.fullmatch(r"[a-z][a-z0-9-]*", word):
            break
        if word not in choices:
            return [f"{path} {word}"]
        at, path = choices[word], f"{path} {word}"
    given = {re.split(r"[=\]]", word.lstrip("["))[0] for word in words if word.lstrip("[").startswith("--")}
    return [f"{path} {option}" for option in sorted(given - all_options(at) - {"--help"})]


@each_page()
def test_every_path_exists(page: Path) -> None:
    assert [path for path in sorted(paths_in(text_of(page))) if not exists(path)] == []


@each_page()
def test_every_module_exists(page: Path) -> None:
    assert [name for name in sorted(modules_in(text_of(page))) if not resolves(name)] == []


@each_page()
def test_every_command_line_is_valid(page: Path) -> None:
    assert [problem for words in command_lines(text_of(page)) for problem in problems_of(words)] == []


@each_page()
def test_every_option_belongs_to_a_command(page: Path) -> None:
    """For options that stand alone in a code span, and may be of a benchmark or of the simulator."""
    programs = "\n".join(file.read_text() for folder in ("benchmark", "simulator", "services") for file in (ROOT / folder).rglob("*.py"))
    known = (
        all_options(the_parser()) | set(re.findall(r"\"(--[a-z][a-z-]*)\"", programs)) | {"--fast", "--masuk-seconds", "--keluar-seconds"}
    )
    named = {word for code in SPAN.findall(text_of(page)) if code.startswith("--") for word in code.split() if word.startswith("--")}
    assert sorted(option for option in (re.split(r"[=\]]", word)[0] for word in named) if option not in known) == []


def test_the_checks_find_what_does_not_exist() -> None:
    text = "`pipeline/gone.py` and `etle.gone.Thing`, `etle detect --gone`, `etle.frames.v1`, `ingest.devices`, https://etle.example.go.id"
    assert [path for path in paths_in(text) if not exists(path)] == ["pipeline/gone.py"]
    assert [name for name in modules_in(text) if not resolves(name)] == ["etle.gone.Thing"]
    assert [problem for words in command_lines(text) for problem in problems_of(words)] == ["etle detect --gone"]
    assert problems_of(["gone"]) == ["etle gone"]
    assert resolves("etle.types.Frame") and resolves("benchmark.faults")
