"""`python -m benchmark.speed --seed N`: the error of measured speeds, and how often their stated interval covers the truth.

Cameras, their calibration and vehicles are drawn at random. Ground points and lines have errors in the picture and on the road. A vehicle's
box is that of a pinhole camera; its lower edge is drawn too high or too low by a part of its height, and jitters, partly from frame to
frame and partly slowly, as the detector's boxes do on rendered clips; frames are late or early by some milliseconds.
"""

import math
import random
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import mean
from typing import Final

from benchmark import report
from benchmark.situations.road import HEIGHT_PX, LINE_S, SIZE_M, WIDTH_PX, RoadCamera
from benchmark.situations.trial import BEGIN
from etle.config.site import CameraSettings
from etle.types import Box, Sighting, Track, TrackId, VehicleClass, View
from pipeline.rules.speed import SpeedSettings
from pipeline.scene.calibration import calibrate
from pipeline.scene.speed import MeasuredSpeed

COVERAGE: Final = 2.0
_VEHICLES: Final = 8
"""Of each camera."""
_POINT_PX, _POINT_M = 1.5, 0.05
_FOOT_HEIGHT, _JITTER, _WHITE_PX = 0.025, 0.012, 0.7
"""As shares of the box's height: the lower edge's height above the road, and its slow jitter. Measured on the detector's boxes."""
_FRAME_S: Final = 0.004
_TAPE_M: Final = 0.1
"""Of the distance between two lines that was measured on the road."""
_BANDS_KMH: Final = (20, 40, 60, 80, 100)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One vehicle's true mean speed on the stretch, and what was measured."""

    true_kmh: float
    kmh: float
    u_kmh: float

    @property
    def error(self) -> float:
        return self.kmh - self.true_kmh

    @property
    def is_covered(self) -> bool:
        return abs(self.error) <= COVERAGE * self.u_kmh


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drive:
    """Position s(t) = start + speed t + acceleration t^2 / 2, from behind the far end of the zone to behind its near end."""

    vehicle: VehicleClass
    x: float
    start: float
    speed: float
    acceleration: float

    def at(self, second: float) -> float:
        return self.start + self.speed * second + self.acceleration * second**2 / 2


def readings(rng: random.Random, *, method: str) -> list[Reading]:
    """Those of one camera. `method`: zone, lines, or tape (lines whose distance was measured on the road)."""
    camera = RoadCamera(
        rng.choice((View.FRONT, View.REAR)), height_m=rng.uniform(5.5, 9), side_x=rng.uniform(-4, 4), focal_px=rng.uniform(1100, 1600)
    )  # fmt: skip
    tape_m = rng.gauss(0, _TAPE_M)
    start_s, end_s = (LINE_S - 12, LINE_S + 16) if camera.view is View.FRONT else (LINE_S - 10, LINE_S + 18)
    exact = _settings(camera, start_s, end_s)
    drawn = _with_errors(exact, rng)
    entry: dict[str, object] = {"limit_kmh": 50, "point_px": _POINT_PX, "point_m": _POINT_M}
    ways: dict[str, dict[str, object]] = {
        "zone": {"zone": "zona"},
        "lines": {"lines": ("a", "b")},
        "tape": {"lines": ("a", "b"), "distance_m": end_s - start_s + tape_m},
    }
    stretch = SpeedSettings.model_validate(entry | ways[method]).stretch(drawn, calibrate(drawn))
    fps = rng.choice((8, 10, 12.5, 15, 25))
    made = []
    for number in range(_VEHICLES):
        drive = _drive(rng, start_s)
        track = _track(drive, camera, fps, rng, f"t{number}", end_s)
        measured = stretch.measure(track, ended=True)
        if isinstance(measured, MeasuredSpeed):
            made.append(Reading(true_kmh=3.6 * _true(drive, track, measured), kmh=3.6 * measured.m_s, u_kmh=3.6 * measured.u))
    return made


def _settings(camera: RoadCamera, start_s: float, end_s: float) -> CameraSettings:
    plain = camera.settings([])
    zone = [camera.pixel(s, x) for s, x in ((start_s, -6), (start_s, 6), (end_s, 6), (end_s, -6))]
    points = [{"px": camera.pixel(s, x), "m": (x, s)} for x in (-4.0, 4.0) for s in (start_s, (start_s + end_s) / 2, end_s)]
    lines = [
        {"id": name, "points": [camera.pixel(s, -6), camera.pixel(s, 6)], "beyond": camera.pixel(s + 3, 0)}
        for name, s in (("a", start_s), ("b", end_s))
    ]
    return CameraSettings.model_validate(
        plain.model_dump(mode="json") | {"zones": [{"id": "zona", "polygon": zone}], "ground_points": points, "lines": lines, "signals": []}
    )


