"""Speed limits: UU 22/2009 article 287(5)."""

import random
from dataclasses import replace

import pytest
from road_plan import Row, drive, finding, found_at, judged, last_reason, rule, track

from benchmark.speed import figures, readings
from etle.errors import ConfigError
from pipeline.scene.judgement import Reason

SPEED = {"rule": "speed", "zone": "zona", "limit_kmh": 50}
LINES = {"rule": "speed", "lines": ["ukur", "akhir"], "limit_kmh": 50}
SLOW = {"rule": "minimum_speed", "zone": "zona", "limit_kmh": 60}
CERTIFICATE = {"number": "K-17/2026", "device": "Kamera A1", "valid_from": "2026-01-01", "valid_to": "2026-12-31"}


def through(kmh: float, *, x: float = 20, fps: float = 10, start: float = 20, end: float = 95) -> list[Row]:
    return drive((x, start), (x, end), speed=kmh / 3.6, fps=fps)


@pytest.mark.parametrize(
    ("entry", "rows", "expected"),
    [
        pytest.param(SPEED, through(70), "reported", id="70 where 50 is allowed"),
        pytest.param(SPEED, through(50), Reason.WITHIN_LIMIT, id="50"),
        pytest.param(SPEED, through(55), Reason.WITHIN_LIMIT, id="55: within the tolerance"),
        pytest.param(SPEED, through(55.3), Reason.WITHIN_LIMIT, id="55.3: beyond the tolerance, but not by the interval"),
        pytest.param(SPEED | {"tolerance_kmh": 25}, through(70), Reason.WITHIN_LIMIT, id="70 with a tolerance of 25"),
        pytest.param(SPEED, through(70, x=70), None, id="beside the zone"),
        pytest.param(SPEED, through(70, start=62), Reason.NOT_MEASURED, id="seen for eight metres of the zone only"),
        pytest.param(SPEED | {"vehicles": ["bus"]}, through(70), None, id="a limit for buses"),
        pytest.param(LINES, through(70), "reported", id="two lines: 70"),
        pytest.param(LINES, through(55), Reason.WITHIN_LIMIT, id="two lines: 55"),
        pytest.param(LINES, through(70, end=58), Reason.NOT_MEASURED, id="two lines: lost between them"),
        pytest.param(LINES, through(70, x=60), None, id="two lines: passes beside them"),
        pytest.param(SLOW, through(45), "reported", id="45 where 60 is the minimum"),
        pytest.param(SLOW, through(54.7), Reason.WITHIN_LIMIT, id="54.7: within tolerance and interval"),
        pytest.param(SLOW, through(8), Reason.HARDLY_MOVES, id="8: broken down"),
        pytest.param(
            SLOW, [(n / 10, 20.0, 20 + 15 * n / 10 - 0.9 * (n / 10) ** 2) for n in range(66)],
            Reason.UNSTEADY, id="brakes in the zone",
        ),
    ],
)  # fmt: skip
def test_speed(entry: dict[str, object], rows: list[Row], expected: str | None) -> None:
    assert last_reason(rule(entry), rows) == expected


@pytest.mark.parametrize("entry", [SPEED, LINES, LINES | {"distance_m": 30}], ids=["zone", "lines", "lines with a tape"])
def test_it_measures_the_mean_speed_with_an_interval(entry: dict[str, object]) -> None:
    found = finding(rule(entry), through(72, fps=12.5))
    speed, over = found.measured
    assert speed.value == pytest.approx(72, abs=0.3)
    assert 0.1 < speed.uncertainty < 2
    assert (speed.unit, over.unit) == ("km/h", "m")
    assert found_at(found) == pytest.approx(25 / 20 if "lines" in entry else 30 / 20, abs=0.3), "in the middle of what was measured"


def test_the_mean_of_a_vehicle_that_brakes_is_that_between_the_ends() -> None:
    rows = [(n / 10, 20.0, 20 + 25 * n / 10 - 1.5 * (n / 10) ** 2) for n in range(36)]
    (speed, _) = finding(rule(SPEED), rows).measured
    inside = [row for row in rows if 30 <= row[2] < 70]
    mean = (inside[-1][2] - inside[0][2]) / (inside[-1][0] - inside[0][0])
    assert speed.value == pytest.approx(3.6 * mean, abs=0.2)


