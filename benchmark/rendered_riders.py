"""Measures the rules about riders on rendered clips: motorcycles with one to three persons, with and without helmets.

`python -m benchmark.rendered_riders --seeds N...` renders a clip for each seed, in which a motorcycle every two seconds, often with
another one in the next lane, passes a camera that sees them half from the side, and runs detection, tracking, rules and the search for
riders on it. The seed determines traffic and riders. A violation counts as found if its rule reports a motorcycle at its moment at the
line; for the others the reason of the rule is counted. Rendering takes about five minutes on one core for each seed; a folder that exists
is used again. There are three meshes of persons, who are also in the training pictures of the head network: simulated figures say how the
parts work together, not how well real riders are recognised.
"""

import argparse
import json
import os
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmark import report
from etle.clock import SystemClock
from etle.config.site import Site, load_site
from etle.protocols import HeadReader, PersonDetector
from etle.types import Box, PersonBox, RiderHead, Sighting
from ingest.sources.provider import SiteSources
from pipeline.assembly import Engines, open_site_engines, shipped_law
from pipeline.explain.record import ExplainedVehicle, Period, explain_camera
from pipeline.scene.calibration import Calibration, calibrate
from pipeline.scene.judgement import Reason
from pipeline.workers.stages import SiteStageFactory
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RiderOutcome:
    """What the stage decided on one violation of the ground truth."""

    seed: int
    rule: str
    vehicle: str
    at_s: float
    helmets: tuple[bool, ...]
    reason: str
    """Of the rule; `not_tracked` if no track is at the line at that moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOutcomes:
    outcomes: tuple[RiderOutcome, ...]
    innocent: Mapping[str, int]
    """Motorcycles that do not break the rule."""
    accused: tuple[tuple[str, str], ...]
    """Rule, and time and place, of each report that is no violation."""


def main() -> None:
    args = _arguments()
    persons: _TimedPersons | None = None
    heads: _TimedHeads | None = None
    engines: Engines | None = None
    clips = []
    for seed in args.seeds:
        passes = draw_passes(seed, args.motorcycles)
        site = _rendered(args.clips / f"riders-{seed}", passes, seed)
        if engines is None or persons is None or heads is None:
            engines = open_site_engines(site)
            assert engines.persons is not None and engines.heads is not None
            persons, heads = _TimedPersons(engines.persons), _TimedHeads(engines.heads)
            engines = replace(engines, persons=persons, heads=heads)
        clips.append(_judged(site, engines, passes, seed))
    assert persons is not None and heads is not None
    rows = [_row_of(rule, clips) for rule in RULES]
    rows.append(_together(rows))
    report.show("Rendered riders", rows)
    losses = [_losses(rule, clips) for rule in RULES]
    report.show("Violations by the reason of the rule", _as_table(losses))
    for clip in clips:
        for line in (*map(_told, clip.outcomes), *(f"{rule}: {where}" for rule, where in clip.accused)):
            print(line)
    cost = {"views": persons.views, "persons_cpu_ms": persons.per_view_ms, "heads_cpu_ms": heads.per_view_ms}
    report.show("Per view of a motorcycle", [cost])
    report.save(args.json, {"seeds": args.seeds, "rules": rows, "reasons": losses, "per_view": cost})


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


def _rendered(folder: Path, passes: Sequence[MotorcyclePass], seed: int) -> Site:
    if not (folder / "masuk.mp4").exists():
        _render(folder, passes, seed)
    (folder / "site.yaml").write_text(_site(PinholeCamera(PLAN, *_SIZE)), encoding="utf-8")
    return load_site(folder / "site.yaml", dict(os.environ))


@cache
def _renderer() -> Renderer:
    return Renderer(PinholeCamera(PLAN, *_SIZE), meshes.cached_meshes())


def _render(folder: Path, passes: Sequence[MotorcyclePass], seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    renderer, sensor = _renderer(), Sensor(*_SIZE, seed, "ETLE SIMULASI PENGENDARA")
    clip = EncodedClip(folder / "part.mp4", *_SIZE, 25, preset="veryfast")
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


def _judged(site: Site, engines: Engines, passes: Sequence[MotorcyclePass], seed: int) -> ClipOutcomes:
    (camera,) = site.cameras
    stages = SiteStageFactory(site, engines, shipped_law())
    source = SiteSources(site, SystemClock()).open(camera)
    vehicles = explain_camera(camera, site.evidence, stages, source, SystemClock(), Period()).vehicles
    calibration = calibrate(camera)
    reported = [(each.rule, _place(each.path, each.occurred_at, calibration)) for vehicle in vehicles for each in vehicle.violations]
    outcomes: list[RiderOutcome] = []
    for each in passes:
        for rule in each.violations:
            match = next((found for found in reported if found[0] == rule and _is_at(found[1], each)), None)
            if match:
                reported.remove(match)
            reason = Reason.REPORTED if match else _reason(rule, each, vehicles, calibration)
            outcomes.append(_outcome(seed, rule, each, reason))
    return ClipOutcomes(
        outcomes=tuple(outcomes),
        innocent={rule: sum(rule not in each.violations for each in passes) for rule in RULES},
        accused=tuple((rule, f"false in seed {seed} at {at.at_s:.1f} s, {at.y:.1f} m") for rule, at in reported),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """When a motorcycle was at the line, in seconds of the clip, and its distance from the middle of the road in metres."""

    at_s: float
    y: float


def _place(path: Sequence[Sighting], at: datetime, calibration: Calibration) -> _Place:
    nearest = min(path, key=lambda sighting: abs((sighting.captured_at - at).total_seconds()))
    return _Place((at - datetime.fromisoformat(_STARTS_AT)).total_seconds(), calibration.ground(nearest.box.foot).y)


def _is_at(place: _Place, each: MotorcyclePass) -> bool:
    return abs(place.at_s - each.at_line_s) <= _TOLERANCE_S and abs(place.y - each.y) <= LANE_M / 2


def _reason(rule: str, each: MotorcyclePass, vehicles: Sequence[ExplainedVehicle], calibration: Calibration) -> str:
    """Of those that are at the line at that moment, the one that is nearest counts."""

    def place(vehicle: ExplainedVehicle) -> _Place:
        sightings = vehicle.track.sightings
        at_line = min(sightings, key=lambda sighting: abs(calibration.ground(sighting.box.foot).x - LINE_X))
        return _place(sightings, at_line.captured_at, calibration)

    there = [vehicle for vehicle in vehicles if _is_at(place(vehicle), each)]
    if not there:
        return "not_tracked"
    nearest = min(there, key=lambda vehicle: abs(place(vehicle).y - each.y))
    return next((decision.reason for decision in nearest.decisions if decision.judgement.rule == rule), "not_tracked")


def _outcome(seed: int, rule: str, each: MotorcyclePass, reason: str) -> RiderOutcome:
    return RiderOutcome(seed=seed, rule=rule, vehicle=each.vehicle.id, at_s=each.at_line_s, helmets=each.vehicle.riders, reason=reason)


def _row_of(rule: str, clips: Sequence[ClipOutcomes]) -> dict[str, Any]:
    outcomes = [each for clip in clips for each in clip.outcomes if each.rule == rule]
    return _figures(
        rule,
        violations=len(outcomes),
        innocent=sum(clip.innocent[rule] for clip in clips),
        found=sum(each.reason == Reason.REPORTED for each in outcomes),
        false=sum(accused == rule for clip in clips for accused, _ in clip.accused),
    )


def _together(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return _figures("together", **{key: sum(row[key] for row in rows) for key in ("violations", "innocent", "found", "false")})


def _figures(rule: str, *, violations: int, innocent: int, found: int, false: int) -> dict[str, Any]:
    recall, precision = found / max(1, violations), found / max(1, found + false)
    counts = {"rule": rule, "violations": violations, "innocent": innocent, "found": found, "false": false}
    return {**counts, "recall": recall, "precision": precision}


def _losses(rule: str, clips: Sequence[ClipOutcomes]) -> dict[str, Any]:
    return {"rule": rule, **Counter(each.reason for clip in clips for each in clip.outcomes if each.rule == rule)}


def _as_table(losses: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    reasons = sorted({reason for row in losses for reason in row if reason != "rule"})
    return [{"rule": row["rule"], **{reason: row.get(reason, 0) for reason in reasons}} for row in losses]


def _told(outcome: RiderOutcome) -> str:
    return f"seed {outcome.seed}, {outcome.vehicle} at {outcome.at_s:.1f} s, helmets {outcome.helmets}: {outcome.rule} {outcome.reason}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmark.rendered_riders", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", required=True, metavar="N", help="of traffic and riders, one clip each")
    parser.add_argument("--motorcycles", type=int, default=12, metavar="N", help="without those in the next lane (default: %(default)s)")
    parser.add_argument("--clips", type=Path, default=Path("rendered"), metavar="DIR", help="a folder for each seed (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
