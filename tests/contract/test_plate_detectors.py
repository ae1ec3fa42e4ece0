"""What every plate detector does: the one in onnxruntime (with a miniature network that detects red squares), the metered one, the fake."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from miniature_yolo import RED, black, blob_finder, square

from etle.errors import InferenceError
from etle.protocols import PlateDetector
from etle.testing import ScriptedPlateDetector
from etle.types import Box, PlateBox
from models.plates.detector import OnnxPlateDetector
from pipeline.evaluation.costs import MeteredPlateDetector

if TYPE_CHECKING:
    from etle.types import Image

ANSWERS = [(), (PlateBox(box=Box(100, 200, 160, 260), score=0.9),), ()]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "plates.onnx"
    onnx.save(blob_finder(names={0: "plate"}, colours=(RED,)), path)
    return path


@pytest.fixture(params=["onnx", "metered", "scripted"])
def detector(request: pytest.FixtureRequest, weights: Path) -> PlateDetector:
    match request.param:
        case "onnx":
            return OnnxPlateDetector(weights)
        case "metered":
            return MeteredPlateDetector(OnnxPlateDetector(weights))
        case _:
            return ScriptedPlateDetector(ANSWERS)


@pytest.fixture(params=["detect_crops", "detect_frames"])
def method(request: pytest.FixtureRequest, detector: PlateDetector) -> "Callable[[list[Image]], list[tuple[PlateBox, ...]]]":
    return lambda images: list(getattr(detector, request.param)(images))


def images() -> "list[Image]":
    return [black(416, 416), square(black(416, 416), RED, 104, 208, 52), black(416, 416)]


def test_no_images_give_no_results(method: "Callable[[list[Image]], list[tuple[PlateBox, ...]]]") -> None:
    assert method([]) == []


@pytest.mark.slow
def test_one_result_per_image_in_their_order(method: "Callable[[list[Image]], list[tuple[PlateBox, ...]]]") -> None:
    results = method(images())
    assert [bool(result) for result in results] == [False, True, False]
    assert results[0] == ()


@pytest.mark.slow
def test_boxes_are_inside_the_image_highest_score_first(method: "Callable[[list[Image]], list[tuple[PlateBox, ...]]]") -> None:
    found = method(images())[1]
    assert [plate.score for plate in found] == sorted((plate.score for plate in found), reverse=True)
    assert all(0 <= plate.box.x1 < plate.box.x2 <= 416 and 0 <= plate.box.y1 < plate.box.y2 <= 416 for plate in found)
    assert all(0 < plate.score <= 1 for plate in found)
    assert abs(found[0].box.centre.x - 130) < 52 and abs(found[0].box.centre.y - 234) < 52


def test_name_and_digest(detector: PlateDetector) -> None:
    assert detector.name
    assert len(detector.digest) == 64


@pytest.mark.parametrize("shape", [(0, 5, 3), (64, 64), (64, 64, 1)])
def test_other_arrays_raise(weights: Path, shape: tuple[int, ...]) -> None:
    for detector in (OnnxPlateDetector(weights), MeteredPlateDetector(OnnxPlateDetector(weights))):
        for method in (detector.detect_crops, detector.detect_frames):
            with pytest.raises(InferenceError):
                method([np.zeros(shape, np.uint8)])
