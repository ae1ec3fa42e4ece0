"""A road for the test tables of the rules: 10 pixels per metre, traffic moves down the picture, towards the camera.

The stop line is at 50 m, the junction begins at 54 m. Positions in the tables are those of the vehicle's front, in metres.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from etle.config import site as config
from etle.types import Box, Finding, Lamp, Sighting, SignalId, SignalReading, Track, TrackId, VehicleClass
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate
from pipeline.scene.scene import Rule, Scene
from pipeline.scene.signals import SignalHistory

BEGIN = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
R, Y, G, U = Lamp.RED, Lamp.YELLOW, Lamp.GREEN, Lamp.UNKNOWN
WIDTH = 480
"""Of the frames, in pixels: the lane, one vehicle beside it, and the signal."""
GROUND = [((0, 0), (0, 0)), ((1000, 0), (100, 0)), ((0, 1000), (0, 100)), ((1000, 1000), (100, 100))]


def camera(*rules: dict[str, object], metres: bool = True, view: str = "front", scale: float = 1) -> config.CameraSettings:
    """`scale`: of the picture; its frames are 480 x 1000 pixels at 1."""

    def px(*values: float) -> list[float]:
        return [scale * value for value in values]

    return config.CameraSettings.model_validate(
        {
            "id": "cam-1",
            "view": view,
            "source": {"file": "clip.mp4"},
            "frame_size": [round(scale * WIDTH), round(scale * 1000)],
            "ground_points": [{"px": px(*pixel), "m": m} for pixel, m in GROUND] if metres else [],
            "signals": [{"id": "barat", "head": px(430, 10, 450, 60)}],
            "lines": [
                {"id": "henti", "points": [px(100, 500), px(400, 500)], "beyond": px(250, 600)},
                {"id": "simpang", "points": [px(100, 540), px(400, 540)], "beyond": px(250, 600)},
            ],
            "lanes": [
                {"id": "kiri", "polygon": [px(100, 0), px(400, 0), px(400, 1000), px(100, 1000)], "along": [px(250, 0), px(250, 900)]}
            ],
            "rules": list(rules),
        }
    )


def rule(entry: dict[str, object], *, metres: bool = True, view: str = "front") -> Rule:
    made = camera(entry, metres=metres, view=view)
    (built,) = build_rules(made, calibrate(made))
    return built


def second(seconds: float) -> datetime:
    return BEGIN + timedelta(seconds=seconds)


def sighting(seconds: float, metre: float, *, x: float = 250, vehicle: VehicleClass = VehicleClass.CAR) -> Sighting:
    y = metre * 10
    return Sighting(sequence=round(seconds * 10), captured_at=second(seconds), box=Box(x - 9, y - 15, x + 9, y), vehicle=vehicle, score=0.8)


def track(rows: Sequence[tuple[float, float]], *, x: float = 250, vehicle: VehicleClass = VehicleClass.CAR, name: str = "t") -> Track:
    return Track(id=TrackId(name), sightings=tuple(sighting(s, metre, x=x, vehicle=vehicle) for s, metre in rows))


def history(rows: Sequence[tuple[float, Lamp]], weak: tuple[float, float] = (0, 0)) -> SignalHistory:
    """`weak`: from when to when a lamp is told with a low score."""
    made = SignalHistory()
    for seconds, lamp in rows:
        score = 0.6 if weak[0] <= seconds < weak[1] else 0.9
        made = made.with_reading(SignalReading(captured_at=second(seconds), lamp=lamp, score=score))
    return made


def drive(*legs: tuple[float, float, float], step_s: float = 0.1) -> list[tuple[float, float]]:
    """Rows (second, metre) at every step along legs of (duration in seconds, metre at its start, metre at its end)."""
    rows, now = [], 0.0
    for length, start, end in legs:
        steps = round(length / step_s)
        rows += [(round(now + n * step_s, 3), start + (end - start) * n / steps) for n in range(steps)]
        now += length
    return [*rows, (round(now, 3), legs[-1][2])]


def lamps(*phases: tuple[float, Lamp], until: float = 60.0) -> list[tuple[float, Lamp]]:
    """A reading every tenth of a second, from phases of (second at which it begins, lamp)."""
    readings = []
    for n in range(round(until * 10)):
        now = n / 10
        readings.append((now, [lamp for begin, lamp in phases if begin <= now + 1e-9][-1]))
    return readings


def findings(tested: Rule, rows: Sequence[tuple[float, float]], signal: Sequence[tuple[float, Lamp]] = (), **kind: object) -> list[Finding]:
    """Findings of the rule, evaluated after every sighting as in the stage; the first of each rule counts."""
    found: dict[str, Finding] = {}
    for n in range(1, len(rows) + 1):
        now = rows[n - 1][0]
        past = history([(s, lamp) for s, lamp in signal if s <= now + 1e-9])
        seen = track(rows[:n], **kind)  # type: ignore[arg-type]  # x, vehicle, name
        scene = Scene(now=second(now), tracks=(seen,), ended=(), signals={SignalId("barat"): past})
        for finding in tested.findings(scene):
            found.setdefault(finding.rule, finding)
    return list(found.values())


def seconds_of(found: Sequence[Finding]) -> list[float]:
    return [round((finding.occurred_at - BEGIN).total_seconds(), 2) for finding in found]
