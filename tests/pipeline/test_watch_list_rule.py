"""A plate on the watch list: a lead, and nobody else than the vehicle that is searched for."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from test_plate_rules import decided, plate, reason_of, rule

from etle.config.law import load_law
from etle.config.packaged import configs_folder
from etle.errors import ConfigError
from etle.plates.watch_file import WatchFile, WatchHit, WatchReason
from etle.types import Certainty, Finding, RuleName, VehicleClass
from pipeline.scene.judgement import Reason

DAY = datetime(2026, 11, 24, tzinfo=UTC)
"""Seven o'clock in Jakarta."""
CAR, MOTORCYCLE = VehicleClass.CAR, VehicleClass.MOTORCYCLE


def hit(reason: WatchReason = WatchReason.STOLEN, **fields: object) -> WatchHit:
    defaults = {"number": 7, "listed_at": DAY - timedelta(days=3), "valid_until": date(2026, 11, 24), "vehicle": None}
    return WatchHit(reason=reason, **{**defaults, **fields})


@pytest.fixture
def entry(tmp_path: Path) -> dict[str, object]:
    return {"rule": "watch_list", "line": "henti", "file": str(tmp_path / "list.json")}


def write(entry: dict[str, object], *hits: tuple[str, WatchHit], at: datetime = DAY) -> None:
    WatchFile.of(hits, at).write(Path(str(entry["file"])))


@pytest.mark.parametrize(
    ("listed", "vehicle", "expected"),
    [
        pytest.param(("B1433GMC", hit()), CAR, Reason.REPORTED, id="stolen"),
        pytest.param(("B1433GMC", hit(WatchReason.BLOCKED)), MOTORCYCLE, Reason.REPORTED, id="blocked, of whatever class"),
        pytest.param(("B1433GMD", hit()), CAR, Reason.NOT_LISTED, id="another plate"),
        pytest.param(("B1433GMC", hit(valid_until=date(2026, 11, 23))), CAR, Reason.NOT_LISTED, id="listed until yesterday"),
        pytest.param(("B1433GMC", hit(listed_at=DAY + timedelta(hours=1))), CAR, Reason.NOT_LISTED, id="listed later that day"),
        pytest.param(("B1433GMC", hit(WatchReason.CLONED)), CAR, Reason.REPORTED, id="cloned, class unknown"),
        pytest.param(
            ("B1433GMC", hit(WatchReason.CLONED, vehicle=CAR)), CAR, Reason.NUMBER_FITS, id="the registered car of a cloned plate"
        ),
        pytest.param(("B1433GMC", hit(WatchReason.CLONED, vehicle=CAR)), MOTORCYCLE, Reason.REPORTED, id="a motorcycle with a car's plate"),
        pytest.param(("B1433GMC", hit(WatchReason.CLONED, vehicle=MOTORCYCLE)), CAR, Reason.REPORTED, id="a car with a motorcycle's plate"),
    ],
)
def test_who_is_reported(entry, listed, vehicle, expected) -> None:
    write(entry, listed)
    assert reason_of(decided(entry, plate(), vehicle=vehicle)) is expected


def test_a_hit_is_a_lead_and_names_no_source(entry) -> None:
    write(entry, ("B1433GMC", hit()), at=DAY - timedelta(hours=5))
    found = decided(entry, plate())
    assert isinstance(found, Finding) and found.marks == ("lead",)
    assert dict(found.facts) == {"listed_as": "stolen", "listed_number": "7", "listed_until": "2026-11-24"}
    assert found.measured[0].value == pytest.approx(5)
    law = load_law(configs_folder() / "law")
    assert law.article(RuleName("watch_list"), found.occurred_at, "Asia/Jakarta").max_fine_idr == 0


@pytest.mark.parametrize(
    "own", [plate(certainty=Certainty.CHECK), plate(frames=1), plate(None)], ids=["not certain", "read in one frame", "not read"]
)
def test_a_plate_that_is_not_certain_is_nobody_s(entry, own) -> None:
    write(entry, ("B1433GMC", hit()))
    assert reason_of(decided(entry, own)) is Reason.PLATE_NOT_CERTAIN


def test_an_old_list_reports_nobody(entry) -> None:
    write(entry, ("B1433GMC", hit()), at=DAY - timedelta(hours=49))
    assert reason_of(decided(entry, plate())) is Reason.LIST_TOO_OLD
    assert reason_of(decided({**entry, "max_age_h": 72}, plate())) is Reason.REPORTED


def test_the_file_holds_no_plate(entry) -> None:
    write(entry, ("B1433GMC", hit()))
    path = Path(str(entry["file"]))
    assert b"1433" not in path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    assert WatchFile.read(path).find("B1433GMC", DAY, date(2026, 11, 24)) == hit()
    write(entry, ("B1433GMC", hit()))
    assert len(set(WatchFile.read(path).entries)) == 1


def test_a_list_that_is_replaced_is_read_again_and_a_broken_one_is_not_used(entry) -> None:
    from test_plate_rules import OVER, IdentifiedVehicle, track

    write(entry, ("B1433GMD", hit()))
    tested, seen, path = rule(entry), track(OVER), Path(str(entry["file"]))
    passage = Finding(rule=tested.name, track=seen.id, first_sequence=0, vehicle=CAR, occurred_at=DAY, measured=())
    vehicle = IdentifiedVehicle(passage=passage, track=seen, plate=plate(), classless_plate=plate(), views=(), timezone="Asia/Jakarta")
    assert reason_of(tested.judge_plate(vehicle)) is Reason.NOT_LISTED
    write(entry, ("B1433GMC", hit()))
    os.utime(path, ns=(1, 1))
    assert reason_of(tested.judge_plate(vehicle)) is Reason.REPORTED
    path.write_text("{")
    assert reason_of(tested.judge_plate(vehicle)) is Reason.REPORTED


@pytest.mark.parametrize("content", [None, "{", '{"format": "other-1"}', '{"format": "etle-watch-list-1", "salt": "zz", "entries": {}}'])
def test_a_missing_or_broken_list_is_refused_at_the_start(entry, content) -> None:
    if content is not None:
        Path(str(entry["file"])).write_text(content)
    with pytest.raises(ConfigError, match=r"rule 'watch_list'.*(watch-list export|this version of etle reads)"):
        rule(entry)
