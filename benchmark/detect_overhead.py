"""What everything around the detector costs: frames a second of the whole detect stage over those of the bare detector session.

The stage is the one that `etle run` runs: decoding, gate, detector, tracker, signals, rules, plates, pictures and film of every violation.
The bare session is the detector's network alone, its input ready made, on every frame. Both take turns in chunks of the same footage in
one process on one thread, so that what disturbs the machine disturbs both. CPU time counts (`time.process_time`), wall time stands beside.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark import report
from etle.clock import SystemClock
from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, Site, load_site
from etle.types import Digest, Frame
from ingest.frame_loss import FrameLossCounter
from ingest.sources.open import open_source
from models.vehicles.onnx_detector import OnnxVehicleDetector
from pipeline.assembly import Engines, build_stage, open_engines, shipped_law
from pipeline.detect.state import StageState
from pipeline.frames.decode import decode

CHUNK = 20


@dataclass(slots=True)
class StageTime:
    cpu_s: float = 0.0
    wall_s: float = 0.0

    @contextmanager
    def counting(self) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.cpu_s += time.process_time() - cpu
        self.wall_s += time.perf_counter() - wall


def main() -> None:
    args = _arguments()
    site = load_site(args.footage / "site.yaml")
    rows = [_measured(site, camera) for camera in site.cameras]
    frames, stage, bare = (sum(row[key] for row in rows) for key in ("frames", "stage_cpu_s", "bare_cpu_s"))
    ratio = bare / stage
    report.show("Detect stage against the bare detector session, one thread", rows)
    print(f"ratio of frames a second, CPU time: {ratio:.3f}")
    wall = sum(row["bare_wall_s"] for row in rows) / sum(row["stage_wall_s"] for row in rows)
    report.save(args.json, {"ratio": ratio, "ratio_wall": wall, "frames": frames, "cameras": rows})


def _measured(site: Site, camera: CameraSettings) -> dict[str, Any]:
    engines = open_engines(site.detect)
    detector = engines.detector
    if not isinstance(detector, OnnxVehicleDetector):
        raise SystemExit("the bare session is that of the onnx engine: leave `engine` as it is")
    stage = build_stage(site, camera, engines, shipped_law(), StageState(made_by=Digest("0" * 64), run="benchmark"))
    frames = frames_of(camera)
    of_stage, of_bare, found = StageTime(), StageTime(), 0
    warm(engines, frames[0])
    for first in range(0, len(frames), CHUNK):
        chunk = frames[first : first + CHUNK]
        runs = [detector.inference_only(decode(frame, halved=True)) for frame in chunk]
        with of_bare.counting():
            for run in runs:
                run()
        with of_stage.counting():
            found += sum(len(stage.process(frame)) for frame in chunk)
    with of_stage.counting():
        found += len(stage.finish())
    return {
        "camera": camera.id,
        "frames": len(frames),
        "gated": stage.counts.gated,
        "violations": found,
        "stage_cpu_s": of_stage.cpu_s,
        "bare_cpu_s": of_bare.cpu_s,
        "stage_wall_s": of_stage.wall_s,
        "bare_wall_s": of_bare.wall_s,
        "ratio": of_bare.cpu_s / of_stage.cpu_s,
    }


def frames_of(camera: CameraSettings) -> Sequence[Frame]:
    return list(open_source(camera.camera_id, camera.source, SystemClock(), FrameLossCounter()).frames())


def warm(engines: Engines, frame: Frame) -> None:
    """Sessions open on first use; that is paid once a day and not a frame's cost."""
    whole, half = decode(frame), decode(frame, halved=True)
    engines.detector.detect([half])
    engines.plate_detector.detect_crops([whole[:300, :300], whole])
    for reader in engines.readers:
        reader.read([whole[:40, :120]])


def _arguments() -> argparse.Namespace:
    parser = report.parser("detect_overhead", __doc__)
    default = configs_folder() / "demo"
    parser.add_argument("--footage", type=Path, metavar="DIR", default=default, help="a site.yaml with clips (default: the bundled)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
