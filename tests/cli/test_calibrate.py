"""`etle calibrate versions` and `restore`, and what `etle check` says of a reference that is not there."""

from pathlib import Path

import pytest

from etle.clock import SystemClock
from etle.config.packaged import configs_folder
from etle.config.site import load_site
from etle.config.site_text import change_camera
from etle.config.site_versions import SiteFile
from etle_cli.check.result import CheckState
from etle_cli.check.site import check_rules
from etle_cli.main import main

DEMO = (configs_folder() / "demo" / "site.yaml").read_text()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "site.yaml"
    path.write_text(DEMO)
    return path


def test_a_version_is_listed_compared_and_restored(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = SiteFile(path, SystemClock())
    file.save(lambda text: change_camera(text, "demo-masuk", {"lanes": []}), "budi", file.read().digest)
    assert main(["calibrate", "versions", str(path)]) == 0
    assert "budi" in capsys.readouterr().out
    assert main(["calibrate", "versions", str(path), "--diff", "1"]) == 0
    assert "+      - {id: kiri" in capsys.readouterr().out
    assert main(["calibrate", "restore", str(path), "1"]) == 0
    assert path.read_text() == DEMO
    assert len(file.versions()) == 3
    assert main(["calibrate", "restore", str(path), "77"]) == 1
    assert "not kept" in capsys.readouterr().err


def test_a_reference_that_was_not_copied_is_a_problem(path: Path) -> None:
    path.write_text(change_camera(DEMO, "demo-masuk", {"reference": "site.yaml.views/x.jpg"}))
    problems = [each for each in check_rules(load_site(path)) if each.state is CheckState.PROBLEM]
    assert [each.subject for each in problems] == ["reference of demo-masuk"]
