"""The views of a case and of its parts."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from review_cases import STARTS_AT, CaseSpec, moment, violation_message

from etle.types import Case, EvidenceRole, Lamp, Measurement, Violation
from review.i18n import Language, translator
from review.views.case import case_view
from review.views.measurement import measurement_views
from review.views.plate import CharacterConfidence, check_plate, plate_cells, plate_view, trust
from review.views.signal import lamp_at, signal_view

INDONESIAN = translator(Language.INDONESIAN)


@pytest.fixture(scope="module")
def violation(tmp_path_factory: pytest.TempPathFactory) -> Violation:
    return violation_message(
        CaseSpec(name="view", doubtful=5, alternatives=(("B1432CMC", 0.3), ("B1432GMC", 0.6))), tmp_path_factory.mktemp("view")
    ).violation


@pytest.mark.parametrize(
    "probability, expected",
    [
        (1.0, CharacterConfidence.SURE),
        (0.98, CharacterConfidence.SURE),
        (0.97, CharacterConfidence.FAIR),
        (0.90, CharacterConfidence.FAIR),
        (0.89, CharacterConfidence.DOUBT),
        (0.0, CharacterConfidence.DOUBT),
    ],
)
def test_a_character_is_trusted_by_its_probability(probability: float, expected: CharacterConfidence) -> None:
    assert trust(probability) is expected


def test_the_plate_is_shown_character_by_character_with_its_gaps(violation: Violation) -> None:
    cells = plate_cells(violation.plate, INDONESIAN)
    assert "".join(cell.character or " " for cell in cells) == "B 1432 GMC"
    assert [cell.character for cell in cells if cell.trust is CharacterConfidence.DOUBT] == ["G"]
    assert next(cell for cell in cells if cell.trust is CharacterConfidence.DOUBT).others == (("8", "30 %"),)


def test_a_plate_without_text_has_no_cells(tmp_path: Path) -> None:
    view = plate_view(violation_message(CaseSpec(name="blank", plate=None), tmp_path).violation, INDONESIAN)
    assert (view.cells, view.text, view.crop, view.alternatives) == ((), "", None, ())


def test_the_alternatives_leave_out_what_was_read(violation: Violation) -> None:
    assert plate_view(violation, INDONESIAN).alternatives == (("B 1432 CMC", "30 %"),)


def test_the_large_crop_is_from_the_picture_kept_for_its_plate(violation: Violation) -> None:
    kept = next(picture for picture in violation.pictures if picture.role is EvidenceRole.PLATE)
    crop = plate_view(violation, INDONESIAN).crop
    assert crop is not None and kept.plate_box is not None
    assert crop.digest == kept.sha256
    assert crop.window.x1 < kept.plate_box.x1 and kept.plate_box.x2 < crop.window.x2
    assert crop.window.width == pytest.approx(3 * crop.window.height)


@pytest.mark.parametrize(
    "step, expected",
    [
        pytest.param(-1, None, id="before the first reading"),
        pytest.param(0, Lamp.YELLOW, id="at the first reading"),
        pytest.param(4.9, Lamp.YELLOW, id="just before the next reading"),
        pytest.param(5, Lamp.RED, id="at the next reading"),
        pytest.param(29, Lamp.RED, id="at the end"),
    ],
)
def test_the_lamp_at_a_moment(violation: Violation, step: float, expected: Lamp | None) -> None:
    assert lamp_at(violation, STARTS_AT + timedelta(seconds=step / 10)) is expected


def test_the_signal_at_the_violation_is_shown_with_its_duration(violation: Violation) -> None:
    view = signal_view(violation, INDONESIAN)
    assert view is not None
    assert (view.lamp, view.for_s, view.at_least) == (Lamp.RED, "1,43", False)
    assert sum(segment.width for segment in view.segments) == pytest.approx(1000)
    assert [segment.lamp for segment in view.segments] == [Lamp.YELLOW, Lamp.RED]


def test_the_duration_of_a_lamp_that_never_changed_is_a_lower_limit(violation: Violation) -> None:
    view = signal_view(replace(violation, signal=(replace(violation.signal[1], captured_at=moment(0)),)), INDONESIAN)
    assert view is not None and view.at_least


def test_a_rule_without_a_signal_shows_none(violation: Violation) -> None:
    assert signal_view(replace(violation, signal=()), INDONESIAN) is None


@pytest.mark.parametrize("value, touches", [(0.09, True), (0.11, False), (-0.1, True)])
def test_an_interval_that_includes_zero_is_marked(violation: Violation, value: float, touches: bool) -> None:
    measured = Measurement(name="x", value=value, unit="s", uncertainty=0.05)
    assert measurement_views(replace(violation, measured=(measured,)), INDONESIAN)[0].touches_zero is touches


@pytest.mark.parametrize(
    "typed, text, shown, is_plate",
    [
        pytest.param("b 1432 gmc", "B1432GMC", "B 1432 GMC", True, id="lower case and spaces"),
        pytest.param(" b-1432-gmc ", "B-1432-GMC", "B-1432-GMC", False, id="hyphens are not part of a civil plate"),
        pytest.param("B 1432 CMCX9", "B1432CMCX9", "B1432CMCX9", False, id="too long"),
        pytest.param("", "", "", False, id="empty"),
    ],
)
def test_a_typed_plate_is_checked_against_the_grammar(violation: Violation, typed: str, text: str, shown: str, is_plate: bool) -> None:
    checked = check_plate(typed, violation, INDONESIAN)
    assert (checked.text, checked.formatted, checked.is_plate) == (text, shown, is_plate)


def test_a_number_of_another_vehicle_class_is_noted(violation: Violation) -> None:
    assert check_plate("B 6174 WWZ", violation, INDONESIAN).notes == (
        "Nomor termasuk golongan kendaraan lain: salah baca atau pelat tiruan?",
    )


def test_pictures_are_in_order_of_time_with_their_offset_from_the_violation(violation: Violation) -> None:
    view = case_view(Case(violation=violation, recorded_at=STARTS_AT, decisions=(), assigned_to=None), INDONESIAN)
    assert [(picture.role.value, picture.relative) for picture in view.pictures] == [
        ("before", "−0,93 dtk"),
        ("at", "+0,07 dtk"),
        ("after", "+0,87 dtk"),
    ]
    assert [picture.lamp for picture in view.pictures] == [Lamp.RED] * 3


@pytest.mark.parametrize(
    "facts, name",
    [
        ((), "Kecepatan (petunjuk, bukan hasil alat ukur)"),
        ((("limit", "50 km/h"),), "Kecepatan (petunjuk, bukan hasil alat ukur)"),
        ((("certificate", "M-7, radar 3, 2026-01-01 - 2027-01-01"),), "Kecepatan (alat bersertifikat)"),
    ],
)
def test_a_speed_is_a_lead_unless_a_certified_device_measured_it(
    violation: Violation, facts: tuple[tuple[str, str], ...], name: str
) -> None:
    speed = Measurement(name="speed", value=72.0, unit="km/h", uncertainty=1.5)
    (view,) = measurement_views(replace(violation, measured=(speed,), facts=facts), INDONESIAN)
    assert view.name == name
