"""Both languages have the same texts, the pages use no text that is missing, and numbers are written as each language does."""

import re
import string
from datetime import UTC, datetime
from pathlib import Path

import pytest

from etle.types import Lamp, Measurement, PlateColour, VehicleClass, Verdict
from pipeline.evidence.marks import MARKS
from pipeline.evidence.writer import REPEATED_MARK
from pipeline.workers.write import UNSIGNED_MARK
from review import app
from review.decisions import REASONS
from review.i18n import Language, Translator, translator
from review.views.verdict import verdict_views

PACKAGE = Path(app.__file__).parent
INDONESIAN, ENGLISH = translator(Language.INDONESIAN), translator(Language.ENGLISH)


def test_both_languages_have_the_same_keys() -> None:
    assert set(INDONESIAN.texts) ^ set(ENGLISH.texts) == set()


def test_both_languages_have_the_same_placeholders() -> None:
    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}

    differing = [key for key in INDONESIAN.texts if places(INDONESIAN.texts[key]) != places(ENGLISH.texts[key])]
    assert differing == []


@pytest.mark.parametrize("t", [INDONESIAN, ENGLISH], ids=lambda t: t.language)
def test_no_text_is_empty(t: Translator) -> None:
    assert [key for key, text in t.texts.items() if not isinstance(text, str) or not text.strip()] == []


def test_every_text_that_a_page_uses_exists() -> None:
    named = set()
    for path in [*PACKAGE.glob("templates/*.html"), *PACKAGE.rglob("*.py")]:
        named |= set(re.findall(r'\b(?:t|translator_of\(request\))\(\s*"([a-z_]+\.[a-z0-9_.]+)"', path.read_text("utf-8")))
    assert len(named) > 100
    assert sorted(named - set(INDONESIAN.texts)) == []


def test_every_text_that_a_drawing_script_uses_exists_and_is_used() -> None:
    scripts = "".join(path.read_text("utf-8") for path in PACKAGE.glob("static/drawing/*.js"))
    used = set(re.findall(r"\btexts\.([a-z_]+)", scripts)) | set(re.findall(r'texts\["([a-z_.]+)"\]', scripts))
    stems = set(re.findall(r"texts\[`([a-z_]+)\.\$", scripts))
    known = {key.removeprefix("draw.js.") for key in ENGLISH.texts if key.startswith("draw.js.")}
    assert used - known == set()
    assert {key for key in known if key not in used and key.partition(".")[0] not in stems} == set()


def test_every_enum_member_has_a_text() -> None:
    keys = {f"vehicle.{each}" for each in VehicleClass} | {f"lamp.{each}" for each in Lamp} | {f"colour.{each}" for each in PlateColour}
    keys |= {f"reason.{code}" for codes in REASONS.values() for code in codes}
    keys |= {f"mark.{name}{part}" for name in (*MARKS, UNSIGNED_MARK, REPEATED_MARK) for part in ("", ".help")}
    keys |= {f"verdict.{each}.{part}" for each in Verdict for part in ("button", "label", "key", "help")}
    assert sorted(keys - set(INDONESIAN.texts)) == []


def test_a_new_verdict_needs_texts_only() -> None:
    texts = {"verdict.refer.button": "Refer", "verdict.refer.label": "Referred", "verdict.refer.key": "W", "verdict.refer.help": "Refer"}
    views = verdict_views(Translator(Language.ENGLISH, {**ENGLISH.texts, **texts}), [*Verdict, "refer"])
    assert [view.verdict for view in views] == ["confirm", "warn", "refer", "reject"]
    assert (views[2].label, views[2].key, views[2].reasons) == ("Referred", "W", ())


@pytest.mark.parametrize("t", [INDONESIAN, ENGLISH], ids=lambda t: t.language)
def test_each_key_does_one_thing(t: Translator) -> None:
    script = (PACKAGE / "static" / "case.js").read_text("utf-8")
    actions = re.findall(r"^  ([a-z]): \(\) =>", script, re.MULTILINE)
    assert len(actions) > 5
    keys = [*actions, *(view.key.lower() for view in verdict_views(t))]
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize(
    "value, uncertainty, indonesian, english",
    [
        pytest.param(4.5071, 0.04, "4,507 ± 0,080 s", "4.507 ± 0.080 s", id="uncertainty of hundredths: thousandths are shown"),
        pytest.param(4.5071, 0.06, "4,51 ± 0,12 s", "4.51 ± 0.12 s", id="uncertainty of tenths: hundredths are shown"),
        pytest.param(19.57, 2.1, "19,6 ± 4,2 s", "19.6 ± 4.2 s", id="uncertainty of units: tenths are shown"),
        pytest.param(1234.5, 21.0, "1.234 ± 42 s", "1,234 ± 42 s", id="uncertainty of tens: whole numbers with a thousands separator"),
        pytest.param(-0.5, 0.3, "−0,50 ± 0,60 s", "−0.50 ± 0.60 s", id="a negative value has a minus sign, not a hyphen"),
        pytest.param(3.14159, None, "3,1 s", "3.1 s", id="without an uncertainty one decimal is shown"),
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
        pytest.param("Asia/Singapore", "Rab 25 Nov 2026 02:30:05,25 UTC+0800", id="other zones show their offset"),
    ],
)
def test_a_moment_is_shown_in_the_local_time_of_the_camera(timezone: str, expected: str) -> None:
    moment = datetime(2026, 11, 24, 18, 30, 5, 250_000, tzinfo=UTC)
    assert f"{INDONESIAN.date(moment, timezone)} {INDONESIAN.time(moment, timezone, digits=2)}" == expected


def test_only_a_probability_of_one_is_a_hundred_percent() -> None:
    assert [INDONESIAN.percent(p) for p in (1.0, 0.999, 0.29, 0.0)] == ["100 %", "99 %", "29 %", "0 %"]
