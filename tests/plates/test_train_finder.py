"""Training of the plate finder: that it runs, what it writes, and what it says where it cannot run."""

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
from models.synthetic.scenes.sprites import read_portraits
from models.synthetic.scenes.values import ScenePhoto
from models.training.finder_export import finder_in_8_bits
from models.training.quantize import in_floats
from models.weights.locate import weight


@pytest.fixture(scope="module")
def start() -> Path:
    try:
        return weight("plates")
    except EtleError as error:
        pytest.skip(f"plates: {error}")


@pytest.fixture(scope="module")
def roads() -> "list[np.ndarray]":
    composer, rng = Composer(), np.random.default_rng(2)
    return [composer.picture(rng).image for _ in range(40)]


def test_two_batches_change_the_weights_and_the_file_is_a_plate_finder(
    start: Path, roads: "list[np.ndarray]", tmp_path: Path, capsys
) -> None:
    pytest.importorskip("ultralytics", reason="training needs the torch extra")
    out = tmp_path / "made" / "finder.onnx"
    assert main(["models", "train", "plate-finder", "--out", str(out), "--pictures", "16", "--size", "192", "--share", "1"]) == 0
    assert str(out) in capsys.readouterr().out
    assert out.stat().st_size < 4_000_000
    assert list(out.parent.iterdir()) == [out]
    OnnxPlateDetector(out).detect_crops(roads[:1])
    made, before = (in_floats(onnx_edit.read_graph(path)) for path in (out, start))
    a, b = tensors(made), tensors(before)
    assert a.keys() == b.keys()
    same = {name for name in a if np.allclose(a[name], b[name], atol=np.abs(b[name]).max() / 120)}
    assert {name for name in a if int(name.split(".")[1]) < 10} <= same, "the backbone stays as it was"
    assert any(not np.array_equal(a[name], b[name]) for name in a if ".bias" in name and name.startswith("model.22."))


def test_share_0_is_the_start(start: Path, roads: "list[np.ndarray]", tmp_path: Path) -> None:
    pytest.importorskip("ultralytics", reason="training needs the torch extra")
    out = tmp_path / "finder.onnx"
    assert main(["models", "train", "plate-finder", "--out", str(out), "--pictures", "8", "--size", "192", "--share", "0"]) == 0
    assert_alike(start, out, roads)


@pytest.fixture(scope="module")
def small(start: Path) -> onnx.ModelProto:
    return finder_in_8_bits(onnx_edit.read_graph(start))


def test_in_8_bits_it_finds_the_same(start: Path, small: onnx.ModelProto, roads: "list[np.ndarray]", tmp_path: Path) -> None:
    path = tmp_path / "small.onnx"
    path.write_bytes(small.SerializeToString())
    assert path.stat().st_size < start.stat().st_size / 3
    assert_alike(start, path, roads)


def test_back_in_floats_it_is_what_it_was_but_for_the_rounding(start: Path, small: onnx.ModelProto) -> None:
    graph = onnx_edit.read_graph(start)
    again = in_floats(small)
    a, b = tensors(graph), tensors(again)
    assert a.keys() == b.keys()
    assert all(np.abs(a[name] - b[name]).max() <= np.abs(a[name]).max() / 120 for name in a)
    assert len(again.graph.node) == len(graph.graph.node)
    assert in_floats(graph) == graph


def test_what_cannot_be_started_from_is_named(tmp_path: Path, capsys) -> None:
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
        ("--share", "1.5", "0 to 1"),
        ("--pictures", "0", "more than 0"),
        ("--minutes", "-1", "more than 0"),
    ],
)
def test_settings_that_make_no_sense_are_named(option: str, value: str, said: str, capsys) -> None:
    assert main(["models", "train", "plate-finder", option, value]) == 1
    message = capsys.readouterr().err
    assert option in message
    assert said in message


def test_without_torch_it_says_what_to_install(tmp_path: Path) -> None:
    """In a process of its own, in which there is no torch."""
    import subprocess

    program = "import sys; sys.modules['torch'] = None; from etle_cli.main import main; sys.exit(main(['models', 'train', 'plate-finder']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 1
    assert "etle[torch]" in done.stderr


def test_an_unreadable_start_is_refused(tmp_path: Path) -> None:
    from models.training.finder_network import read_start

    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no graph")
    with pytest.raises(WeightsError, match=r"broken\.onnx"):
        read_start(broken)


def test_the_weights_that_ship_find_drawn_plates_better_than_their_start(start: Path) -> None:
    composer, rng = Composer(read_portraits()), np.random.default_rng(12)
    pictures = [composer.picture(rng) for _ in range(40)]
    base, ours = (recall(Yolo(path, "finder"), pictures) for path in (start, weight("plate-finder")))
    assert ours > base + 0.2


def recall(finder: Yolo, pictures: "list[ScenePhoto]") -> float:
    """At an intersection over union of a half."""
    hits = []
    for picture in pictures:
        found = [one.box for one in finder.predict(picture.image, (416, 416), min_score=0.25)]
        hits += [any(iou(box, plate) >= 0.5 for box in found) for plate in picture.boxes()]
    return sum(hits) / len(hits)


def assert_alike(before: Path, after: Path, images: "list[np.ndarray]") -> None:
    """Of the good boxes nearly all in about the same place, and good; a step more or less may decide over a doubtful one."""
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
