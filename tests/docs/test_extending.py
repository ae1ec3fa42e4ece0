"""The worked examples of docs/rules.md and docs/extending.md, applied literally to a copy of the tree, and run."""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from databases import TestDatabases

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COPIED = ("etle", "etle_cli", "ingest", "models", "pipeline", "review", "configs", "docs")
FILES = (
    "README.md",
    "CONTRIBUTING.md",
    "simulator/README.md",
    "tests/pipeline/scenario.py",
    "tests/docs/test_docs.py",
    "tests/config/test_law_text.py",
)
PAGES = ("docs/rules.md", "docs/extending.md")
BLOCK = re.compile(r"^```(\w+) title=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def apply_diff(text: str, diff: str) -> str:
    """Replaces the unprefixed and `-` lines of each hunk by its unprefixed and `+` lines. Hunks are separated by `@@`.

    A page may hold a diff of itself: whole lines are compared, and in the diff they have a prefix.
    """
    text = "\n" + text
    for hunk in diff.split("@@\n"):
        lines = hunk.splitlines(keepends=True)
        old = "".join(line[1:] for line in lines if line[0] in " -")
        new = "".join(line[1:] for line in lines if line[0] in " +")
        assert text.count("\n" + old) == 1, old
        text = text.replace("\n" + old, "\n" + new)
    return text[1:]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("tree")
    for package in COPIED:
        shutil.copytree(
            ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__", "*.mp4", "portraits.zip", "riders.zip")
        )
    for name in FILES:
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    for kind, path, body in BLOCK.findall("\n".join((ROOT / page).read_text() for page in PAGES)):
        file = tree / path
        assert file.exists() == (kind == "diff"), path
        file.write_text(apply_diff(file.read_text(), body) if kind == "diff" else body)
    return tree


def run(tree: Path, *arguments: str | Path, **environment: str) -> str:
    """Output of Python in the copied tree."""
    environment = {**os.environ, "PYTHONPATH": str(tree), **environment}
    done = subprocess.run([sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def etle(tree: Path, *arguments: str | Path, **environment: str) -> str:
    return run(tree, "-m", "etle_cli.main", *arguments, **environment)


def site_file(tree: Path, source: dict[str, object], **camera: object) -> Path:
    """The first camera of the demo site with another source."""
    document = yaml.safe_load((tree / "configs/demo/site.yaml").read_text())
    document["cameras"] = [{**document["cameras"][0], "source": source, **camera}]
    path = tree / "site.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_the_table_of_the_rule_passes(tree: Path) -> None:
    assert "4 passed" in run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/pipeline/test_no_stopping.py")


def test_the_rule_is_one_file_and_one_line_and_its_import_and_one_table() -> None:
    blocks = {path: (kind, body) for kind, path, body in BLOCK.findall((ROOT / "docs/rules.md").read_text())}
    assert [path for path, (kind, _) in blocks.items() if kind == "python"] == [
        "pipeline/rules/no_stopping.py",
        "tests/pipeline/test_no_stopping.py",
    ]
    changed = {path: body for path, (kind, body) in blocks.items() if kind == "diff"}
    assert set(changed) == {"pipeline/rules/__init__.py", "configs/law/lalu-lintas.yaml", "tests/config/test_law_text.py", "docs/rules.md"}
    added = [line[1:].strip() for line in changed["pipeline/rules/__init__.py"].splitlines() if line.startswith("+")]
    assert added == ["from pipeline.rules.no_stopping import NO_STOPPING", "NO_STOPPING.name: NO_STOPPING,"]


def test_the_rule_is_documented_and_its_offence_is_lawful(tree: Path) -> None:
    ran = run(
        tree,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/docs/test_docs.py",
        "tests/config/test_law_text.py",
        "-k",
        "rule or law",
    )
    assert "passed" in ran and "failed" not in ran
    ran = run(tree, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/docs/test_docs.py", "-k", "no_stopping")
    assert "1 passed" in ran


def test_the_rule_is_in_the_schema_and_has_an_article(tree: Path) -> None:
    etle(tree, "schema", "--out", "configs/site.schema.json")
    assert '"no_stopping"' in (tree / "configs/site.schema.json").read_text()
    rule = {"rule": "no_stopping", "lanes": [yaml.safe_load((tree / "configs/demo/site.yaml").read_text())["cameras"][0]["lanes"][0]["id"]]}
    code = (
        "import sys, pathlib; from etle.config.site import load_site; from etle_cli.check.site import check_rules\n"
        "print([result.message for result in check_rules(load_site(pathlib.Path(sys.argv[1])))])"
    )
    assert "no_stopping (Pasal 287 ayat (3)" in run(tree, "-c", code, site_file(tree, {"file": "a.mp4"}, rules=[rule]))


def test_the_reader_reads_a_plate(tree: Path) -> None:
    crop = tree / "crop.png"
    cv2.imwrite(str(crop), np.full((48, 160, 3), 20, np.uint8))
    code = (
        "import cv2, sys; from models.plates.readers import open_plate_reader; from models.weights.locate import weight\n"
        "print(open_plate_reader('sharpened', weight('plate-reader')).read([cv2.imread(sys.argv[1])])[0].reader)"
    )
    assert run(tree, "-c", code, crop) == "sharpened\n"


def test_the_source_is_read_by_check(tree: Path) -> None:
    size = yaml.safe_load((tree / "configs/demo/site.yaml").read_text())["cameras"][0]["frame_size"]
    with zipfile.ZipFile(tree / "frames.zip", "w") as archive:
        archive.writestr("0001.jpg", cv2.imencode(".jpg", np.zeros((size[1], size[0], 3), np.uint8))[1].tobytes())
    site = site_file(tree, {"zip": "frames.zip", "starts_at": "2026-11-23T10:00:00+07:00", "fps": 10})
    code = (
        "import sys, pathlib; from etle.config.site import load_site; from etle_cli.check.sources import check_sources\n"
        "print(*(f'{result.state}: {result.message}' for result in check_sources(load_site(pathlib.Path(sys.argv[1])), 5)))"
    )
    assert run(tree, "-c", code, site).startswith(f"ok: delivers {size[0]}x{size[1]}")


def test_the_verdict_is_stored_listed_and_shown(tree: Path, databases: TestDatabases) -> None:
    code = (
        "from pathlib import Path; from etle.storage.stores import StorageOptions, open_stores; import os\n"
        "from etle.testing.values import a_decision, a_violation_message; from etle.types import Verdict\n"
        "with open_stores(StorageOptions(data=Path('data'), database=os.environ['ETLE_DATABASE'])) as stores:\n"
        "    message = a_violation_message()\n"
        "    stores.cases.add(message.violation, message.files)\n"
        "    stores.cases.decide(a_decision(message.violation, Verdict('defer')))\n"
    )
    with databases.create() as url:
        run(tree, "-c", code, ETLE_DATABASE=url)
        listed = etle(tree, "violations", "list", "--state", "defer", "--json", "--data", "data", ETLE_DATABASE=url)
    assert [json.loads(line)["state"] for line in io.StringIO(listed)] == ["defer"]


@pytest.mark.parametrize(("language", "label"), [("en", "Deferred"), ("id", "Ditunda")])
def test_the_pages_offer_the_verdict(tree: Path, language: str, label: str) -> None:
    code = (
        "import sys; from review.i18n import Language, translator; from review.views.verdict import verdict_views\n"
        "print([view.label for view in verdict_views(translator(Language(sys.argv[1])))])"
    )
    assert label in run(tree, "-c", code, language)
