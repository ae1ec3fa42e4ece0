"""`kill -9` at random times: the cases are those of an undisturbed run, each once, and every digest verifies."""

import random
import subprocess
import sys
from pathlib import Path

import pytest
from demo_footage import FOOTAGE, DemoRun, etle, violations

KILLS = 20
SEED = 20261125


def killed_after(seconds: float, data: Path, *options: str) -> bool:
    """False if the run ended before."""
    command = [sys.executable, "-m", "etle_cli.main", "run", str(FOOTAGE / "site.yaml"), "--data", str(data), *options]
    with (data.parent / "stderr.txt").open("w+") as stderr, subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr) as run:
        try:
            run.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            run.kill()
            return True
        stderr.seek(0)
        assert run.returncode == 0, stderr.read()
        return False


@pytest.mark.slow
def test_killed_at_twenty_random_times_the_cases_are_those_of_an_undisturbed_run(demo_run: DemoRun, tmp_path: Path):
    chance = random.Random(SEED)
    kills, options = 0, []
    while kills < KILLS:
        if killed_after(chance.uniform(1.0, 9.0), tmp_path / "data", *options):
            kills += 1
            options = []
        else:
            options = ["--from-start"]  # it ended before it was killed: process the whole footage again
    etle("run", FOOTAGE / "site.yaml", "--data", tmp_path / "data")
    assert violations(tmp_path / "data") == violations(demo_run.data)
    assert etle("evidence", "verify", "--data", tmp_path / "data").returncode == 0
