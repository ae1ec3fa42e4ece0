"""The case of a vendor's device: device, certificate, validity and measurement on its page, in both languages, and in the report."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from review_app import RunningReview, SignedInUser
from review_cases import CaseSpec, of_device, violation_message

from etle.types import Case
from review.i18n import Language, translator
from review.views.fact import fact_views, is_certified

SignIn = Callable[..., SignedInUser]


def assigned(review: RunningReview, user: SignedInUser, spec: CaseSpec, **facts: str) -> Case:
    review.empty_queue()
    message = violation_message(spec, review.folder)
    violation = of_device(message.violation, **facts)
    files = tuple(file for file in message.files if file.suffix == ".jpg")
    for file in files:
        review.evidence.put(file.data, file.suffix)
    review.cases.add(violation, files)
    assert user.post("/next").headers["location"] == f"/cases/{violation.id}"
    return review.case_of(violation.id)


def shown(page: str) -> dict[str, str]:
    rows = page.split('<dl id="facts">')[1].split("</dl>")[0].split("<div><dt>")[1:]
    return {row.split("</dt>")[0]: row.split("<dd>")[1].split("</dd>")[0] for row in rows}


def test_the_page_shows_device_certificate_validity_and_measurement(review: RunningReview, reviewer: SignedInUser) -> None:
    case = assigned(review, reviewer, CaseSpec(name="device"))
    page = reviewer.get(f"/cases/{case.violation.id}").text
    assert shown(page) == {
        "Alat": "Acme Radar 9, RS-0017, 2.4",
        "Vendor": "acme",
        "Sertifikat alat": "KAL-2026-118",
        "Disertifikasi oleh": "Direktorat Metrologi",
        "Masa berlaku sertifikat": "2026-01-01 – 2026-12-31",
        "Sertifikat saat kejadian": "berlaku",
        "Batas": "60 km/h",
        "Toleransi": "3 km/h",
    }
    assert "<dt>Kecepatan (alat bersertifikat)</dt><dd>83,4 ± 1,0 km/h" in page and 'id="marks"' not in page
    reviewer.browser.cookies.set("etle_language", "en")
    page = reviewer.get(f"/cases/{case.violation.id}").text
    assert (
        shown(page)["Certificate at the moment"] == "valid" and "<dt>Speed (of a device with a certificate)</dt><dd>83.4 ± 1.0 km/h" in page
    )


@pytest.mark.parametrize(
    ("state", "indonesian", "english"),
    [
        ("none", "tidak ada: petunjuk, bukan bukti", "none: a lead, not proof"),
        ("expired", "sudah habis: petunjuk, bukan bukti", "expired: a lead, not proof"),
        ("not_yet_valid", "belum berlaku: petunjuk, bukan bukti", "not yet valid: a lead, not proof"),
        ("other_number", "alat menyebut sertifikat lain: petunjuk, bukan bukti", "the event names another one: a lead, not proof"),
    ],
)
def test_without_a_valid_certificate_the_page_says_that_it_is_a_lead(
    review: RunningReview, reviewer: SignedInUser, state: str, indonesian: str, english: str
) -> None:
    case = assigned(review, reviewer, CaseSpec(name=f"device {state}"), certificate_state=state)
    page = reviewer.get(f"/cases/{case.violation.id}").text
    assert shown(page)["Sertifikat saat kejadian"] == indonesian
    assert 'id="marks"' in page and "<dt>Kecepatan (petunjuk" in page, "the measurement is no instrument's reading"
    reviewer.browser.cookies.set("etle_language", "en")
    assert shown(reviewer.get(f"/cases/{case.violation.id}").text)["Certificate at the moment"] == english


def test_a_device_s_case_can_be_decided(review: RunningReview, reviewer: SignedInUser) -> None:
    case = assigned(review, reviewer, CaseSpec(name="device decided"))
    reviewer.decide(case, "confirm", plate="B1432GMC")
    assert review.reload(case).decisions[-1].plate_text == "B1432GMC"


@pytest.mark.parametrize(
    ("facts", "certified"),
    [
        pytest.param({"certificate": "1", "certificate_state": "valid"}, True, id="a device with a valid one"),
        pytest.param({"certificate": "1", "certificate_state": "expired"}, False, id="an expired one"),
        pytest.param({"certificate_state": "none"}, False, id="none"),
        pytest.param({"certificate": "1, radar, 2026"}, True, id="a camera's rule, which names a valid one only"),
        pytest.param({"zone": "utara"}, False, id="a camera without one"),
    ],
)
def test_which_measurements_are_an_instrument_s(tmp_path: Path, facts: dict[str, str], certified: bool) -> None:
    violation = replace(violation_message(CaseSpec(name="x"), tmp_path).violation, facts=tuple(facts.items()))
    assert is_certified(violation) is certified
    assert len(fact_views(violation, translator(Language.ENGLISH))) == len(facts)
