"""Measures the scales with which the vehicle detector computes in 8-bit integers, on the bundled footage, and writes them as JSON.

For each frame of a sample: the frame, and a part of it darkened, brightened, mirrored or with noise, so that the ranges also cover night
and vehicles close up. The first layer and the last of boxes and classes stay in floats: in integers they miss motorcycles. Scales differ in
their last digits between processors; the file in `models/data` is used on all of them. `--photos DIR` (a folder for `etle evaluate plates`)
compares both versions: labelled plates that lie in a detected vehicle.
"""

import argparse
import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np
import onnx
from onnx import numpy_helper

from benchmark import report
from benchmark.footage import frames_of
from etle.config.packaged import configs_folder
from etle.config.site import load_site
from etle.geometry import box_contains
from etle.types import Box
from models.runtime.onnx_edit import read_graph, with_input_shape
from models.runtime.yolov8 import letterbox
from models.training.quantize import calibrated
from models.vehicles import open_vehicle_detector
from models.weights.locate import digest_of_file, weight
from pipeline.capacity.stage_time import StageTime
from pipeline.frames.decode import decode

if TYPE_CHECKING:
    from etle.types import Image

INPUT: Final = 384, 640
EVERY: Final = 30
ROUNDED: Final = ("Conv", "Mul", "Sigmoid", "Add", "Concat", "MaxPool", "Resize", "Split")
FLOAT: Final = re.compile(r"/model\.0/|/model\.22/(?!cv[23]\.\d/cv[23]\.\d\.[01]/)")
"""Names of the nodes that stay in floats: the first layer, the last of boxes and classes, and the decoding."""
CLASS_BIASES: Final = tuple(f"model.22.cv3.{level}.2.bias" for level in range(3))
OFFSET: Final = 0.1
"""Added to the logits of the classes: as many vehicles of score 0.25 as in floats (542 and 540 on half of the photos in two folders)."""


def main() -> None:
    args = _arguments()
    if args.out:
        args.out.write_text(json.dumps(_document(), separators=(",", ":")) + "\n", encoding="utf-8")
    if args.photos:
        rows = [_compared(args.photos, engine, args.every) for engine in ("onnx-float", "onnx")]
        report.show("Vehicle detector in floats and in 8-bit integers", rows)
        report.save(args.json, {"ratio": rows[1]["cpu_ms"] / rows[0]["cpu_ms"], "engines": rows})


def _document() -> dict[str, Any]:
    path = weight("vehicles")
    model = with_input_shape(read_graph(path), *INPUT)
    names = [node.name for node in model.graph.node if FLOAT.match(node.name)]
    batches = (letterbox(image, INPUT)[0] for image in _images())
    rounded = calibrated(model, batches, operators=ROUNDED, excluded=names)
    return {"weights": digest_of_file(path), "scales": _scales(rounded), "offsets": dict.fromkeys(CLASS_BIASES, OFFSET)}


def _scales(rounded: onnx.ModelProto) -> dict[str, tuple[float, int]]:
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in rounded.graph.initializer}
    nodes = [node for node in rounded.graph.node if node.op_type == "QuantizeLinear"]
    return {node.input[0]: (float(values[node.input[1]]), int(values[node.input[2]])) for node in nodes}


def _images() -> "Iterator[Image]":
    random = np.random.default_rng(1)
    for camera in load_site(configs_folder() / "demo" / "site.yaml").cameras:
        for number, frame in enumerate(frames_of(camera)[5::EVERY]):
            yield decode(frame, halved=True)
            yield _changed(decode(frame), number % 4, random)


def _changed(image: "Image", kind: int, random: np.random.Generator) -> "Image":
    """A part of the image at full size: darkened, brightened, mirrored, or dark with noise."""
    height, width = image.shape[:2]
    share = random.uniform(0.3, 0.6)
    y, x = (int(random.integers(0, int(side * (1 - share)))) for side in (height, width))
    part = image[y : y + int(share * height), x : x + int(share * width)]
    noise = random.integers(0, 30, part.shape).astype(np.uint8)
    versions = (
        lambda: (part * 0.25).astype(np.uint8),
        lambda: cv2.convertScaleAbs(part, alpha=1.6, beta=30),
        lambda: np.ascontiguousarray(part[:, ::-1]),
        lambda: cv2.add((part * 0.35).astype(np.uint8), noise),
    )
    changed: Image = versions[kind]()
    return changed


def _compared(folder: Path, engine: str, every: int) -> dict[str, Any]:
    detector, spent = open_vehicle_detector(engine), StageTime()
    plates = _plates(folder)
    names = sorted(plates)[::every]
    detector.detect([np.zeros((*INPUT, 3), np.uint8)])  # opens the session
    certain = weak = boxes = 0
    for name in names:
        image = cv2.imread(str(folder / "plates_full" / Path(name).name))
        assert image is not None, name
        with spent.measure():
            found = detector.detect([image])[0]
        boxes += sum(each.score >= 0.25 for each in found)
        certain += sum(any(each.score >= 0.25 and box_contains(each.box, plate.centre) for each in found) for plate in plates[name])
        weak += sum(any(box_contains(each.box, plate.centre) for each in found) for plate in plates[name])
    return {
        "engine": engine,
        "photos": len(names),
        "plates": sum(len(plates[name]) for name in names),
        "in vehicles": certain,
        "at score 0.1": weak,
        "vehicles": boxes,
        "cpu_ms": 1e3 * spent.cpu_s / len(names),
    }


def _plates(folder: Path) -> dict[str, list[Box]]:
    plates: dict[str, list[Box]] = {}
    with (folder / "plates_full.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["x1"]:
                plates.setdefault(row["file"], []).append(Box(*(float(row[edge]) for edge in ("x1", "y1", "x2", "y2"))))
    return plates


def _arguments() -> argparse.Namespace:
    parser = report.parser("vehicle_scales", __doc__)
    parser.add_argument("--out", type=Path, metavar="FILE", help="measure the scales and write them")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="compare both versions on these photos")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each N-th photo")
    return parser.parse_args()


if __name__ == "__main__":
    main()
