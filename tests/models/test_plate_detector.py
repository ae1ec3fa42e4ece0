"""Plate detection in crops and in whole frames."""

import csv
import os
from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
from miniature_yolo import RED, black, blob_finder, square

from etle.errors import EtleError, InferenceError, WeightsMissing
from etle.geometry import iou
from etle.types import Box, digest_of
from models.plates.detector import OnnxPlateDetector, open_plate_detector

SHARED = Path(os.environ.get("ETLE_SHARED", Path(__file__).parents[2].parent / "shared")) / "data"


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> OnnxPlateDetector:
    path = tmp_path_factory.mktemp("weights") / "plates.onnx"
    onnx.save(blob_finder(names={0: "plate"}, colours=(RED,)), path)
    return OnnxPlateDetector(path)


@pytest.mark.parametrize(
    "size, at, side",
    [
        pytest.param((416, 416), (104, 208), 52, id="a crop as large as the input"),
        pytest.param((120, 80), (30, 60), 14, id="a small crop"),
        pytest.param((700, 900), (405, 300), 110, id="a crop of a lorry"),
        pytest.param((1080, 1920), (960, 540), 48, id="a whole frame"),
        pytest.param((720, 1280), (640, 352), 32, id="a whole frame, smaller"),
    ],
)
def test_a_plate_is_detected_in_pixels_of_the_image(
    detector: OnnxPlateDetector, size: tuple[int, int], at: tuple[int, int], side: int
) -> None:
    detect = detector.detect_frames if max(size) > 1000 else detector.detect_crops
    (found,) = detect([square(black(*size), RED, *at, side)])
    assert [plate.score for plate in found] == sorted((plate.score for plate in found), reverse=True)
    centre = found[0].box.centre
    assert abs(centre.x - (at[0] + side / 2)) < side
    assert abs(centre.y - (at[1] + side / 2)) < side
    assert all(0 <= p.box.x1 < p.box.x2 <= size[1] and 0 <= p.box.y1 < p.box.y2 <= size[0] for p in found)


def test_one_result_per_image(detector: OnnxPlateDetector) -> None:
    plate = square(black(416, 416), RED, 104, 208, 52)
    answers = detector.detect_crops([black(416, 416), plate, black(1080, 1920)])
    assert [bool(answer) for answer in answers] == [False, True, False]
    assert answers[1] == detector.detect_crops([plate])[0]
    assert list(detector.detect_crops([])) == []


def test_plates_do_not_overlap(detector: OnnxPlateDetector) -> None:
    (found,) = detector.detect_crops([square(black(416, 416), RED, 64, 64, 128)])
    assert all(iou(a.box, b.box) <= 0.5 for i, a in enumerate(found) for b in found[:i])


def test_digest_and_errors(detector: OnnxPlateDetector, tmp_path: Path) -> None:
    path = tmp_path / "plates.onnx"
    onnx.save(blob_finder(names={0: "plate"}, colours=(RED,)), path)
    assert open_plate_detector(path).digest == detector.digest == digest_of(path.read_bytes())
    with pytest.raises(WeightsMissing):
        open_plate_detector(tmp_path / "none.onnx")
    with pytest.raises(InferenceError):
        detector.detect_crops([np.zeros((0, 5, 3), np.uint8)])


def labelled_boxes() -> dict[str, list[Box]]:
    """Boxes of the plates on each development photo."""
    if not (SHARED / "plates_full.csv").is_file():
        pytest.skip(f"no development pictures: {SHARED} is not there (set ETLE_SHARED)")
    boxes: dict[str, list[Box]] = defaultdict(list)
    with (SHARED / "plates_full.csv").open() as file:
        for row in csv.DictReader(file):
            if row["x1"]:
                boxes[row["file"]].append(Box(*(float(row[key]) for key in ("x1", "y1", "x2", "y2"))))
    return boxes


@pytest.mark.slow
def test_real_plates_are_detected_in_whole_photos() -> None:
    """Every fourth of 184 Indonesian photos, mostly at night, close-ups of motorcycles among them."""
    photos = dict(list(labelled_boxes().items())[::4])
    try:
        detector = open_plate_detector()
    except EtleError as error:
        pytest.skip(str(error))
    hits = 0
    for name, boxes in photos.items():
        (found,) = detector.detect_frames([cv2.imread(str(SHARED / name))])
        hits += sum(any(iou(plate.box, box) >= 0.5 for plate in found) for box in boxes)
    assert hits / sum(map(len, photos.values())) >= 0.9
