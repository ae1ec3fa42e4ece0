"""CPU time per frame of the detect stage of etle against typical scripts, on the same clips in the same run.

The scripts are those of most "YOLO + EasyOCR" tutorials: ultralytics detects vehicles, a plate model runs on every vehicle's crop (or, at
lower cost, on the whole frame), EasyOCR reads every plate, in every frame. They have no rules, evidence or state; the stage of etle
includes all of that. Both use the same weights; the scripts run vehicle and plate detection in torch. One thread each.

The stage processes every frame; a script, whose frames are independent, every `--every`-th one. Needs the `torch` extra. `ratio` is
against the script with crops: the other one costs less because it misses most plates, as the last column shows; `ratios` has both.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmark import report
from benchmark.footage import frames_of
from benchmark.torch_yolo import torch_yolo
from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, Site, load_site
from etle.types import Digest, Frame
from models.weights.locate import weight
from pipeline.assembly import build_stage, open_site_engines, shipped_law
from pipeline.capacity.stage_time import StageTime, warm_up
from pipeline.detect.state import StageState
from pipeline.frames.decode import decode

VEHICLES = [2, 3, 5, 7]
ON_CROPS, ON_FRAMES = "script, plates on crops", "script, plates on frames"
LETTERS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
Script = Callable[[Any], int]


def main() -> None:
    args = _arguments()
    scripts = _scripts()
    site = load_site(args.footage / "site.yaml")
    rows = [row for camera in site.cameras for row in _measure(site, camera, scripts, args.every)]
    report.show("CPU time per frame, one thread", rows)
    mean = {name: _mean(rows, name) for name in ("etle", *scripts)}
    ratios = {name: mean[name] / mean["etle"] for name in scripts}
    for name, ratio in ratios.items():
        print(f"{name}: {ratio:.1f} times the CPU time of etle's detect stage")
    report.save(args.json, {"ratio": ratios[ON_CROPS], "ratios": ratios, "cpu_ms_per_frame": mean, "cameras": rows})


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float:
    """Mean over the frames of all cameras."""
    selected = [row for row in rows if row["what"] == name]
    return float(sum(row["cpu_ms"] * row["of"] for row in selected) / sum(row["of"] for row in selected))


def _measure(site: Site, camera: CameraSettings, scripts: dict[str, Script], every: int) -> list[dict[str, Any]]:
    frames = frames_of(camera)
    rows = [_row(camera, "etle", len(frames), len(frames), _run_stage(site, camera, frames))]
    sample = [decode(frame) for frame in frames[::every]]
    for name, script in scripts.items():
        script(sample[0])  # the first call loads the models
        spent, read = StageTime(), 0
        for image in sample:
            with spent.measure():
                read += script(image)
        rows.append(_row(camera, name, len(frames), len(sample), (spent, read)))
    return rows


def _row(camera: CameraSettings, what: str, of: int, frames: int, spent_and_read: tuple[StageTime, int]) -> dict[str, Any]:
    spent, read = spent_and_read
    return {"camera": camera.id, "what": what, "of": of, "frames": frames, "cpu_ms": 1e3 * spent.cpu_s / frames, "plates read": read}


def _run_stage(site: Site, camera: CameraSettings, frames: Sequence[Frame]) -> tuple[StageTime, int]:
    engines = open_site_engines(site)
    warm_up(engines, frames[0])
    stage = build_stage(site, camera, engines, shipped_law(), StageState(fingerprint=Digest("0" * 64), run="benchmark"))
    spent, read = StageTime(), 0
    with spent.measure():
        for frame in frames:
            read += sum(len(message.violation.plate.sightings) for message in stage.process(frame))
        read += sum(len(message.violation.plate.sightings) for message in stage.finish())
    return spent, read


def _scripts() -> dict[str, Script]:
    """Functions that process a picture and return the number of plates read."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    import easyocr
    import torch

    torch.set_num_threads(1)
    vehicles, plates = torch_yolo(weight("vehicles")), torch_yolo(weight("plates"))
    reader = easyocr.Reader(
        ["en"], gpu=False, model_storage_directory=str(weight("easyocr-detection").parent), download_enabled=False, verbose=False
    )

    def read(image: Any, box: Sequence[int]) -> None:
        x1, y1, x2, y2 = box
        reader.readtext(image[y1:y2, x1:x2], allowlist=LETTERS)

    def on_crops(image: Any) -> int:
        count = 0
        for x1, y1, x2, y2 in _boxes(vehicles.predict(image, classes=VEHICLES, verbose=False)):
            crop = image[y1:y2, x1:x2]
            for box in _boxes(plates.predict(crop, verbose=False)) if crop.size else ():
                read(crop, box)
                count += 1
        return count

    def on_frames(image: Any) -> int:
        vehicles.predict(image, classes=VEHICLES, verbose=False)
        boxes = _boxes(plates.predict(image, verbose=False))
        for box in boxes:
            read(image, box)
        return len(boxes)

    return {ON_CROPS: on_crops, ON_FRAMES: on_frames}


def _boxes(results: Any) -> list[list[int]]:
    boxes: list[list[int]] = results[0].boxes.xyxy.int().clamp(min=0).tolist()
    return boxes


def _arguments() -> argparse.Namespace:
    parser = report.parser("peers", __doc__)
    default = configs_folder() / "demo"
    parser.add_argument("--footage", type=Path, metavar="DIR", default=default, help="a site.yaml with clips (default: bundled)")
    parser.add_argument("--every", type=int, default=15, metavar="N", help="the scripts process each N-th frame (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
