"""Rules that decide by the plate: odd-even, expired, no plate, number range."""

from dataclasses import replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from scenario import camera as plain_camera
from scenario import drive, second, track

from etle.config.site import CameraSettings
from etle.testing.values import a_plate
from etle.types import Certainty, CharacterRead, Finding, Plate, PlateColour, TrackId, VehicleClass
from pipeline.rules import build_rules
from pipeline.rules.plate_rule import PlateRule
from pipeline.scene.calibration import calibrate
from pipeline.scene.identified import IdentifiedVehicle, SearchedView
from pipeline.scene.judgement import Reason
from pipeline.scene.scene import Scene

ODD_EVEN = {"rule": "odd_even", "line": "henti"}
EXPIRED = {"rule": "expired_plate", "line": "henti"}
NO_PLATE = {"rule": "no_plate", "line": "henti"}
NUMBER_RANGE = {"rule": "number_range", "line": "henti"}
JAKARTA = "Asia/Jakarta"
OVER = drive((4.0, 30, 70))


def rule(entry: dict[str, object]) -> PlateRule:
    made = CameraSettings.model_validate({**plain_camera().model_dump(), "zones": [ZONE], "rules": [entry]})
    (built,) = build_rules(made, calibrate(made))
    assert isinstance(built, PlateRule)
    return built


ZONE = {"id": "ruas", "polygon": [[100, 500], [400, 500], [400, 900], [100, 900]]}


def plate(text: str | None = "B1433GMC", *, frames: int = 2, expiries: tuple[str | None, ...] = (), **fields) -> Plate:
    """A certain white plate without the blue strip, read alike in so many frames, with these second lines."""
    made = a_plate(text)
    reads = (
        [
            replace(
                made.sightings[0],
                sequence=10 + n,
                plate=replace(made.sightings[0].plate, box=made.sightings[0].plate.box._replace(x2=140.0)),
                read=replace(made.sightings[0].read, expiry=expiries[n] if n < len(expiries) else None),
            )
            for n in range(max(frames, len(expiries)))
        ]
        if text
        else []
    )
    expiry = next((each for each in expiries if each), None)
    return replace(made, sightings=tuple(reads), electric=False, expiry=expiry, **fields)


def decided(entry, own: Plate, *, day="2026-11-24", vehicle=VehicleClass.CAR, views=(), classless=None, zone=JAKARTA):
    """What the rule decides on a vehicle of this plate at seven o'clock of that day."""
    tested, seen = rule(entry), track(OVER, vehicle=vehicle)
    at = datetime.fromisoformat(f"{day}T07:00").replace(tzinfo=ZoneInfo(zone)).astimezone(second(0).tzinfo)
    passage = Finding(rule=tested.name, track=seen.id, first_sequence=0, vehicle=vehicle, occurred_at=at, measured=())
    return tested.judge_plate(
        IdentifiedVehicle(passage=passage, track=seen, plate=own, classless_plate=classless or own, views=views, timezone=zone)
    )


def reason_of(outcome) -> Reason:
    return Reason.REPORTED if isinstance(outcome, Finding) else outcome.reason


class TestCandidates:
    def test_each_vehicle_that_passes_the_line_is_one_once(self):
        scenes = [Scene(now=second(n), tracks=(track(OVER[: 10 * n]),), ended=(), signals={}) for n in (1, 3, 4)]
        moments = [[each.candidate.occurred_at for each in rule(ODD_EVEN).judge(scene)] for scene in scenes]
        assert moments[0] == [] and moments[1] == moments[2]
        assert (moments[1][0] - second(2)).total_seconds() == pytest.approx(0, abs=0.01)

    def test_or_that_enters_the_zone(self):
        (judgement,) = rule({"rule": "odd_even", "zone": "ruas"}).judge(Scene(now=second(4), tracks=(track(OVER),), ended=(), signals={}))
        assert judgement.zone == "ruas" and judgement.reason is Reason.PLATE_AWAITED
        assert second(2) < judgement.candidate.occurred_at < second(2.5)

    @pytest.mark.parametrize(
        ("entry", "kind", "expected"),
        [
            pytest.param(ODD_EVEN, {}, Reason.PLATE_AWAITED, id="a car"),
            pytest.param(ODD_EVEN, {"vehicle": VehicleClass.MOTORCYCLE}, Reason.EXEMPT, id="a motorcycle is exempt"),
            pytest.param(
                {**ODD_EVEN, "vehicles": ["car", "motorcycle"]},
                {"vehicle": VehicleClass.MOTORCYCLE},
                Reason.PLATE_AWAITED,
                id="a city where it is not",
            ),
            pytest.param(
                {**ODD_EVEN, "schedule": {"hours": [{"hours": "16:00-21:00"}]}}, {}, Reason.OUTSIDE_HOURS, id="outside of the hours"
            ),
            pytest.param(NO_PLATE, {"vehicle": VehicleClass.MOTORCYCLE}, Reason.CLASS_UNCERTAIN, id="no plate: cars only by default"),
        ],
    )
    def test_the_plate_is_not_read_where_it_cannot_decide(self, entry, kind, expected):
        (judgement,) = rule(entry).judge(Scene(now=second(4), tracks=(track(OVER, **kind),), ended=(), signals={}))
        assert judgement.reason is expected

    @pytest.mark.parametrize("entry", [{"rule": "odd_even"}, {"rule": "odd_even", "line": "henti", "zone": "ruas"}])
    def test_a_line_or_a_zone_is_needed(self, entry):
        with pytest.raises(Exception, match="either `line` or `zone`"):
            rule(entry)


