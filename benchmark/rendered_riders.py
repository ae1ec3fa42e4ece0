"""Measures the rules about riders on a rendered clip: motorcycles with one to three persons, with and without helmets.

`python -m benchmark.rendered_riders --seed N` renders a motorcycle every two seconds past a camera that sees them half from the side, often
with another one in the next lane, and runs detection, tracking, rules and the search for riders on the clip. The seed determines traffic
and riders. A violation counts as found if its rule reports a motorcycle at its moment at the line. Rendering takes about five minutes on
one core; a folder that exists is used again. There are three meshes of persons, and helmets are ellipsoids: simulated figures say how the
parts work together, not how well real riders are recognised.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmark import report
from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle.protocols import HeadReader, PersonDetector
from etle.types import Box, Frame, PersonBox, RiderHead, Violation
from ingest.sources.provider import SiteSources
from pipeline.assembly import open_site_engines
from pipeline.evaluation.clips import run
from pipeline.scene.calibration import calibrate
from simulator import meshes
from simulator.camera import PinholeCamera
from simulator.demand import PlannedVehicle
from simulator.layout import FPS, HALF_M, LANE_M, LINE_X, CameraPlan
from simulator.plates import draw_registration
from simulator.renderer import Renderer
from simulator.sensor import EncodedClip, Sensor, clock
from simulator.traffic import VehicleState

if TYPE_CHECKING:
    from etle.types import Image

RULES: Final = ("triple_riding", "no_helmet", "no_helmet_passenger")
PLAN: Final = CameraPlan(
    id="samping",
    name="Pengendara, dari samping belakang",
    view="rear",
    eye=(LINE_X - 8.0, 13.0, 3.2),
    at=(LINE_X - 1.0, 4.2, 1.0),
    hfov_deg=46.0,
    sun=(-0.52, 0.10, 0.85),
    seconds=0.0,
)
"""Half from the side: from straight behind, the last of the riders hides the others."""
_STARTS_AT: Final = "2026-11-23T10:00:00+07:00"
_BEGIN_X, _END_X = LINE_X - 14.0, LINE_X + 14.0
_LENGTH_M: Final = 1.9
_GAP_S: Final = 2.0
_PAIRED: Final = 0.4
"""Share of the motorcycles with another one in the next lane."""
_TOLERANCE_S: Final = 0.8
_SIZE: Final = (1920, 1080)


@dataclass(frozen=True, slots=True, kw_only=True)
class MotorcyclePass:
    """One motorcycle. `enters_s`: when its front is at `_BEGIN_X`."""

    vehicle: PlannedVehicle
    enters_s: float
    y: float
    speed_mps: float

    @property
    def at_line_s(self) -> float:
        """When its rear passes the stop line."""
        return self.enters_s + (LINE_X + _LENGTH_M - _BEGIN_X) / self.speed_mps

    def state(self, step: int) -> VehicleState | None:
        x = _BEGIN_X + (step / FPS - self.enters_s) * self.speed_mps
        return VehicleState(step, x, self.y, 90.0, self.speed_mps) if _BEGIN_X <= x <= _END_X else None

    @property
    def violations(self) -> tuple[str, ...]:
        rider, *passengers = self.vehicle.riders
        broken = {"triple_riding": len(passengers) > 1, "no_helmet": not rider, "no_helmet_passenger": not all(passengers)}
        return tuple(rule for rule in RULES if broken[rule])


def main() -> None:
    args = _arguments()
    folder = args.clips / f"riders-{args.seed}"
    passes = draw_passes(args.seed, args.motorcycles)
    if not (folder / "masuk.mp4").exists():
        _render(folder, passes, args.seed)
    (folder / "site.yaml").write_text(_site(PinholeCamera(PLAN, *_SIZE)), encoding="utf-8")
    site = load_site(folder / "site.yaml", dict(os.environ))
    engines = open_site_engines(site)
    assert engines.persons is not None and engines.heads is not None
    persons, heads = _TimedPersons(engines.persons), _TimedHeads(engines.heads)
    found = [message.violation for message in run(site, replace(engines, persons=persons, heads=heads), _frames)]
    places = [_place(each, site) for each in found]
    rows = [_scored(rule, passes, [at for each, at in zip(found, places, strict=True) if each.rule == rule]) for rule in RULES]
    report.show("Rendered riders", [{key: value for key, value in row.items() if key not in ("missed", "accused")} for row in rows])
    for row in rows:
        for line in (*row["missed"], *row["accused"]):
            print(f"{row['rule']}: {line}")
    cost = {"views": persons.views, "persons_cpu_ms": persons.per_view_ms, "heads_cpu_ms": heads.per_view_ms}
    report.show("Per view of a motorcycle", [cost])
    report.save(args.json, {"motorcycles": len(passes), "rules": rows, "per_view": cost})


class _TimedPersons:
    """A PersonDetector that measures the CPU time of another one."""

    def __init__(self, detector: PersonDetector) -> None:
        self.name, self.digest = detector.name, detector.digest
        self.views, self._detector, self._spent_s = 0, detector, 0.0

    @property
    def per_view_ms(self) -> float:
        return 1000 * self._spent_s / max(1, self.views)

    def detect_persons(self, images: "Sequence[Image]") -> Sequence[tuple[PersonBox, ...]]:
        begin = time.process_time()
        found = self._detector.detect_persons(images)
        self.views, self._spent_s = self.views + len(images), self._spent_s + time.process_time() - begin
        return found


class _TimedHeads:
    """The same of a HeadReader."""

    def __init__(self, reader: HeadReader) -> None:
        self.name, self.digest = reader.name, reader.digest
        self._views, self._reader, self._spent_s = 0, reader, 0.0

    @property
    def per_view_ms(self) -> float:
        return 1000 * self._spent_s / max(1, self._views)

    def find(self, image: "Image", area: Box, head_px: float) -> Sequence[RiderHead]:
        begin = time.process_time()
        found = self._reader.find(image, area, head_px)
        self._views, self._spent_s = self._views + 1, self._spent_s + time.process_time() - begin
        return found


def draw_passes(seed: int, motorcycles: int) -> tuple[MotorcyclePass, ...]:
    rng = random.Random(seed)
    return tuple(_passes(rng, motorcycles))


def _passes(rng: random.Random, motorcycles: int) -> Iterator[MotorcyclePass]:
    for number in range(motorcycles):
        enters_s = number * _GAP_S
        yield _pass(rng, f"m{number}", enters_s, rng.uniform(LANE_M + 0.7, HALF_M - 0.6))
        if rng.random() < _PAIRED:
            yield _pass(rng, f"m{number}b", max(0.0, enters_s + rng.uniform(-0.4, 0.4)), rng.uniform(0.7, LANE_M - 0.6))


def _pass(rng: random.Random, name: str, enters_s: float, y: float) -> MotorcyclePass:
    riders = tuple(rng.random() < 0.6 for _ in range(rng.choice([1, 2, 3])))
    vehicle = PlannedVehicle(id=name, kind="motorcycle", arm="W", registration=draw_registration(rng, "motorcycle"), riders=riders)
    return MotorcyclePass(vehicle=vehicle, enters_s=enters_s, y=y, speed_mps=rng.uniform(6.5, 8.0))


def _render(folder: Path, passes: Sequence[MotorcyclePass], seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    camera = PinholeCamera(PLAN, *_SIZE)
    renderer, sensor = Renderer(camera, meshes.cached_meshes()), Sensor(*_SIZE, seed, "ETLE SIMULASI PENGENDARA")
    clip = EncodedClip(folder / "part.mp4", *_SIZE, 27)
    for step in range(round((max(each.at_line_s for each in passes) + 3.0) * FPS)):
        present = [(each.vehicle, state) for each in passes if (state := each.state(step))]
        picture, _ = renderer.frame(present, {"W": "green", "E": "green"})
        assert picture is not None
        clip.add(sensor.expose(picture, clock(_STARTS_AT, step / FPS)))
    clip.close()
    (folder / "truth.json").write_text(json.dumps([_row(each) for each in passes], indent=1) + "\n", encoding="utf-8")
    (folder / "part.mp4").rename(folder / "masuk.mp4")


def _site(camera: PinholeCamera) -> str:
    """A site file in JSON, which is YAML."""

    def px(x: float, y: float) -> list[float]:
        return [round(float(edge), 1) for edge in camera.project(np.array([[x, y, 0.0]]))[0]]

    ground = [(LINE_X + x, y) for x in (-3.0, 0.0, 3.0) for y in (0.0, LANE_M, HALF_M)]
    return json.dumps(
        {
            "site": "riders",
            "timezone": "Asia/Jakarta",
            "cameras": [
                {
                    "id": PLAN.id,
                    "view": PLAN.view,
                    "source": {"file": "masuk.mp4", "starts_at": _STARTS_AT},
                    "frame_size": list(_SIZE),
                    "ground_points": [{"px": px(*at), "m": list(at)} for at in ground],
                    "lines": [{"id": "henti", "points": [px(LINE_X, HALF_M), px(LINE_X, 0.0)], "beyond": px(LINE_X + 2, LANE_M)}],
                    "rules": [{"rule": rule, "line": "henti"} for rule in RULES],
                }
            ],
        },
        indent=1,
    )


def _row(each: MotorcyclePass) -> dict[str, Any]:
    return {"vehicle": each.vehicle.id, "at_s": round(each.at_line_s, 2), "helmets": list(each.vehicle.riders)}


def _frames(site: Site) -> Iterable[Frame]:
    return SiteSources(site, SystemClock()).open(site.cameras[0]).frames()


@dataclass(frozen=True, slots=True)
class _Place:
    """When a reported motorcycle was at the line, in seconds of the clip, and its distance from the middle of the road in metres."""

    at_s: float
    y: float


def _place(violation: Violation, site: Site) -> _Place:
    nearest = min(violation.path, key=lambda sighting: abs((sighting.captured_at - violation.occurred_at).total_seconds()))
    ground = calibrate(site.cameras[0]).ground(nearest.box.foot)
    return _Place((violation.occurred_at - datetime.fromisoformat(_STARTS_AT)).total_seconds(), ground.y)


def _scored(rule: str, passes: Sequence[MotorcyclePass], found: Sequence[_Place]) -> dict[str, Any]:
    must, left = [each for each in passes if rule in each.violations], list(found)
    missed: list[str] = []
    for each in must:
        match = next((at for at in left if abs(at.at_s - each.at_line_s) <= _TOLERANCE_S and abs(at.y - each.y) <= LANE_M / 2), None)
        if match is None:
            missed.append(f"missed {each.vehicle.id} at {each.at_line_s:.1f} s, helmets {each.vehicle.riders}")
        else:
            left.remove(match)
    right = len(must) - len(missed)
    return {
        "rule": rule,
        "violations": len(must),
        "innocent": len(passes) - len(must),
        "found": right,
        "false": len(left),
        "recall": right / max(1, len(must)),
        "precision": right / max(1, len(found)),
        "missed": missed,
        "accused": [f"false at {at.at_s:.1f} s, {at.y:.1f} m" for at in left],
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.rendered_riders", description=__doc__)
    parser.add_argument("--seed", type=int, required=True, metavar="N", help="of traffic and riders")
    parser.add_argument("--motorcycles", type=int, default=12, metavar="N", help="without those in the next lane (default: %(default)s)")
    parser.add_argument("--clips", type=Path, default=Path("rendered"), metavar="DIR", help="a folder for each seed (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
