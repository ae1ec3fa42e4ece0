"""A road seen from straight above for the test tables of rules about ways: 10 pixels per metre, positions of the foot in metres.

Traffic moves down the picture. The marking `marka` runs along x = 25 m from 20 to 80 m; the zone `zona` reaches from 30 to 70 m. Lines
`masuk` (at y = 40, from x = 20 to 30) and `keluar` (at x = 35, from y = 45 to 60) are those of a turn to the left of the picture's right.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import cos, hypot, radians, sin

from scenario import BEGIN, second

from etle.config import site as config
from etle.types import Box, Finding, Sighting, Track, TrackId, VehicleClass
from models.tracking.hidden_feet import is_foot_hidden
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate
from pipeline.scene.judgement import Judgement
from pipeline.scene.scene import Rule, Scene

GROUND = [((0, 0), (0, 0)), ((1000, 0), (100, 0)), ((0, 1000), (0, 100)), ((1000, 1000), (100, 100))]
Row = tuple[float, float, float]
"""Second, x and y in metres."""


def camera(*rules: dict[str, object], metres: bool = True, crossable_from: tuple[float, float] | None = None) -> config.CameraSettings:
    return config.CameraSettings.model_validate(
        {
            "id": "cam-1",
            "view": "front",
            "source": {"file": "clip.mp4"},
            "frame_size": [1000, 1000],
            "ground_points": [{"px": pixel, "m": m} for pixel, m in GROUND] if metres else [],
            "lines": [
                {"id": "masuk", "points": [[200, 400], [300, 400]], "beyond": [250, 500]},
                {"id": "keluar", "points": [[350, 450], [350, 600]], "beyond": [450, 500]},
                {"id": "ukur", "points": [[100, 300], [400, 300]], "beyond": [250, 600]},
                {"id": "akhir", "points": [[100, 600], [400, 600]], "beyond": [250, 900]},
            ],
            "zones": [{"id": "zona", "polygon": [[50, 300], [500, 300], [500, 700], [50, 700]]}],
            "markings": [{"id": "marka", "points": [[250, 200], [250, 500], [250, 800]], "crossable_from": crossable_from}],
            "rules": list(rules),
        }
    )


def rule(entry: dict[str, object], **settings: object) -> Rule:
    made = camera(entry, **settings)
    (built,) = build_rules(made, calibrate(made))
    return built


def drive(*points: tuple[float, float], speed: float = 5.0, fps: float = 10.0) -> list[Row]:
    """Rows at a constant speed (m/s) along straight lines between points in metres."""
    rows, left, now = [], 0.0, 0.0
    for (x, y), (to_x, to_y) in pairwise(points):
        length = hypot(to_x - x, to_y - y)
        while left <= length + 1e-9:
            rows.append((round(now, 3), x + (to_x - x) * left / length, y + (to_y - y) * left / length))
            now, left = now + 1 / fps, left + speed / fps
        left -= length
    return rows


def arc(x: float, y: float, radius: float, start_deg: float, end_deg: float, steps: int = 24) -> list[tuple[float, float]]:
    """Points of an arc around (x, y) in metres, from one angle to another."""
    angles = [radians(start_deg + (end_deg - start_deg) * n / steps) for n in range(steps + 1)]
    return [(x + radius * cos(angle), y + radius * sin(angle)) for angle in angles]


def track(rows: Sequence[Row], *, width_m: float = 1.8, vehicle: VehicleClass = VehicleClass.CAR, name: str = "t") -> Track:
    def sighting(row: Row) -> Sighting:
        at_s, x, y = row
        box = Box(10 * x - 5 * width_m, 10 * y - 15, 10 * x + 5 * width_m, 10 * y)
        return Sighting(sequence=round(at_s * 100), captured_at=second(at_s), box=box, vehicle=vehicle, score=0.8)

    return Track(id=TrackId(name), sightings=tuple(sighting(row) for row in rows))


def behind(others: Sequence[Track], seen: Track) -> Track:
    """The track as the tracker makes it: each sighting knows whether one of the others hides the foot."""
    boxes = [(each.sequence, each.box) for other in others for each in other.sightings]
    return replace(
        seen,
        sightings=tuple(
            replace(each, foot_hidden=is_foot_hidden(each.box, [box for sequence, box in boxes if sequence == each.sequence]))
            for each in seen.sightings
        ),
    )


def judgements(tested: Rule, rows: Sequence[Row], *, others: Sequence[Track] = (), **kind: object) -> list[Judgement]:
    """What the rule decides on the vehicle after each sighting, and once more when its track has ended."""
    made = []
    for n in range(1, len(rows) + 2):
        seen = behind(others, track(rows[:n], **kind))
        tracks = ((), (seen,)) if n > len(rows) else ((seen,), ())
        scene = Scene(now=seen.last.captured_at, tracks=(*tracks[0], *others), ended=tracks[1], signals={})
        made += [judgement for judgement in tested.judge(scene) if judgement.track == seen.id]
    return made


def judged(tested: Rule, rows: Sequence[Row], **kind: object) -> list[Judgement]:
    """What the rule decides after the last of these sightings."""
    seen = track(rows, **kind)
    return list(tested.judge(Scene(now=seen.last.captured_at, tracks=(seen,), ended=(), signals={})))


def finding(tested: Rule, rows: Sequence[Row], **kind: object) -> Finding | None:
    """The first finding, as the stage takes it."""
    return next((judgement.finding for judgement in judgements(tested, rows, **kind) if judgement.finding), None)


def last_reason(tested: Rule, rows: Sequence[Row], **kind: object) -> str | None:
    """Why it is not reported, or `reported`; None if the vehicle is no subject of the rule."""
    made = judgements(tested, rows, **kind)
    reported = any(judgement.finding for judgement in made)
    return "reported" if reported else str(made[-1].reason) if made else None


def found_at(found: Finding | None) -> float | None:
    return None if found is None else round((found.occurred_at - BEGIN).total_seconds(), 2)
