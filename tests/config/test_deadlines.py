"""Deadlines of the ETLE process: whose days hold, from when, and until which moment."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from etle.config.law import load_law
from etle.config.packaged import configs_folder
from etle.errors import ConfigError
from etle.types import DeadlineStep

LAW_FOLDER = configs_folder() / "law"
SHIPPED = load_law(LAW_FOLDER).deadline_table
LETTER = DeadlineStep.LETTER
WIB, WITA, WIT = "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("polda", "occurred_at", "zone", "ends"),
    [
        pytest.param(None, "2026-11-24T07:00", WIB, ["11-27", "12-02", "12-02", "12-09"], id="H+3, H+8, H+15 everywhere"),
        pytest.param("metro-jaya", "2026-11-24T07:00", WIB, ["11-27", "12-02", "12-02", "12-09"], id="a Polda without its own"),
        pytest.param("kepulauan-bangka-belitung", "2026-11-24T07:00", WIB, ["11-27", "12-04", "12-04", "12-09"], id="H+10 in Babel"),
        pytest.param(None, "2026-11-24T16:59:59", WIB, ["11-27", "12-02", "12-02", "12-09"], id="the last second of the day in Jakarta"),
        pytest.param(None, "2026-11-24T17:00:00", WIB, ["11-28", "12-03", "12-03", "12-10"], id="the first second of the next day"),
        pytest.param(None, "2026-11-24T16:00:00", WITA, ["11-28", "12-03", "12-03", "12-10"], id="the same in Makassar, an hour earlier"),
        pytest.param(None, "2026-11-24T15:00:00", WIT, ["11-28", "12-03", "12-03", "12-10"], id="and in Jayapura, two hours earlier"),
        pytest.param(None, "2026-12-30T07:00", WIB, ["01-02", "01-07", "01-07", "01-14"], id="over the end of the year"),
        pytest.param(None, "2021-12-31T16:00", WIB, [], id="before the first version"),
    ],
)
def test_the_last_days(polda: str | None, occurred_at: str, zone: str, ends: list[str]) -> None:
    found = SHIPPED.deadlines(polda, utc(occurred_at), zone)
    midnight = {WIB: 17, WITA: 16, WIT: 15}[zone]
    assert [f"{each.ends_at:%m-%d}" for each in found] == ends
    assert all((each.ends_at.hour, each.ends_at.minute) == (midnight, 0) for each in found)
    assert not found or tuple(each.step for each in found) == tuple(DeadlineStep)


VERSION = {
    "valid_from": date(2022, 1, 1),
    "valid_to": None,
    "source": "SOP",
    "letter_days": 2,
    "confirmation_days": 7,
    "block_unconfirmed_days": 7,
    "block_unpaid_days": 14,
}


def own_file(folder: Path, *entries: object) -> Path:
    path = folder / "deadlines.yaml"
    path.write_text(yaml.safe_dump({"deadlines": list(entries)}))
    return path


def entry(polda: str | None, *versions: object) -> dict[str, object]:
    return {"polda": polda, "name": "Polda", "versions": list(versions)}


def test_a_change_holds_for_violations_from_its_day_on(tmp_path: Path) -> None:
    old, new = VERSION | {"valid_to": date(2026, 6, 30)}, VERSION | {"valid_from": date(2026, 7, 1), "letter_days": 5}
    table = load_law(LAW_FOLDER, own_file(tmp_path, entry("metro-jaya", old, new))).deadline_table
    days = {
        day: table.deadlines("metro-jaya", utc(f"{day}T05:00"), WIB)[0].ends_at - utc(f"{day}T17:00")
        for day in ("2026-06-30", "2026-07-01")
    }
    assert days == {"2026-06-30": timedelta(days=2), "2026-07-01": timedelta(days=5)}
    assert table.deadlines("banten", utc("2026-07-01T05:00"), WIB) == SHIPPED.deadlines(None, utc("2026-07-01T05:00"), WIB)


@given(
    st.integers(0, 10 * 365 * 24).map(lambda hours: utc("2019-01-01T00:30") + timedelta(hours=hours)),
    st.sampled_from((None, "metro-jaya", "kepulauan-bangka-belitung", "banten")),
)
def test_the_list_of_cases_has_the_days_of_the_pages(occurred_at: datetime, polda: str | None) -> None:
    periods = [each for each in SHIPPED.letter_periods(WIB) if each.covers(polda, occurred_at)]
    deadlines = SHIPPED.deadlines(polda, occurred_at, WIB)
    assert len(periods) == (1 if deadlines else 0)
    if deadlines:
        left = deadlines[0].ends_at - (occurred_at + timedelta(days=periods[0].days))
        assert timedelta() < left <= timedelta(days=1)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        pytest.param((), "at least 1 item", id="none"),
        pytest.param((entry("a"),), "versions: Tuple should have at least 1 item", id="no version"),
        pytest.param((entry("a", VERSION), entry("a", VERSION)), "'a' is given twice", id="a Polda twice"),
        pytest.param((entry("a", VERSION, VERSION),), "overlap", id="two versions at once"),
        pytest.param((entry("a", VERSION | {"valid_to": date(2021, 1, 1)}),), "is before valid_from", id="ends before it begins"),
        pytest.param((entry("a", VERSION | {"confirmation_days": 1}),), "confirmation_days (1) end before letter_days (2)", id="order"),
        pytest.param((entry("a", VERSION | {"letter_days": -1}),), "greater than or equal to 0", id="a negative number"),
        pytest.param((entry("a", VERSION | {"letter_day": 3}),), "letter_day: unknown key; did you mean 'letter_days'?", id="misspelt"),
        pytest.param((entry("Metro Jaya", VERSION),), "should match pattern", id="no name"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, entries: tuple[object, ...], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_law(LAW_FOLDER, own_file(tmp_path, *entries))
    assert message in str(error.value)
