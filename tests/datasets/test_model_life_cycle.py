"""From decided cases to a vehicle detector in use: export, train, validate, catalogue, shadow, promote, each by its command."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from etle.config.site import DetectionSettings, ShadowSettings
from etle_cli.main import main
from pipeline.assembly import Engines, open_engines
from pipeline.shadow.engines import with_shadow
from pipeline.shadow.report import summarize

pytestmark = pytest.mark.torch


@pytest.fixture
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A models folder with the downloaded weights, to which the test adds its own."""
    from models.weights.locate import models_folder

    folder = tmp_path / "models"
    folder.mkdir()
    for file in models_folder().iterdir():
        (folder / file.name).symlink_to(file)
    monkeypatch.setenv("ETLE_MODELS", str(folder))
    yield folder


@pytest.mark.slow
def test_from_decided_cases_to_a_detector_in_use(models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], decided_cases) -> None:
    pytest.importorskip("ultralytics", reason="training needs the torch extra")
    data, checkpoint, onnx, report = (tmp_path / name for name in ("set", "own.pt", "own.onnx", "shadow.jsonl"))

    decided_cases.export_vehicles(data)
    assert main(["models", "train", "vehicles", str(data), "--out", str(checkpoint), "--epochs", "2", "--batch", "4", "--size", "96"]) == 0
    assert main(["models", "export", str(checkpoint), "--out", str(onnx)]) == 0
    capsys.readouterr()
    assert main(["models", "validate", str(onnx), str(data), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert set(figures["classes"]) == {"car"}
    assert 0 <= figures["map50_95"] <= figures["map50"] <= 1

    words = ["--name", "own-2026", "--purpose", "vehicles, two epochs on a test", "--licence", "AGPL-3.0"]
    assert main(["models", "add", str(onnx), *words, "--measured", f"mAP .5: {figures['map50']:.3f}"]) == 0

    current = open_engines(DetectionSettings())
    shadow = ShadowSettings(share=0.5, report=report, weights=Path("catalogue:own-2026"))
    shadowed = with_shadow(current, DetectionSettings(shadow=shadow))
    frames = [np.full((360, 640, 3), shade, np.uint8) for shade in (30, 60, 90, 120)]
    assert [shadowed.detector.detect([frame]) for frame in frames] == [current.detector.detect([frame]) for frame in frames]
    (summary,) = summarize(report)
    assert summary.compared == 2
    assert shadowed.digests == current.digests, "a violation's provenance names the models that decided"

    promoted = open_engines(DetectionSettings(weights=Path("catalogue:own-2026")))
    assert summary.shadow_digest == promoted.detector.digest
    assert _names(promoted) == _names(current)


def _names(engines: Engines) -> list[str]:
    return [reader.name for reader in engines.readers]


@pytest.mark.slow
def test_what_cannot_be_trained_or_measured_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("ultralytics", reason="training needs the torch extra")
    (tmp_path / "data.yaml").write_text("train: images/train\nval: images/val\nnames: [car]\n")
    (tmp_path / "broken.pt").write_bytes(b"not a checkpoint")

    assert main(["models", "train", "vehicles", str(tmp_path / "absent")]) == 1
    assert "etle dataset export" in capsys.readouterr().err
    assert main(["models", "train", "vehicles", str(tmp_path)]) == 1
    assert "--validation-share" in capsys.readouterr().err
    (tmp_path / "images" / "val").mkdir(parents=True)
    (tmp_path / "images" / "val" / "1.jpg").write_bytes(b"x")
    assert main(["models", "train", "vehicles", str(tmp_path), "--size", "100"]) == 1
    assert "multiple of 32" in capsys.readouterr().err
    assert main(["models", "export", str(tmp_path / "broken.pt")]) == 1
    assert "is not a checkpoint of ultralytics" in capsys.readouterr().err
    assert main(["models", "validate", str(tmp_path / "broken.pt"), str(tmp_path)]) == 1
    assert "cannot be measured" in capsys.readouterr().err