def last_digit(own: Plate, *alternatives: tuple[str, float]) -> Plate:
    """The plate with these alternatives for its last digit."""
    at = 4
    read = CharacterRead(character="3", probability=1 - sum(p for _, p in alternatives), alternatives=alternatives)
    return replace(own, characters=(*own.characters[:at], read, *own.characters[at + 1 :]))


class TestOddEven:
    @pytest.mark.parametrize(
        ("own", "day", "expected"),
        [
            pytest.param(plate("B1433GMC"), "2026-11-24", Reason.REPORTED, id="odd on an even day"),
            pytest.param(plate("B1433GMC"), "2026-11-25", Reason.DAY_ALLOWED, id="odd on an odd day"),
            pytest.param(plate("B1430GMC"), "2026-11-25", Reason.REPORTED, id="zero is even"),
            pytest.param(plate("B1430GMC"), "2026-11-24", Reason.DAY_ALLOWED, id="zero on an even day"),
            pytest.param(plate("B7GM"), "2026-11-24", Reason.REPORTED, id="a number of one digit"),
            pytest.param(plate(certainty=Certainty.CHECK), "2026-11-24", Reason.PLATE_NOT_CERTAIN, id="the plate is not certain"),
            pytest.param(plate(None), "2026-11-24", Reason.PLATE_NOT_CERTAIN, id="no plate was read"),
            pytest.param(plate(frames=1), "2026-11-24", Reason.PLATE_NOT_CERTAIN, id="read in one frame only"),
            pytest.param(last_digit(plate(), ("8", 0.02)), "2026-11-24", Reason.PLATE_NOT_CERTAIN, id="the last digit may be even"),
            pytest.param(last_digit(plate(), ("5", 0.02), ("B", 0.02)), "2026-11-24", Reason.REPORTED, id="or another odd one"),
            pytest.param(plate(colour=PlateColour.YELLOW), "2026-11-24", Reason.EXEMPT, id="public transport"),
            pytest.param(plate(colour=PlateColour.RED), "2026-11-24", Reason.EXEMPT, id="government"),
            pytest.param(plate(colour=PlateColour.BLACK), "2026-11-24", Reason.REPORTED, id="an old black plate"),
            pytest.param(plate(colour=PlateColour.UNKNOWN), "2026-11-24", Reason.EXEMPTION_UNKNOWN, id="colour unknown"),
            pytest.param(replace(plate(), electric=True), "2026-11-24", Reason.EXEMPT, id="electric"),
            pytest.param(replace(plate(), electric=None), "2026-11-24", Reason.EXEMPTION_UNKNOWN, id="perhaps electric"),
            pytest.param(plate("B1433ZZP"), "2026-11-24", Reason.EXEMPT, id="an official's"),
            pytest.param(plate("RI3"), "2026-11-24", Reason.EXEMPT, id="of the state"),
            pytest.param(plate("CD12345"), "2026-11-24", Reason.EXEMPT, id="diplomatic"),
            pytest.param(plate("1233-VII"), "2026-11-24", Reason.EXEMPT, id="of the police"),
        ],
    )
    def test_decision(self, own, day, expected):
        assert reason_of(decided(ODD_EVEN, own, day=day)) is expected

    def test_one_read_of_an_exempt_colour_is_enough_for_doubt(self):
        own = plate()
        yellow = replace(own.sightings[1], read=replace(own.sightings[1].read, colour=PlateColour.YELLOW))
        assert reason_of(decided(ODD_EVEN, replace(own, sightings=(own.sightings[0], yellow)))) is Reason.EXEMPTION_UNKNOWN

    def test_the_day_is_that_of_the_site(self):
        """Seven o'clock of the 24th in Jayapura is 22 o'clock of the 23rd in UTC."""
        assert reason_of(decided(ODD_EVEN, plate("B1433GMC"), day="2026-11-24", zone="Asia/Jayapura")) is Reason.REPORTED

    def test_it_says_what_decided(self):
        found = decided(ODD_EVEN, plate())
        assert [(each.name, each.value) for each in found.measured] == [("last_digit", 3), ("day_of_month", 24)]
        assert dict(found.facts) == {"day": "2026-11-24", "plate_colour": "white"}


