"""Articles, their fines, and the days on which they were in force."""

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from etle.config.law import Law, load_law
from etle.config.packaged import configs_folder
from etle.errors import ConfigError
from etle.types import RuleName

WIB, WITA, WIT = "Asia/Jakarta", "Asia/Makassar", "Asia/Jayapura"
RED = RuleName("red_light")
OLD, NEW = "UU 22/2009", "UU 22/2009 jo. UU 1/2026"


@pytest.fixture(scope="module")
def law() -> Law:
    return load_law(configs_folder() / "law")


def at(day: str, time: str, hours: int) -> datetime:
    return datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=timezone(timedelta(hours=hours)))


@pytest.mark.parametrize(
    ("moment", "zone", "expected"),
    [
        pytest.param(at("2026-01-01", "23:59:59", 7), WIB, OLD, id="Jakarta, the last second of the old law"),
        pytest.param(at("2026-01-02", "00:00:00", 7), WIB, NEW, id="Jakarta, the first second of the new one"),
        pytest.param(at("2026-01-01", "23:59:59", 8), WITA, OLD, id="Makassar, the last second"),
        pytest.param(at("2026-01-02", "00:00:00", 8), WITA, NEW, id="Makassar, the first second, when Jakarta has the day before"),
        pytest.param(at("2026-01-02", "00:00:00", 9), WIT, NEW, id="Jayapura, two hours before Jakarta"),
        pytest.param(datetime(2026, 1, 1, 15, 30, tzinfo=UTC), WIT, NEW, id="15:30 UTC is 2 January in Jayapura"),
        pytest.param(datetime(2026, 1, 1, 15, 30, tzinfo=UTC), WIB, OLD, id="15:30 UTC is 1 January in Jakarta"),
        pytest.param(at("2025-12-31", "12:00:00", 7), WIB, OLD, id="31 December 2025"),
        pytest.param(at("2026-11-23", "10:00:00", 7), WIB, NEW, id="today"),
    ],
)
def test_the_local_day_of_the_violation_selects_the_law(law: Law, moment: datetime, zone: str, expected: str) -> None:
    assert law.article(RED, moment, zone).law == expected


@pytest.mark.parametrize(
    ("rule", "offence", "article", "fine", "months_before"),
    [
        pytest.param("red_light", "RED", "Pasal 287 ayat (2) jo. Pasal 106 ayat (4) huruf c", 500_000, 2, id="traffic light"),
        pytest.param("stop_line", "SIGN/MARK", "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf b", 500_000, 2, id="road marking"),
        pytest.param(
            "wrong_way", "SIGN/MARK", "Pasal 287 ayat (1) jo. Pasal 106 ayat (4) huruf a dan b", 500_000, 2, id="against the traffic"
        ),
    ],
)
def test_fines_are_those_of_the_article(law: Law, rule: str, offence: str, article: str, fine: int, months_before: int) -> None:
    """UU 22/2009: article 287(1) and (2), "pidana kurungan paling lama 2 (dua) bulan atau denda paling banyak Rp500.000,00"."""
    for moment in (at("2025-12-31", "12:00:00", 7), at("2026-01-02", "12:00:00", 7)):
        found = law.article(RuleName(rule), moment, WIB)
        assert (found.offence, found.article, found.max_fine_idr) == (offence, article, fine)
        assert found.title_id and found.title_en
    before, after = law.offences[RuleName(rule)].versions
    assert (before.detention_months, after.detention_months) == (months_before, 0)


@given(st.dates(date(2009, 6, 22), date(2080, 1, 1)), st.sampled_from((WIB, WITA, WIT)))
def test_on_every_day_since_2009_exactly_one_version_is_in_force(law: Law, day: date, zone: str) -> None:
    moment = datetime(day.year, day.month, day.day, 4, tzinfo=UTC)
    for rule, offence in law.offences.items():
        in_force = [v for v in offence.versions if v.valid_from <= day and (v.valid_to is None or day <= v.valid_to)]
        assert len(in_force) == 1
        assert law.article(rule, moment, zone).law == in_force[0].law


def test_before_the_law_was_in_force_there_is_no_article(law: Law) -> None:
    with pytest.raises(ConfigError, match="no version of 'red_light' in force on 2009-06-21"):
        law.article(RED, at("2009-06-21", "12:00:00", 7), WIB)


def test_a_rule_without_an_offence_is_named(law: Law) -> None:
    with pytest.raises(ConfigError, match="have no offence for rule 'jaywalking'; they have offences for: red_light"):
        law.article(RuleName("jaywalking"), at("2026-01-02", "12:00:00", 7), WIB)


VERSION = {"valid_from": date(2020, 1, 1), "valid_to": None, "law": "UU", "article": "1", "max_fine_idr": 500_000, "detention_months": 0}
OFFENCE = {"offence": "RED", "rule": "red_light", "title_id": "a", "title_en": "b", "versions": [VERSION]}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(None, "has no law file", id="an empty folder"),
        pytest.param({"offences": [OFFENCE, OFFENCE]}, "rule 'red_light' already has an offence", id="two offences for one rule"),
        pytest.param({"offences": [OFFENCE | {"versions": [VERSION, VERSION]}]}, "overlap", id="two versions at once"),
        pytest.param({"offences": [OFFENCE | {"versions": []}]}, "versions: Tuple should have at least 1 item", id="no version"),
        pytest.param(
            {"offences": [OFFENCE | {"versions": [VERSION | {"valid_to": date(2019, 1, 1)}]}]},
            "is before valid_from",
            id="ends before it begins",
        ),
        pytest.param({"offences": [OFFENCE | {"versions": [VERSION | {"max_fine_idr": 0}]}]}, "greater than 0", id="a fine of zero"),
        pytest.param({"offences": [OFFENCE | {"article": "287"}]}, "offences[0].article: unknown key", id="an unknown key"),
        pytest.param({"offence": []}, "offence: unknown key; did you mean 'offences'?", id="a misspelt key"),
    ],
)
def test_a_wrong_law_file_is_refused(tmp_path: Path, document: object, message: str) -> None:
    if document is not None:
        (tmp_path / "law.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError) as error:
        load_law(tmp_path)
    assert message in str(error.value)
