"""The site as a run sees it: what a file of rules or models gives replaces what the site file has, and nothing else."""

import json
from pathlib import Path

import pytest
import yaml

from etle.config.packaged import configs_folder
from etle.config.site import Site, load_site
from etle.errors import ConfigError
from etle.runs.plan import FootageKind, Part, ReprocessPlan
from pipeline.reprocess.assembly import RunRequest, plan_run
from pipeline.reprocess.variants import read_variant, with_variant

LIVE = {"id": "cam-1", "view": "rear", "frame_size": [64, 48]}


@pytest.fixture
def site() -> Site:
    return load_site(configs_folder() / "demo" / "site.yaml")


def written(folder: Path, document: object) -> Path:
    file = folder / "variant.yaml"
    file.write_text(yaml.safe_dump(document))
    return file


def with_rules(site: Site, file: Path) -> Site:
    return with_variant(site, read_variant(site, file, None), str(file))


def with_models(site: Site, file: Path) -> Site:
    return with_variant(site, read_variant(site, None, file), str(file))


def test_rules_of_one_camera_are_replaced_and_the_rest_stays(site: Site, tmp_path: Path):
    rule = {"rule": "red_light", "line": "henti", "entry": "simpang", "signal": "barat", "grace_s": 2.0}
    changed = with_rules(site, written(tmp_path, {"cameras": [{"id": "demo-masuk", "rules": [rule]}]}))
    masuk, keluar = changed.cameras
    assert [(entry.rule, entry.settings["grace_s"]) for entry in masuk.rules] == [("red_light", 2.0)]
    assert masuk.lines == site.cameras[0].lines and masuk.source == site.cameras[0].source and keluar == site.cameras[1]
    assert changed.digest != site.digest


@pytest.mark.parametrize(
    "document, message",
    [
        ({"cameras": [{"id": "elsewhere", "rules": []}]}, "no camera 'elsewhere'"),
        ({"cameras": [{"id": "demo-masuk", "ruels": []}]}, "unknown key"),
        ({"cameras": []}, "cameras"),
    ],
)
def test_wrong_files_of_rules_are_refused(site: Site, tmp_path: Path, document, message):
    with pytest.raises(ConfigError, match=message):
        with_rules(site, written(tmp_path, document))


def test_models_that_are_given_replace_those_of_the_site(site: Site, tmp_path: Path):
    slow = site.model_copy(update={"detect": site.detect.model_copy(update={"plate_reads": 3})})
    changed = with_models(slow, written(tmp_path, {"readers": ["ppocr"], "finder_weights": "own.onnx"})).detect
    assert changed.readers == ("ppocr",) and changed.finder_weights == tmp_path / "own.onnx" and changed.plate_reads == 3
    with pytest.raises(ConfigError, match="unknown key"):
        with_models(site, written(tmp_path, {"raeders": ["ppocr"]}))


def test_a_run_from_kafka_needs_a_range_and_one_from_files_needs_files(site: Site):
    with pytest.raises(ConfigError, match="--from and --to"):
        plan_run(site, RunRequest(source=FootageKind.KAFKA, part=Part.ALL, since=None, until=None), None)
    live = Site.model_validate({"site": "tes", "cameras": [{**LIVE, "source": {"rtsp": "rtsp://camera"}}]})
    with pytest.raises(ConfigError, match="is live"):
        plan_run(live, RunRequest(source=FootageKind.FILES, part=Part.ALL, since=None, until=None), None)


def test_a_variant_is_the_same_after_it_was_stored_with_the_plan_of_its_run(site: Site, tmp_path: Path):
    """The workers of other hosts have the site file and the plan, not the files of the command line."""
    line = {**site.cameras[0].lines[0].model_dump(mode="json"), "points": [[0, 300], [640, 310]]}
    (tmp_path / "rules").mkdir()
    rules = written(tmp_path / "rules", {"cameras": [{"id": "demo-masuk", "lines": [line], "rules": []}]})
    models = written(tmp_path, {"readers": ["ppocr"], "finder_weights": "own.onnx", "threads": 2})
    variant = read_variant(site, rules, models)
    plan = ReprocessPlan(
        site=site.site, source=FootageKind.ARCHIVE, part=Part.ALL, since=None, until=None, cameras=(), variant=variant
    )  # fmt: skip
    stored = ReprocessPlan.of(json.loads(plan.to_json()))
    applied = with_variant(site, stored.variant, "run again")
    assert applied == with_variant(site, variant, "here") != site
    assert applied.detect.finder_weights == tmp_path / "own.onnx" and applied.cameras[0].rules == ()
    older = {key: value for key, value in json.loads(plan.to_json()).items() if key != "variant"}
    assert with_variant(site, ReprocessPlan.of(older).variant, "an older run") == site
