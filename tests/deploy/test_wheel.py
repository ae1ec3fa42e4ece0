"""The built wheel: what is in it, and that it works alone, outside the checkout."""

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    (built,) = folder.glob("etle-*.whl")
    return built


@pytest.mark.slow
def test_the_wheel_holds_the_six_packages_and_nothing_for_development(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    packages = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    assert packages == {"etle", "etle_cli", "ingest", "models", "pipeline", "review"}
    assert "etle/_configs/demo/site.yaml" in names


@pytest.mark.slow
def test_the_wheel_runs_the_demo_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    uv = Path(sys.executable).with_name("uv")  # of scripts/venv, whose cache has the packages
    pip = [uv, "pip", "install", "--python", python] if uv.exists() else [python, "-m", "pip", "install", "--no-compile"]
    subprocess.run([*pip, "--quiet", f"{wheel}[demo]"], check=True, cwd=tmp_path)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [tmp_path / "venv" / "bin" / "etle", "demo", "--no-serve", "--json", "found.json", "--data", "data"]
    done = subprocess.run(command, check=False, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "found.json").read_text())
    assert (found["precision"], found["recall"]) == (1.0, 1.0)
