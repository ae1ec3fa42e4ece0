"""Both dictionaries say the same things, the pages say nothing that is in neither, and numbers are written as each language does."""

import re
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etle.types import Lamp, Measurement, PlateColour, VehicleClass, Verdict
from review.i18n import Language, Wording, wording
from review.pages import VERDICT_LABELS
from review.views import case as case_view

PACKAGE = Path(case_view.__file__).parent
INDONESIAN, ENGLISH = wording(Language.INDONESIAN), wording(Language.ENGLISH)


def test_both_languages_have_the_same_keys() -> None:
    assert set(INDONESIAN.texts) ^ set(ENGLISH.texts) == set()


def test_both_languages_fill_in_the_same_places() -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    differing = [key for key in INDONESIAN.texts if places(INDONESIAN.texts[key]) != places(ENGLISH.texts[key])]
    assert differing == []


@pytest.mark.parametrize("words", [INDONESIAN, ENGLISH], ids=lambda words: words.language)
def test_no_text_is_empty(words: Wording) -> None:
    assert [key for key, text in words.texts.items() if not isinstance(text, str) or not text.strip()] == []


def test_every_text_that_a_page_names_is_there() -> None:
    named = set()
    for path in [*PACKAGE.glob("templates/*.html"), *PACKAGE.glob("*.py")]:
        named |= set(re.findall(r'\b(?:t|words|wording_of\(request\))\(\s*"([a-z_]+\.[a-z0-9_.]+)"', path.read_text("utf-8")))
    assert len(named) > 100
    assert sorted(named - set(INDONESIAN.texts)) == []


def test_every_choice_has_its_word() -> None:
    keys = {f"vehicle.{each}" for each in VehicleClass} | {f"lamp.{each}" for each in Lamp} | {f"colour.{each}" for each in PlateColour}
    keys |= {f"reason.{each}" for each in case_view.REASONS} | {VERDICT_LABELS[each] for each in Verdict}
    assert sorted(keys - set(INDONESIAN.texts)) == []


@pytest.mark.parametrize(
    "value, uncertainty, indonesian, english",
    [
        pytest.param(4.5071, 0.04, "4,507 ± 0,080 s", "4.507 ± 0.080 s", id="a hundredth is known: thousandths are shown"),
        pytest.param(4.5071, 0.06, "4,51 ± 0,12 s", "4.51 ± 0.12 s", id="a tenth is known: hundredths are shown"),
        pytest.param(19.57, 2.1, "19,6 ± 4,2 s", "19.6 ± 4.2 s", id="units are known: tenths are shown"),
        pytest.param(1234.5, 21.0, "1.234 ± 42 s", "1,234 ± 42 s", id="tens are known: whole numbers, with thousands apart"),
        pytest.param(-0.5, 0.3, "−0,50 ± 0,60 s", "−0.50 ± 0.60 s", id="a negative value has a real minus"),
        pytest.param(3.14159, None, "3,1 s", "3.1 s", id="without an uncertainty no digits are promised"),
    ],
)
def test_a_measured_value_shows_its_interval(value: float, uncertainty: float | None, indonesian: str, english: str) -> None:
    measurement = Measurement(name="x", value=value, unit="s", uncertainty=uncertainty)
    assert (INDONESIAN.interval(measurement), ENGLISH.interval(measurement)) == (indonesian, english)


@pytest.mark.parametrize(
    "timezone, expected",
    [
        pytest.param("Asia/Jakarta", "Rab 25 Nov 2026 01:30:05,25 WIB", id="western time, already the next day"),
        pytest.param("Asia/Makassar", "Rab 25 Nov 2026 02:30:05,25 WITA", id="central time"),
        pytest.param("Asia/Jayapura", "Rab 25 Nov 2026 03:30:05,25 WIT", id="eastern time"),
        pytest.param("Asia/Singapore", "Rab 25 Nov 2026 02:30:05,25 UTC+0800", id="elsewhere the offset is told"),
    ],
)
def test_a_moment_is_told_in_the_cameras_own_time(timezone: str, expected: str) -> None:
    moment = datetime(2026, 11, 24, 18, 30, 5, 250_000, tzinfo=UTC)
    assert f"{INDONESIAN.date(moment, timezone)} {INDONESIAN.time(moment, timezone, digits=2)}" == expected


def test_only_what_is_certain_is_a_hundred_percent() -> None:
    assert [INDONESIAN.percent(p) for p in (1.0, 0.999, 0.29, 0.0)] == ["100 %", "99 %", "29 %", "0 %"]