@pytest.mark.parametrize(("hides", "expected"), [(False, "reported"), (True, Reason.NOT_MEASURED)])
def test_a_foot_that_a_following_vehicle_hides_little_by_little_does_not_speed(hides: bool, expected: str) -> None:
    """At 50 km/h; the box ends two metres higher after each second, where the other one begins: now within three pixels, now not."""
    rows = [(n / 10, 20.0, 90 - 1.39 * n - 0.2 * max(0, n - 8)) for n in range(50)]
    follower = track([(at_s, 20.0, y + 5) for at_s, _, y in rows], name="follower", width_m=3)
    edges = [10 * y + (2 if n % 2 else 6) for n, (_, _, y) in enumerate(rows)]
    boxes = [replace(each, box=each.box._replace(y1=edge)) for each, edge in zip(follower.sightings, edges, strict=True)]
    assert last_reason(rule(SPEED), rows, others=[replace(follower, sightings=tuple(boxes))] if hides else []) == expected


def test_it_is_measured_once_when_the_vehicle_has_left() -> None:
    tested, rows = rule(SPEED), through(80)
    values = {each.finding.measured[0].value for n in range(1, len(rows) + 1) for each in judged(tested, rows[:n]) if each.finding}
    assert len(values) == 1
    first = next(n for n in range(1, len(rows) + 1) if judged(tested, rows[:n]))
    assert rows[first - 1][2] > 70 + 0.5 * 80 / 3.6 - 3


def test_without_metres_two_lines_need_their_distance() -> None:
    assert last_reason(rule(LINES | {"distance_m": 30}, metres=False), through(80)) == "reported"
    assert last_reason(rule(LINES | {"distance_m": 30}, metres=False), through(55)) == Reason.WITHIN_LIMIT
    for entry in (LINES, SPEED):
        with pytest.raises(ConfigError, match="needs `ground_points`"):
            rule(entry, metres=False)


def test_a_slow_vehicle_behind_another_slow_one_is_held_up() -> None:
    others = [track([(at_s, 22.0, y + 8) for at_s, _, y in through(45)], name="ahead")]
    assert last_reason(rule(SLOW), through(45), others=others) == Reason.HELD_UP
    faster = [track([(at_s, 24.0, 20 + 20 * at_s) for at_s, _, y in through(45)], name="faster")]
    assert last_reason(rule(SLOW), through(45), others=faster) == "reported"


@pytest.mark.parametrize(
    ("certificate", "expected"),
    [
        pytest.param(None, ("lead",), id="no certificate"),
        pytest.param(CERTIFICATE | {"valid_to": "2026-11-22"}, ("lead",), id="a certificate that ended the day before"),
        pytest.param(CERTIFICATE, (), id="a valid certificate"),
    ],
)
def test_without_a_valid_certificate_it_is_a_lead(certificate: dict[str, str] | None, expected: tuple[str, ...]) -> None:
    found = finding(rule(SPEED | ({"certificate": certificate} if certificate else {})), through(70))
    assert found.marks == expected
    assert (dict(found.facts)["limit"], dict(found.facts)["tolerance"]) == ("50 km/h", "5 km/h")
    assert ("certificate" in dict(found.facts)) == (not expected)


@pytest.mark.parametrize("settings", [{"zone": "zona", "lines": ["ukur", "akhir"]}, {}], ids=["both", "neither"])
def test_it_takes_a_zone_or_lines(settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="give either `zone` or `lines`"):
        rule({"rule": "speed", "limit_kmh": 50, **settings})


def test_a_jump_in_the_zone_is_not_one_vehicle() -> None:
    rows = [(at_s, x, y + (6 if at_s > 1.5 else 0)) for at_s, x, y in through(60)]
    assert last_reason(rule(SPEED), rows) == Reason.NOT_ONE_VEHICLE


@pytest.mark.slow
@pytest.mark.parametrize("method", ["zone", "lines", "tape"])
def test_the_interval_covers_the_truth_under_realistic_noise(method: str) -> None:
    """Of 40 cameras with errors of their own: the whole of `python -m benchmark.speed` is documented in docs/measurements.md."""
    made = [each for index in range(40) for each in readings(random.Random(f"test/{index}"), method=method)]
    result = figures(made)
    assert result["mean_absolute_error_kmh"] <= 1.5
    assert 0.88 <= result["covered"] <= 1.0
