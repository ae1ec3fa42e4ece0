"""Reprocessing on the command line, with the real models, of the cases and the footage of the demo."""

import json
from pathlib import Path

import pytest
from demo_footage import FOOTAGE, DemoRun, etle


@pytest.mark.slow
def test_plates_are_read_again_in_the_evidence_and_compared_with_the_cases(demo_run: DemoRun, tmp_path: Path):
    where = ("--data", demo_run.data)
    first = etle("reprocess", FOOTAGE / "site.yaml", "--run", "plates-again", "--only", "plates", "--nice", "0", *where)
    assert "5 violations; finished" in first.stdout
    compared = json.loads(etle("runs", "compare", "live", "plates-again", "--json", "--html", tmp_path / "page.html", *where).stdout)
    assert not compared["only_a"] and not compared["only_b"]
    assert [pair for pair in compared["changed"] if "plate" in pair["differences"]] == []
    assert "data:image" in (tmp_path / "page.html").read_text() or not compared["changed"]
    listed = [json.loads(line) for line in etle("runs", "list", "--json", *where).stdout.splitlines()]
    assert [(run["run"], run["part"], run["violations"]) for run in listed] == [("plates-again", "plates", 5)]
    shown = json.loads(etle("runs", "show", "plates-again", "--json", *where).stdout)
    assert len(shown["found"]) == 5 and shown["promoted"] is False
    assert etle("evidence", "verify", *where).returncode == 0
    dry = etle("reprocess", FOOTAGE / "site.yaml", "--dry-run", "--only", "plates", *where)
    assert "5 cases would be read again" in dry.stdout
    again = etle("reprocess", FOOTAGE / "site.yaml", "--run", "plates-again", "--only", "rules", "--source", "files", *where, check=False)
    assert again.returncode == 1 and "choose another name" in again.stderr
