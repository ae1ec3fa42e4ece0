"""Runs `etle demo` on the bundled footage once, for all tests that use its results."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOOTAGE = Path(__file__).parents[1] / "configs" / "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoRun:
    data: Path
    """The data folder: evidence, keys and the embedded database."""
    score: dict[str, Any]
    output: str


def etle(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Runs the command in a subprocess."""
    done = subprocess.run([sys.executable, "-m", "etle_cli.main", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, (
        f"etle {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    )
    return done


def violations(data: Path) -> list[dict[str, Any]]:
    listed = etle("violations", "list", "--json", "--data", data).stdout
    return sorted((json.loads(line) for line in listed.splitlines()), key=lambda row: row["id"])


def run_demo(folder: Path) -> DemoRun:
    done = etle("demo", "--no-serve", "--data", folder / "data", "--json", folder / "score.json", check=False)
    assert (folder / "score.json").exists(), done.stdout + done.stderr
    return DemoRun(data=folder / "data", score=json.loads((folder / "score.json").read_text()), output=done.stdout)
