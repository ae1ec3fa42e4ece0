"""Which violations of two runs are the same, what differs, and the page that shows it."""

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

pytest.importorskip("psycopg2", reason="needs the `store` extra")

from etle.runs.compare import Difference, as_json, compare, compared, score
from etle.testing import BEGIN, a_jpeg, a_violation
from etle.types import Box, Measurement, Verdict
from pipeline.explain.sentences import TextLanguage
from pipeline.reprocess.compare_page import comparison_page

HERE = compared(a_violation("1"))
OTHER_ID = a_violation("2").id


@pytest.mark.parametrize(
    "change, same",
    [
        pytest.param({}, True, id="another id at the same time and place"),
        pytest.param({"occurred_at": BEGIN + timedelta(seconds=1)}, True, id="a second later"),
        pytest.param({"occurred_at": BEGIN + timedelta(seconds=2)}, False, id="two seconds later"),
        pytest.param({"camera": "cam-2"}, False, id="another camera"),
        pytest.param({"rule": "stop_line"}, False, id="another rule"),
        pytest.param({"vehicle_box": Box(1, 1, 9, 9)}, False, id="another vehicle beside it"),
    ],
)
def test_the_same_violation_under_another_id_is_recognised_by_time_and_place(change, same):
    comparison = compare([HERE], [replace(HERE, id=OTHER_ID, **change)])
    assert (len(comparison.both), len(comparison.only_a), len(comparison.only_b)) == ((1, 0, 0) if same else (0, 1, 1))


def test_each_violation_is_matched_once_and_with_the_nearest():
    later = [replace(HERE, id=a_violation(str(number)).id, occurred_at=BEGIN + timedelta(seconds=number / 2)) for number in (2, 1)]
    comparison = compare([HERE], later)
    assert [pair.b.id for pair in comparison.both] == [later[1].id] and comparison.only_b == (later[0],)


@pytest.mark.parametrize(
    "change, differences",
    [
        pytest.param({}, (), id="nothing"),
        pytest.param({"plate": "B1"}, (Difference.PLATE,), id="plate"),
        pytest.param({"certainty": "check"}, (Difference.CERTAINTY,), id="certainty"),
        pytest.param({"probability": 0.5}, (), id="a probability that changes no class"),
        pytest.param(
            {"measured": (Measurement(name="time_into_red", value=1.5, unit="s", uncertainty=0.05),)}, (Difference.MEASUREMENT,), id="value"
        ),
        pytest.param({"measured": ()}, (Difference.MEASUREMENT,), id="a measurement that is missing"),
    ],
)
def test_what_differs_is_named(change, differences):
    assert compare([HERE], [replace(HERE, **change)]).both[0].differences == differences
    assert Difference.PLATE not in compare([HERE], [replace(HERE, **change)], plates=False).both[0].differences


def test_precision_and_recall_count_decided_cases_only():
    confirmed, warned, rejected = (
        replace(
            HERE, id=a_violation(str(number)).id, occurred_at=BEGIN + timedelta(minutes=number), verdict=verdict, decided_plate="B1432GMC"
        )
        for number, verdict in enumerate((Verdict.CONFIRM, Verdict.WARN, Verdict.REJECT))
    )
    found = [confirmed, rejected, replace(HERE, id=a_violation("new").id, occurred_at=BEGIN + timedelta(hours=1))]
    scored = score(found, [confirmed, warned, rejected])
    assert (scored.precision, scored.recall, scored.plates_right, scored.plates) == (0.5, 0.5, 1, 1)
    assert score([], [rejected]).precision is None


def test_the_page_shows_what_differs_with_pictures_and_refers_to_nothing_outside():
    one, gone, new = HERE, replace(HERE, id=OTHER_ID, camera="cam-9"), replace(HERE, id=a_violation("3").id, camera="<b>")
    comparison = replace(compare([one, gone], [replace(one, plate="B1432GMG"), new]), a="live", b="again")

    def read(run: str, digest: str) -> bytes:
        if run == "again":
            raise KeyError(digest)
        return a_jpeg()

    page = comparison_page(comparison, read, TextLanguage.ID, ZoneInfo("Asia/Jakarta"))
    assert "Hanya di live: 1" in page and "Hanya di again: 1" in page and '<span class="diff">B1432GMG' in page
    assert page.count("<img") == page.count('<img src="data:image/jpeg;base64,') == 2 and page.count("gambar tidak tersedia") == 2
    assert "<b>,</b>" not in page and "&lt;b&gt;" in page and "http" not in page
    assert "Only in live: 1" in comparison_page(comparison, read, TextLanguage.EN, ZoneInfo("Asia/Jakarta"))
    assert as_json(comparison)["changed"][0]["differences"] == ["plate"]