def _with_errors(settings: CameraSettings, rng: random.Random) -> CameraSettings:
    def wrong(values: tuple[float, float], u: float) -> tuple[float, float]:
        return values[0] + rng.gauss(0, u), values[1] + rng.gauss(0, u)

    points = tuple(
        point.model_copy(update={"px": wrong(point.px, _POINT_PX), "m": wrong(point.m, _POINT_M)}) for point in settings.ground_points
    )
    lines = tuple(line.model_copy(update={"points": tuple(wrong(point, _POINT_PX) for point in line.points)}) for line in settings.lines)
    return settings.model_copy(update={"ground_points": points, "lines": lines})


def _drive(rng: random.Random, start_s: float) -> _Drive:
    speed = rng.uniform(15, 115) / 3.6
    acceleration = rng.choice((0.0, 0.0, rng.uniform(-1.5, 1.5)))
    vehicle = rng.choices((VehicleClass.CAR, VehicleClass.MOTORCYCLE, VehicleClass.TRUCK), weights=(5, 5, 1))[0]
    return _Drive(vehicle=vehicle, x=rng.uniform(-3, 3), start=start_s - rng.uniform(3, 6), speed=speed, acceleration=acceleration)


def _track(drive: _Drive, camera: RoadCamera, fps: float, rng: random.Random, name: str, end_s: float) -> Track:
    sightings = []
    height, slow, tau = rng.gauss(0, _FOOT_HEIGHT), rng.gauss(0, _JITTER), rng.uniform(0.1, 0.5)
    same = math.exp(-1 / fps / tau)
    phase = rng.random() / fps
    for number in range(int(20 * fps)):
        second = phase + number / fps
        s = drive.at(second)
        if s > end_s + 12:
            break
        box = camera.box(s, drive.x, SIZE_M[drive.vehicle])
        slow = same * slow + math.sqrt(1 - same**2) * rng.gauss(0, _JITTER)
        y2 = box.y2 - height * box.height + slow * box.height + rng.gauss(0, _WHITE_PX)
        x1, x2, y1 = (edge + rng.gauss(0, 1.0) for edge in (box.x1, box.x2, box.y1))
        if min(x1, y1) < 2 or x2 > WIDTH_PX - 2 or y2 > HEIGHT_PX - 2:
            continue
        at = BEGIN + timedelta(seconds=second + rng.gauss(0, _FRAME_S))
        sightings.append(Sighting(sequence=number, captured_at=at, box=Box(x1, y1, x2, y2), vehicle=drive.vehicle, score=0.8))
    sightings = sorted(sightings, key=lambda sighting: sighting.captured_at) or [
        Sighting(sequence=0, captured_at=BEGIN, box=Box(0, 0, 1, 1), vehicle=drive.vehicle, score=0.1)
    ]
    return Track(id=TrackId(name), sightings=tuple(sightings))


def _true(drive: _Drive, track: Track, measured: MeasuredSpeed) -> float:
    """Mean speed over the time that was measured, in m/s: that at its middle, under constant acceleration."""
    return drive.speed + drive.acceleration * (measured.at - BEGIN).total_seconds()


def figures(made: Sequence[Reading]) -> dict[str, float]:
    counted = [each for each in made if each.true_kmh <= _BANDS_KMH[-1]]
    return {
        "vehicles": len(counted),
        "mean_absolute_error_kmh": mean(abs(each.error) for each in counted),
        "mean_error_kmh": mean(each.error for each in counted),
        "covered": mean(each.is_covered for each in counted),
        "mean_interval_kmh": mean(COVERAGE * each.u_kmh for each in counted),
    }


def by_band(made: Sequence[Reading]) -> dict[str, list[Reading]]:
    bands: dict[str, list[Reading]] = defaultdict(list)
    for each in made:
        upper = next((band for band in _BANDS_KMH if each.true_kmh <= band), None)
        if upper is not None:
            bands[f"{upper - 20}-{upper} km/h"].append(each)
    return dict(sorted(bands.items(), key=lambda item: int(item[0].split("-")[0])))


def main() -> None:
    parser = report.parser("speed", __doc__)
    parser.add_argument("--cameras", type=int, default=300, help="cameras, of 8 vehicles each, for each method (default: %(default)s)")
    args = parser.parse_args()
    results: dict[str, Mapping[str, float]] = {}
    for method in ("zone", "lines", "tape"):
        made = [each for index in range(args.cameras) for each in readings(random.Random(f"{args.seed}/{method}/{index}"), method=method)]
        results[method] = figures(made)
        for band, some in by_band(made).items():
            results[f"{method}, {band}"] = figures(some)
        print(f"{method} measured", file=sys.stderr, flush=True)
    report.show("Measured speeds", [{"measured": name, **each} for name, each in results.items()])
    report.save(args.json, results)


if __name__ == "__main__":
    main()
