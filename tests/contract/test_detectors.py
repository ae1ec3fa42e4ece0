"""What every vehicle detector does, and that both engines detect the same in the same image.

Most tests use a miniature network that detects coloured squares, so that the expected detections are known.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import onnx
import pytest
from miniature_yolo import BLUE, GREEN, RED, black, blob_finder, square
from onnx import numpy_helper

from etle.errors import ConfigError, EtleError, InferenceError, WeightsError, WeightsMissing
from etle.geometry import distance, iou
from etle.protocols import VehicleDetector
from etle.types import Box, Detection, Point, VehicleClass, digest_of
from models.runtime.onnx_edit import read_graph, with_input_shape
from models.vehicles import open_vehicle_detector
from models.weights.locate import weight

if TYPE_CHECKING:
    from etle.types import Image

CAR, MOTORCYCLE, BUS = VehicleClass.CAR, VehicleClass.MOTORCYCLE, VehicleClass.BUS
SHAPE = (384, 640)
NAMES = {0: "car", 1: "motorcycle", 2: "bus"}


@pytest.fixture(scope="module", params=["onnx", pytest.param("ultralytics", marks=pytest.mark.torch)])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "ultralytics":
        pytest.importorskip("ultralytics", reason="comes with the torch extra")
    return str(request.param)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "blobs.onnx"
    onnx.save(blob_finder(*SHAPE, names=NAMES), path)
    return path


@pytest.fixture(scope="module")
def detector(engine: str, weights: Path) -> VehicleDetector:
    return open_vehicle_detector(engine, weights)


def street() -> "Image":
    """A car and a motorcycle as the miniature network detects them."""
    return square(square(black(360, 640), RED, 64, 84, 64), GREEN, 320, 212, 32)


def kinds(detections: Sequence[Detection]) -> set[VehicleClass]:
    return {detection.vehicle for detection in detections if detection.score > 0.5}


def test_no_images_give_no_results(detector: VehicleDetector) -> None:
    assert list(detector.detect([])) == []


def test_one_result_per_image_in_their_order(detector: VehicleDetector) -> None:
    answers = detector.detect([black(360, 640), street(), square(black(360, 640), BLUE, 96, 116, 64), black(360, 640)])
    assert [kinds(answer) for answer in answers] == [set(), {CAR, MOTORCYCLE}, {BUS}, set()]
    assert answers[0] == ()


def test_a_result_does_not_depend_on_the_other_images(detector: VehicleDetector) -> None:
    alone = detector.detect([street()])[0]
    assert detector.detect([square(black(360, 640), BLUE, 0, 0, 320), street(), black(360, 640)])[1] == alone
    assert detector.detect([street()])[0] == alone


@pytest.mark.parametrize("size", [(360, 640), (1080, 1920), (480, 640), (640, 360), (90, 160)])
def test_boxes_are_in_pixels_of_the_image(detector: VehicleDetector, size: tuple[int, int]) -> None:
    height, width = size
    side = width // 10
    image = square(black(height, width), RED, width // 2, height // 2, side)
    (answer,) = detector.detect([image])
    sure = [detection for detection in answer if detection.score > 0.5]
    assert sure
    for detection in answer:
        assert 0 <= detection.box.x1 < detection.box.x2 <= width
        assert 0 <= detection.box.y1 < detection.box.y2 <= height
    assert abs(sure[0].box.centre.x - (width // 2 + side / 2)) <= side
    assert abs(sure[0].box.centre.y - (height // 2 + side / 2)) <= side


def test_a_part_is_searched_at_the_scale_of_the_whole_image(detector: VehicleDetector) -> None:
    (whole,) = detector.detect([street()])
    part = detector.detect_part(street(), Box(0, 0, 320, 180))
    expected = [detection for detection in whole if detection.score > 0.5 and detection.box.x2 < 300]
    found = [detection for detection in part if detection.score > 0.5 and detection.box.x2 < 300]
    assert kinds(found) == kinds(expected) == {CAR}
    assert distance(found[0].box.centre, expected[0].box.centre) < 8


def test_boxes_of_a_part_are_in_pixels_of_the_image(detector: VehicleDetector) -> None:
    found = [each for each in detector.detect_part(street(), Box(160, 96, 640, 352)) if each.vehicle is MOTORCYCLE and each.score > 0.5]
    assert distance(found[0].box.centre, Point(336, 228)) < 20


def test_scores_reach_down_to_a_tenth_highest_first(detector: VehicleDetector) -> None:
    image = street()
    square(image, (0, 0, 120), 448, 84, 64)
    scores = [detection.score for detection in detector.detect([image])[0]]
    assert scores == sorted(scores, reverse=True)
    assert 0.1 <= scores[-1] < 0.5 < scores[0] <= 1


def test_a_vehicle_is_detected_once(detector: VehicleDetector) -> None:
    """Cells of three sizes detect the large square."""
    answer = [detection for detection in detector.detect([square(black(360, 640), RED, 64, 84, 64)])[0] if detection.score > 0.5]
    assert all(iou(a.box, b.box) <= 0.7 for i, a in enumerate(answer) for b in answer[:i])


def test_name_and_digest(detector: VehicleDetector, weights: Path) -> None:
    assert detector.digest == digest_of(weights.read_bytes())
    assert detector.name


@pytest.mark.parametrize("shape", [(360, 640), (360, 640, 1), (0, 640, 3)])
def test_other_arrays_raise(detector: VehicleDetector, shape: tuple[int, ...]) -> None:
    with pytest.raises(InferenceError):
        detector.detect([np.zeros(shape, np.uint8)])


def test_missing_weights(engine: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsMissing):
        open_vehicle_detector(engine, tmp_path / "none.onnx")


@pytest.mark.parametrize("name", ["text.onnx", "text.pt"])
def test_other_files_are_rejected(engine: str, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"no weights at all")
    with pytest.raises(WeightsError):
        open_vehicle_detector(engine, tmp_path / name)


def test_weights_without_a_vehicle_class_are_rejected(engine: str, tmp_path: Path) -> None:
    onnx.save(blob_finder(64, 64, names={0: "cat", 1: "dog", 2: "mobil"}), tmp_path / "pets.onnx")
    with pytest.raises(WeightsError, match=r"none of car, motorcycle, bus, truck; it knows: cat, dog, mobil"):
        open_vehicle_detector(engine, tmp_path / "pets.onnx")


def test_an_unknown_engine_is_named() -> None:
    with pytest.raises(ConfigError, match=r"'tensorflow'. There are: onnx, onnx-float, ultralytics"):
        open_vehicle_detector("tensorflow")


# --- the two engines against each other, on the real weights --------------------------------------------------------------------------


@dataclass(frozen=True)
class Photo:
    image: "Image"
    shape: tuple[int, int]


def photos() -> list[Photo]:
    """The sample images of ultralytics: a bus in a street, people indoors; and the bus at a larger distance."""
    from ultralytics.utils import ASSETS

    bus = cv2.imread(str(ASSETS / "bus.jpg"))
    wide = np.full((720, 1280, 3), 90, np.uint8)
    wide[100:640, 300:705] = cv2.resize(bus, (405, 540), interpolation=cv2.INTER_AREA)
    return [Photo(bus, (640, 480)), Photo(cv2.imread(str(ASSETS / "zidane.jpg")), (384, 640)), Photo(wide, (384, 640))]


def real_weights() -> Path:
    if find_spec("ultralytics") is None:
        pytest.skip("ultralytics comes with the torch extra")
    try:
        return weight("vehicles")
    except EtleError as error:
        pytest.skip(str(error))


def as_export(path: Path, shape: tuple[int, int], folder: Path) -> Path:
    """The same network as an ONNX file with that input shape."""
    export = folder / f"{shape[0]}x{shape[1]}.onnx"
    export.write_bytes(with_input_shape(read_graph(path), *shape).SerializeToString())
    return export


def as_checkpoint(path: Path, shape: tuple[int, int], folder: Path) -> Path:
    """The same network as a .pt file of ultralytics, which accepts any shape."""
    import torch
    from ultralytics.nn.tasks import DetectionModel

    graph = read_graph(path)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    model = DetectionModel("yolov8n.yaml", nc=80, verbose=False).eval().fuse(verbose=False)
    model.load_state_dict({name: torch.from_numpy(tensors[name].copy()) for name in model.state_dict()})
    model.names = {kind: f"class {kind}" for kind in range(80)} | {2: "car", 3: "motorcycle", 5: "bus", 7: "truck"}
    model.args = {"imgsz": 640, "task": "detect"}
    checkpoint = folder / "vehicles.pt"
    torch.save({"model": model, "train_args": {"imgsz": 640, "task": "detect"}, "version": "8.4.0"}, checkpoint)
    return checkpoint


@pytest.mark.torch
@pytest.mark.parametrize("made", [as_export, as_checkpoint], ids=["as an export", "as a checkpoint"])
def test_both_engines_detect_the_same(made: Callable[[Path, tuple[int, int], Path], Path], tmp_path: Path) -> None:
    path = real_weights()
    ours = open_vehicle_detector("onnx-float", path)
    seen = 0
    for photo in photos():
        theirs = open_vehicle_detector("ultralytics", made(path, photo.shape, tmp_path))
        expected, found = theirs.detect([photo.image])[0], ours.detect([photo.image])[0]
        assert len(expected) == len(found)
        for one, other in zip(expected, found, strict=True):
            assert one.vehicle is other.vehicle
            assert iou(one.box, other.box) > 0.95
            assert abs(one.score - other.score) < 0.01
        seen += len(found)
    assert seen >= 2
