"""Renders the demo junction: `python -m simulator --seed N --out DIR`.

Writes masuk.mp4 and keluar.mp4, a site.yaml for them, truth.json, frames.json.gz with all boxes of all frames, and ATTRIBUTION for the
3D models. The same seed gives the same traffic and ground truth.
"""

import argparse
import gzip
import json
import re
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from simulator import meshes, truth
from simulator.camera import PinholeCamera
from simulator.layout import CAMERAS, FPS, STARTS_AT, signal_at
from simulator.renderer import Renderer
from simulator.sensor import EncodedClip, Sensor, clock
from simulator.site_file import site_file
from simulator.traffic import simulate
from simulator.views import ProjectedView, view_of
from simulator.windows import choose


def main() -> None:
    arguments = _arguments()
    width, height = (int(n) for n in arguments.size.split("x"))
    cameras = {plan.id: PinholeCamera(plan, width, height) for plan in CAMERAS}
    traffic = simulate(arguments.seed, arguments.run)
    views = {name: view_of(camera, traffic) for name, camera in cameras.items()}
    seconds = {plan.id: getattr(arguments, f"{plan.id}_seconds") or plan.seconds for plan in CAMERAS}
    windows = choose(traffic, views, seconds)
    starts_at = truth.starts(windows, STARTS_AT)
    for name, window in windows.items():
        print(f"{name}: from {window.start / FPS:.1f} s of the run, {window.notes}")
    folder = meshes.meshes_in(arguments.meshes) if arguments.meshes else meshes.cached_meshes()
    arguments.out.mkdir(parents=True, exist_ok=True)
    jobs = [truth.ClipTruth(cameras[name].plan, traffic, windows[name], (width, height), starts_at[name]) for name in cameras]
    paths = [None if arguments.truth_only else arguments.out / f"{name}.mp4" for name in cameras]
    with ProcessPoolExecutor(len(cameras)) as pool:  # one process per camera
        clips = list(pool.map(_render, (views[name] for name in cameras), jobs, repeat(folder), paths, repeat(arguments.crf)))
    document = truth.document(arguments.seed, clips)
    for violation in document["violations"]:
        print(violation)
    _save(arguments.out, document, {clip.plan.camera_id: clip.frames for clip in clips})
    (arguments.out / "site.yaml").write_text(site_file(cameras, starts_at), encoding="utf-8")
    (arguments.out / "ATTRIBUTION").write_text(meshes.ATTRIBUTION, encoding="utf-8")


def _render(view: ProjectedView, job: truth.ClipTruth, folder: Path, path: Path | None, crf: int) -> truth.ClipTruth:
    """Renders one clip to `path` and returns its ground truth with all frames. `path` None: no video."""
    camera, traffic, window, started = view.camera, job.traffic, job.window, time.monotonic()
    renderer = Renderer(camera, folder)
    sensor = Sensor(camera.width, camera.height, traffic.seed, f"ETLE SIMULASI {camera.plan.id.upper()}")
    clip = EncodedClip(path, camera.width, camera.height, crf) if path else None
    by_step = traffic.by_step()
    for step in range(window.start, window.start + window.steps):
        lamp = signal_at(step / FPS)
        near = [(v, s) for v, s in by_step.get(step, []) if abs(s.x - camera.eye[0]) < 80 and abs(s.y) < 60]
        picture, rendered = renderer.frame(near, {"W": lamp, "E": lamp}, picture=clip is not None)
        job.add({v.id: s for v, s in near}, rendered)
        if clip and picture is not None:
            clip.add(sensor.expose(picture, clock(job.starts_at, (step - window.start) / FPS)))
    if clip:
        clip.close()
    print(f"{camera.plan.id}: {window.steps} frames in {time.monotonic() - started:.0f} s")
    return job


def _save(folder: Path, document: truth.Plain, frames: truth.Plain) -> None:
    (folder / "truth.json").write_text(_readable(document) + "\n", encoding="utf-8")
    packed = json.dumps(frames, separators=(",", ":")).encode()
    (folder / "frames.json.gz").write_bytes(gzip.compress(packed, mtime=0))


def _readable(document: truth.Plain) -> str:
    """Indented JSON with each violation and each vehicle on one line."""
    text = json.dumps(document, ensure_ascii=False, indent=1)
    return re.sub(r"\{[^{}\[\]]+\}|\[[^{}\[\]]*\]", lambda match: re.sub(r"\s*\n\s*", " ", match.group()), text)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, help="seed of the traffic")
    parser.add_argument("--out", type=Path, required=True, help="folder for the clips, their ground truth and site.yaml")
    for plan in CAMERAS:
        parser.add_argument(f"--{plan.id}-seconds", type=float, metavar="S", help=f"length of {plan.id}.mp4 (default: {plan.seconds:g})")
    parser.add_argument("--size", default="1920x1080", help="frame size (default: %(default)s)")
    parser.add_argument(
        "--run", type=float, default=600.0, help="seconds of simulated traffic from which the clips are selected (default: %(default)s)"
    )
    parser.add_argument("--crf", type=int, default=27, help="H.264 rate factor; smaller is better and larger (default: %(default)s)")
    parser.add_argument("--meshes", type=Path, help="folder with the 3D models (default: downloaded once into the cache)")
    parser.add_argument("--truth-only", action="store_true", help="no video, only the ground truth and site.yaml, in a tenth of the time")
    return parser.parse_args()


if __name__ == "__main__":
    main()
