"""The plate line detector, and the lines that it crops."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from etle.errors import WeightsError, WeightsMissing
from etle_cli.main import main
from models.plates.readers.lines import LineDetector, detect_lines, rectify, shipped_line_detector
from models.synthetic.plates import capture_plate, render_plate
from models.synthetic.plates.occlusion import occluded


def height_of(corners: Any) -> float:
    return float(np.linalg.norm(corners[3] - corners[0]) + np.linalg.norm(corners[2] - corners[1])) / 2


def test_a_tilted_line_is_rectified() -> None:
    flat = np.full((100, 320, 3), 40, np.uint8)
    cv2.putText(flat, "B 1234 XYZ", (24, 64), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (230, 230, 230), 6, cv2.LINE_AA)
    hung = np.array([[40, 30], [350, 70], [340, 170], [36, 128]], np.float32)
    square = np.array([[0, 0], [320, 0], [320, 100], [0, 100]], np.float32)
    picture = cv2.warpPerspective(flat, cv2.getPerspectiveTransform(square, hung), (400, 220))
    line = cv2.resize(rectify(picture, hung, (0.0, 0.0)), (320, 100))
    assert np.abs(line.astype(int) - flat).mean() < 6


@pytest.mark.slow
def test_corners_of_new_rendered_plates() -> None:
    rng = np.random.default_rng(71)
    off = []
    for _ in range(120):
        plate = capture_plate(render_plate(rng), rng)
        number, _ = shipped_line_detector().corners(plate.image)
        true = np.array(plate.main_corners)
        off.append(float(np.linalg.norm(number - true, axis=1).mean()) / height_of(true))
    assert np.median(off) < 0.08
    assert np.mean([each > 0.3 for each in off]) < 0.05  # the margin that is kept before and behind a line


@pytest.mark.slow
def test_a_visible_expiry_is_cropped() -> None:
    rng = np.random.default_rng(72)
    plates = [plate for plate in (capture_plate(render_plate(rng), rng) for _ in range(120)) if plate.expiry]
    cut = [detect_lines(plate.image).expiry for plate in plates]
    assert sum(line is not None for line in cut) > 0.9 * len(plates)


@pytest.mark.parametrize("shape", [(1, 1), (2, 300), (300, 2), (48, 128), (900, 2400)])
def test_any_image_gives_a_line(shape: tuple[int, int]) -> None:
    for picture in (np.zeros((*shape, 3), np.uint8), np.random.default_rng(1).integers(0, 255, (*shape, 3)).astype(np.uint8)):
        lines = detect_lines(picture)
        assert lines.main.size > 0
        assert lines.expiry is None or lines.expiry.size > 0


def test_other_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"none\.onnx"):
        LineDetector(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no network")
    with pytest.raises(WeightsError, match="plate line detector"):
        LineDetector(tmp_path / "bad.onnx")


@pytest.mark.torch
def test_a_training_writes_a_file_determined_by_the_seed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch", reason="training needs the torch extra")
    monkeypatch.setattr("models.training.lines._EPOCHS", 2)
    files = [tmp_path / f"{i}.onnx" for i in range(2)]
    for file in files:
        assert main(["models", "train", "plate-lines", "--samples", "400", "--threads", "1", "--out", str(file)]) == 0
    assert "of the number's height" in capsys.readouterr().out
    a, b = (LineDetector(file) for file in files)
    plate = np.full((60, 180, 3), 90, np.uint8)
    assert np.array_equal(a.corners(plate)[0], b.corners(plate)[0])
    start = ["--start", str(files[0]), "--interpolate", "0"]
    assert main(["models", "train", "plate-lines", "--samples", "200", "--threads", "1", *start, "--out", str(files[1])]) == 0
    assert np.allclose(LineDetector(files[1]).corners(plate)[0], a.corners(plate)[0], atol=0.2)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--samples", "5", "--samples is 5: give 200"),
        ("--threads", "0", "--threads is 0: give 1 to 64"),
        ("--interpolate", "2", "give 0 to 1"),
    ],
)
def test_invalid_options_are_rejected(option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "train", "plate-lines", option, value]) == 1
    assert message in capsys.readouterr().err


def test_occlusions_do_not_change_the_rendered_plate() -> None:
    rng = np.random.default_rng(73)
    plate = render_plate(rng).image
    before = plate.copy()
    changed = [float(np.abs(occluded(plate, rng).astype(int) - before).max()) > 0 for _ in range(200)]
    assert 30 < sum(changed) < 80
    assert np.array_equal(plate, before)
