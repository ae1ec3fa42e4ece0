"""Training of the plate detector: results, exported file and error messages."""

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from miniature_yolo import RED, blob_finder

from etle.errors import EtleError, WeightsError
from etle.geometry import iou
from etle_cli.main import main
from models.plates.detector import OnnxPlateDetector
from models.runtime import onnx_edit
from models.runtime.yolov8 import Yolo
from models.synthetic.scenes.compose import Composer
from models.synthetic.scenes.sprites import read_sprites
from models.synthetic.scenes.values import ScenePhoto
from models.training.detector_export import quantize_detector
from models.training.quantize import dequantize
from models.weights.locate import weight

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def start() -> Path:
    try:
        return weight("plates")
    except EtleError as error:
        pytest.skip(f"plates: {error}")


@pytest.fixture(scope="module")
def roads() -> "list[np.ndarray]":
    composer, rng = Composer(), np.random.default_rng(2)
    return [composer.compose(rng).image for _ in range(40)]


def test_two_batches_change_the_weights_and_the_file_opens_in_the_plate_detector(
    start: Path, roads: "list[np.ndarray]", tmp_path: Path, capsys
) -> None:
    pytest.importorskip("ultralytics", reason="training needs the torch extra")
    out = tmp_path / "made" / "finder.onnx"
    assert main(["models", "train", "plate-finder", "--out", str(out), "--pictures", "16", "--size", "192", "--interpolate", "1"]) == 0
    assert str(out) in capsys.readouterr().out
    assert out.stat().st_size < 4_000_000
    assert list(out.parent.iterdir()) == [out]
    OnnxPlateDetector(out).detect_crops(roads[:1])
    made, before = (dequantize(onnx_edit.read_graph(path)) for path in (out, start))
    a, b = tensors(made), tensors(before)
    assert a.keys() == b.keys()
    same = {name for name in a if np.allclose(a[name], b[name], atol=np.abs(b[name]).max() / 120)}
    assert {name for name in a if int(name.split(".")[1]) < 10} <= same, "the backbone stays as it was"
    assert any(not np.array_equal(a[name], b[name]) for name in a if ".bias" in name and name.startswith("model.22."))


def test_interpolation_0_exports_the_initial_weights(start: Path, roads: "list[np.ndarray]", tmp_path: Path) -> None:
    pytest.importorskip("ultralytics", reason="training needs the torch extra")
    out = tmp_path / "finder.onnx"
    assert main(["models", "train", "plate-finder", "--out", str(out), "--pictures", "8", "--size", "192", "--interpolate", "0"]) == 0
    assert_alike(start, out, roads)


@pytest.fixture(scope="module")
def small(start: Path) -> onnx.ModelProto:
    return quantize_detector(onnx_edit.read_graph(start))


def test_the_quantized_detector_detects_the_same(start: Path, small: onnx.ModelProto, roads: "list[np.ndarray]", tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(small.SerializeToString())
    assert path.stat().st_size < start.stat().st_size / 3
    assert_alike(start, path, roads)


def test_back_dequantize_it_is_what_it_was_but_for_the_rounding(start: Path, small: onnx.ModelProto) -> None:
    graph = onnx_edit.read_graph(start)
    again = dequantize(small)
    a, b = tensors(graph), tensors(again)
    assert a.keys() == b.keys()
    assert all(np.abs(a[name] - b[name]).max() <= np.abs(a[name]).max() / 120 for name in a)
    assert len(again.graph.node) == len(graph.graph.node)
    assert dequantize(graph) == graph


def test_unusable_initial_weights_are_named(tmp_path: Path, capsys) -> None:
    pytest.importorskip("ultralytics", reason="training needs the torch extra")
    assert main(["models", "train", "plate-finder", "--start", str(tmp_path / "none.onnx")]) == 1
    assert "etle models pull plates" in capsys.readouterr().err
    other = tmp_path / "other.onnx"
    other.write_bytes(blob_finder(names={0: "plate"}, colours=(RED,)).SerializeToString())
    assert main(["models", "train", "plate-finder", "--start", str(other), "--pictures", "8"]) == 1
    assert "YOLOv8n" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option, value, said",
    [
        ("--size", "400", "multiple of 32"),
        ("--interpolate", "1.5", "0 to 1"),
        ("--pictures", "0", "more than 0"),
        ("--minutes", "-1", "more than 0"),
    ],
)
def test_invalid_settings_are_named(option: str, value: str, said: str, capsys) -> None:
    assert main(["models", "train", "plate-finder", option, value]) == 1
    message = capsys.readouterr().err
    assert option in message
    assert said in message


def test_without_torch_the_error_says_what_to_install(tmp_path: Path) -> None:
    """In a separate process in which torch cannot be imported."""
    import subprocess

    program = "import sys; sys.modules['torch'] = None; from etle_cli.main import main; sys.exit(main(['models', 'train', 'plate-finder']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "etle[torch]" in done.stderr


def test_an_unreadable_file_of_initial_weights_is_rejected(tmp_path: Path) -> None:
    from models.training.detector_network import read_start

    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(WeightsError, match=r"broken\.onnx"):
        read_start(broken)


def test_the_shipped_weights_detect_more_synthetic_plates_than_the_initial_ones(start: Path) -> None:
    composer, rng = Composer(read_sprites()), np.random.default_rng(12)
    photos = [composer.compose(rng) for _ in range(40)]
    base, ours = (recall(Yolo(path, "finder"), photos) for path in (start, weight("plate-finder")))
    assert ours > base + 0.2


def recall(finder: Yolo, photos: "list[ScenePhoto]") -> float:
    """Recall at an intersection over union of 0.5."""
    hits = []
    for photo in photos:
        found = [one.box for one in finder.predict(photo.image, (416, 416), min_score=0.25)]
        hits += [any(iou(box, plate) >= 0.5 for box in found) for plate in photo.boxes()]
    return sum(hits) / len(hits)


def assert_alike(before: Path, after: Path, images: "list[np.ndarray]") -> None:
    """Nearly all confident boxes are in the same place; rounding may change those near the threshold."""
    first, second = Yolo(before, "before"), Yolo(after, "after")
    alike = []
    for image in images:
        others = second.predict(image, (416, 416), min_score=0.2)
        good = first.predict(image, (416, 416), min_score=0.5)
        alike += [any(iou(one.box, other.box) > 0.8 for other in others) for one in good]
    assert len(alike) > 20
    assert np.mean(alike) > 0.9


def tensors(graph) -> "dict[str, np.ndarray]":
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer if tensor.name.startswith("model.")}
