"""How many cameras of 1080p at 10 frames per second one core can process in the detect stage, by CPU time on one thread.

- idle: the first frame of the footage again and again, with the picture noise that the encoder left; nothing moves
- normal: the whole footage, evidence of its violations included
- peak: its busiest stretch of `--window` seconds

`whole_frames` is the share of the picture area that was searched for vehicles, relative to all of every frame. The bundled footage has
one violation in ten seconds and vehicles close up, which is more than a usual road: `normal` is a lower limit there.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from benchmark import report
from benchmark.footage import frames_of
from etle.config.packaged import configs_folder
from etle.config.site import CameraSettings, Site, load_site
from etle.types import Digest, Frame
from pipeline.assembly import build_stage, open_site_engines, shipped_law
from pipeline.capacity.stage_time import StageTime, warm_up
from pipeline.detect.state import StageState

FPS: Final = 10.0


def main() -> None:
    args = _arguments()
    site = load_site(args.footage / "site.yaml")
    rows = [row for camera in site.cameras for row in _measure(site, camera, args.window)]
    limits = {load: 1 / (FPS * _mean_s(rows, load)) for load in ("idle", "normal", "peak")}
    report.show(f"CPU time per frame; cameras per core at {FPS:g} frames per second", rows)
    for load, cameras in limits.items():
        print(f"{load}: {cameras:.1f} cameras per core")
    report.save(args.json, {"ratio": limits["normal"], "cameras_per_core": limits, "cameras": rows})


def _mean_s(rows: Sequence[dict[str, Any]], load: str) -> float:
    """CPU time per frame, over all cameras."""
    chosen = [row for row in rows if row["load"] == load]
    return float(sum(row["cpu_ms"] * row["frames"] for row in chosen) / sum(row["frames"] for row in chosen) / 1e3)


def _measure(site: Site, camera: CameraSettings, window_s: float) -> list[dict[str, Any]]:
    frames = frames_of(camera)
    still = [_later(frames[0], number) for number in range(len(frames))]
    idle, whole_idle = _spent(site, camera, still)
    busy, whole_busy = _spent(site, camera, frames)
    width = min(len(busy), round(window_s * FPS))
    peak = max(sum(busy[first : first + width]) for first in range(len(busy) - width + 1)) / width
    return [
        _row(camera, "idle", len(idle), sum(idle) / len(idle), whole_idle),
        _row(camera, "normal", len(busy), sum(busy) / len(busy), whole_busy),
        _row(camera, "peak", width, peak, None),
    ]


def _row(camera: CameraSettings, load: str, frames: int, cpu_s: float, whole: float | None) -> dict[str, Any]:
    row = {"camera": camera.id, "load": load, "frames": frames, "cpu_ms": 1e3 * cpu_s, "cameras per core": 1 / (FPS * cpu_s)}
    return row if whole is None else {**row, "whole_frames": whole}


def _spent(site: Site, camera: CameraSettings, frames: Sequence[Frame]) -> tuple[list[float], float]:
    """CPU time of each frame, and the searched area per frame."""
    engines = open_site_engines(site)
    warm_up(engines, frames[0])
    stage = build_stage(site, camera, engines, shipped_law(), StageState(fingerprint=Digest("0" * 64), run="benchmark"))
    times = []
    for frame in frames:
        spent = StageTime()
        with spent.measure():
            stage.process(frame)
        times.append(spent.cpu_s)
    return times, stage.counts.detected_area / len(frames)


def _later(frame: Frame, number: int) -> Frame:
    moment = frame.captured_at + timedelta(seconds=number / FPS)
    return replace(frame, sequence=frame.sequence + number, captured_at=moment, received_at=moment)


def _arguments() -> argparse.Namespace:
    parser = report.parser("cameras_per_core", __doc__)
    default = configs_folder() / "demo"
    parser.add_argument("--footage", type=Path, metavar="DIR", default=default, help="a site.yaml with clips (default: bundled)")
    parser.add_argument("--window", type=float, metavar="S", default=5.0, help="seconds of the busiest stretch (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