class TestExpiredPlate:
    @pytest.mark.parametrize(
        ("own", "expected"),
        [
            pytest.param(plate(expiries=("09·26", "09·26")), Reason.REPORTED, id="expired 55 days ago"),
            pytest.param(plate(expiries=("10·26", "10·26")), Reason.NOT_EXPIRED, id="24 days ago: within the grace"),
            pytest.param(plate(expiries=("11·26", "11·26")), Reason.NOT_EXPIRED, id="in this month"),
            pytest.param(plate(expiries=("05·30", "05·30")), Reason.NOT_EXPIRED, id="valid"),
            pytest.param(plate(expiries=("09·26",)), Reason.EXPIRY_NOT_READ, id="read in one frame"),
            pytest.param(plate(expiries=("09·26", "09·28")), Reason.EXPIRY_NOT_READ, id="read differently"),
            pytest.param(plate(expiries=("09·26", "09·26", "09·28")), Reason.EXPIRY_NOT_READ, id="read differently once"),
            pytest.param(plate(), Reason.EXPIRY_NOT_READ, id="not read"),
            pytest.param(plate(expiries=("09·26", "09·26"), certainty=Certainty.CHECK), Reason.PLATE_NOT_CERTAIN, id="plate uncertain"),
        ],
    )
    def test_decision(self, own, expected):
        assert reason_of(decided(EXPIRED, own)) is expected

    def test_it_is_a_lead_with_the_days(self):
        found = decided(EXPIRED, plate(expiries=("09·26", "09·26")))
        assert found.marks == ("lead",) and found.measured[0].value == 55 and found.facts == (("expiry", "09·26"),)

    def test_a_distant_second_line_does_not_count(self):
        own = plate(expiries=("09·26", "09·26"))
        small = tuple(replace(each, plate=replace(each.plate, box=each.plate.box._replace(x2=80.0))) for each in own.sightings)
        assert reason_of(decided(EXPIRED, replace(own, sightings=small))) is Reason.EXPIRY_NOT_READ


def view(n: int, *, px: float = 120, score: float = 0.0, clear: bool = True) -> SearchedView:
    return SearchedView(sequence=n, expected_px=px, score=score, clear=clear)


class TestNoPlate:
    @pytest.mark.parametrize(
        ("own", "views", "expected"),
        [
            pytest.param(plate(None), [view(n) for n in range(3)], Reason.REPORTED, id="three views without a plate"),
            pytest.param(plate(None), [view(n) for n in range(2)], Reason.PLATE_NOT_SEEN, id="two views"),
            pytest.param(plate(None), [view(0), view(0), view(1)], Reason.PLATE_NOT_SEEN, id="a picture counts once"),
            pytest.param(plate(None), [view(n, px=60) for n in range(8)], Reason.PLATE_NOT_SEEN, id="a plate would be too small"),
            pytest.param(plate(None), [view(n, clear=n > 0) for n in range(3)], Reason.PLATE_NOT_SEEN, id="one view is not clear"),
            pytest.param(
                plate(None), [*(view(n) for n in range(5)), view(6, score=0.06)], Reason.PLATE_NOT_SEEN, id="perhaps a plate in one"
            ),
            pytest.param(plate(None), [], Reason.PLATE_NOT_SEEN, id="no pictures"),
            pytest.param(
                plate(certainty=Certainty.UNREADABLE), [view(n) for n in range(3)], Reason.HAS_PLATE, id="a plate that is unreadable"
            ),
        ],
    )
    def test_decision(self, own, views, expected):
        assert reason_of(decided(NO_PLATE, own, views=tuple(views))) is expected


class TestNumberRange:
    @pytest.mark.parametrize(
        ("text", "vehicle", "expected"),
        [
            pytest.param("B3433GMC", VehicleClass.CAR, Reason.REPORTED, id="a car with a motorcycle's number"),
            pytest.param("B1433GMC", VehicleClass.CAR, Reason.NUMBER_FITS, id="a car's"),
            pytest.param("B1433GMC", VehicleClass.MOTORCYCLE, Reason.REPORTED, id="a motorcycle with a car's number"),
            pytest.param("H3433GMC", VehicleClass.MOTORCYCLE, Reason.NUMBER_FITS, id="a motorcycle's"),
            pytest.param("B9433GMC", VehicleClass.CAR, Reason.NUMBER_FITS, id="a pick-up looks like a car"),
            pytest.param("CD12345", VehicleClass.CAR, Reason.NUMBER_FITS, id="diplomatic plates have no ranges"),
        ],
    )
    def test_decision(self, text, vehicle, expected):
        """The plate's own certainty knows of the mismatch: the one without a class decides."""
        own = plate(text, certainty=Certainty.CHECK)
        assert reason_of(decided(NUMBER_RANGE, own, classless=plate(text), vehicle=vehicle)) is expected

    def test_a_plate_that_is_not_certain_decides_nothing(self):
        own = plate("B3433GMC", certainty=Certainty.CHECK)
        assert reason_of(decided(NUMBER_RANGE, own)) is Reason.PLATE_NOT_CERTAIN


def test_tracks_of_other_vehicles_do_not_matter():
    late = track(drive((1.0, 30, 40)), name="u")
    (judgement,) = rule(ODD_EVEN).judge(Scene(now=second(4), tracks=(track(OVER), late), ended=(), signals={}))
    assert judgement.track == TrackId("t") and judgement.candidate.occurred_at < second(2) + timedelta(seconds=0.1)
