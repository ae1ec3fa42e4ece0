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


VERSION = {"valid_from": date(2020, 1, 1), "valid_to": None, "law": "UU", "max_fine_idr": 500_000, "detention_months": 0}
OFFENCE = {"rule": "red_light", "offence": "RED", "penalty": "1", "duty": "2", "title_id": "a", "title_en": "b"}
CATEGORY = {"category": "I", "max_idr": 1_000_000, "law": "UU", "article": "3"}


def document(*offences: object, **version: object) -> dict[str, object]:
    """A law file with one penalty of one version."""
    return {"penalties": [{"article": "1", "versions": [VERSION | version]}], "offences": list(offences or (OFFENCE,))}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param(None, "has no law file", id="an empty folder"),
        pytest.param(document(OFFENCE, OFFENCE), "'red_light' is given twice", id="two offences for one rule"),
        pytest.param(document() | {"penalties": [{"article": "1", "versions": [VERSION, VERSION]}]}, "overlap", id="two versions at once"),
        pytest.param(document() | {"penalties": 2 * document()["penalties"]}, "'1' is given twice", id="one article twice"),
        pytest.param(
            document() | {"penalties": [{"article": "1", "versions": []}]}, "versions: Tuple should have at least 1 item", id="no version"
        ),
        pytest.param(document(valid_to=date(2019, 1, 1)), "is before valid_from", id="ends before it begins"),
        pytest.param(document(max_fine_idr=0), "greater than 0", id="a fine of zero"),
        pytest.param(document(OFFENCE | {"penalty": "4"}), "names '4', which is not among the penalties: 1", id="an unknown penalty"),
        pytest.param(document(fine_category="I"), "there is no fine category 'I'", id="an unknown category"),
        pytest.param(
            document(fine_category="I", max_fine_idr=1_000_001) | {"fine_categories": [CATEGORY]},
            "a fine of 1000001 exceeds category I",
            id="a fine above its category",
        ),
        pytest.param(document(OFFENCE | {"article": "287"}), "offences[0].article: unknown key", id="an unknown key"),
        pytest.param({"offence": []}, "offence: unknown key; did you mean 'offences'?", id="a misspelt key"),
    ],
)
def test_a_wrong_law_file_is_refused(tmp_path: Path, document: object, message: str) -> None:
    if document is not None:
        (tmp_path / "law.yaml").write_text(yaml.safe_dump(document))
    with pytest.raises(ConfigError) as error:
        load_law(tmp_path)
    assert message in str(error.value)
