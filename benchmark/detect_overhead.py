"""Overhead of the detect stage: its frame rate / the frame rate of the bare detector session.

The stage is that of `etle run`: decoding, motion gate, detector, tracker, signals, rules, plates, pictures and clip of each violation. The
bare session runs only the detector's graph, as ultralytics exports it, in floats on prepared inputs: the whole picture of every frame. It
is a fixed reference; the stage, which searches parts of the picture in 8-bit integers, may be faster (ratio over 1). Both alternate on
chunks of the same footage in one process on one thread, so that other load affects both. The ratio is of CPU time (`time.process_time`);
wall time is reported, too.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import report
from benchmark.footage import frames_of
from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, Site, load_site
from etle.types import Digest, Frame
from models.runtime.onnx_edit import read_graph, with_input_shape
from models.runtime.onnx_session import OnnxSession
from models.runtime.yolov8 import letterbox, shape_for
from models.vehicles.onnx_detector import INPUT_SIDE_PX
from models.weights.locate import weight
from pipeline.assembly import build_stage, open_site_engines, shipped_law
from pipeline.capacity.stage_time import StageTime, warm_up
from pipeline.detect.state import StageState
from pipeline.frames.decode import decode

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHUNK = 20


def main() -> None:
    args = _arguments()
    site = load_site(args.footage / "site.yaml")
    rows = [_measure(site, camera) for camera in site.cameras]
    frames, stage, bare = (sum(row[key] for row in rows) for key in ("frames", "stage_cpu_s", "bare_cpu_s"))
    ratio = bare / stage
    report.show("Detect stage against the bare detector session, one thread", rows)
    print(f"ratio of frame rates, CPU time: {ratio:.3f}")
    wall = sum(row["bare_wall_s"] for row in rows) / sum(row["stage_wall_s"] for row in rows)
    report.save(args.json, {"ratio": ratio, "ratio_wall": wall, "frames": frames, "cameras": rows})


def _measure(site: Site, camera: CameraSettings) -> dict[str, Any]:
    engines = open_site_engines(site)
    stage = build_stage(site, camera, engines, shipped_law(), StageState(fingerprint=Digest("0" * 64), run="benchmark"))
    frames = frames_of(camera)
    stage_time, bare_time, found = StageTime(), StageTime(), 0
    warm_up(engines, frames[0])
    bare = _open_bare(frames[0])
    bare.run(_prepared(frames[0]))
    for first in range(0, len(frames), CHUNK):
        chunk = frames[first : first + CHUNK]
        inputs = [_prepared(frame) for frame in chunk]
        with bare_time.measure():
            for prepared in inputs:
                bare.run(prepared)
        with stage_time.measure():
            found += sum(len(stage.process(frame)) for frame in chunk)
    with stage_time.measure():
        found += len(stage.finish())
    return {
        "camera": camera.id,
        "frames": len(frames),
        "gated": stage.counts.gated,
        "violations": found,
        "stage_cpu_s": stage_time.cpu_s,
        "bare_cpu_s": bare_time.cpu_s,
        "stage_wall_s": stage_time.wall_s,
        "bare_wall_s": bare_time.wall_s,
        "ratio": bare_time.cpu_s / stage_time.cpu_s,
    }


def _open_bare(frame: Frame) -> OnnxSession:
    """The graph of the weights with all of its decoding, for inputs as of this frame."""
    height, width = _prepared(frame).shape[2:]
    return OnnxSession(with_input_shape(read_graph(weight("vehicles")), height, width).SerializeToString(), "bare detector")


def _prepared(frame: Frame) -> "NDArray[np.float32]":
    image = decode(frame, halved=True)
    return letterbox(image, shape_for(image, INPUT_SIDE_PX))[0]


def _arguments() -> argparse.Namespace:
    parser = report.parser("detect_overhead", __doc__)
    default = configs_folder() / "demo"
    parser.add_argument("--footage", type=Path, metavar="DIR", default=default, help="a site.yaml with clips (default: bundled)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
