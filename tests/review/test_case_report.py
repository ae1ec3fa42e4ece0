"""The report of a case: a PDF whose objects are where its table says, with the original pictures inside."""

import re
import zlib
from dataclasses import replace

import pytest

pytest.importorskip("argon2", reason="needs the `review` extra")

from etle.testing import BEGIN, a_decision, a_violation_message
from etle.types import Case, Verdict
from review.i18n import Language
from review.report.case_report import ReportFacts, case_report
from review.report.pdf import PdfPage, pdf_of, text_width, wrapped

MESSAGE = a_violation_message()
FACTS = ReportFacts(exported_at="Sen 23 Nov 2026", manifest_key="ab" * 32, log_entries=5, covered=4)
PICTURES = {file.sha256: file.data for file in MESSAGE.files if file.suffix == ".jpg"}


def a_case(note: str = "lihat klip") -> Case:
    decision = replace(a_decision(MESSAGE.violation, Verdict.REJECT), note=note)
    return Case(violation=MESSAGE.violation, recorded_at=BEGIN, decisions=(decision,), assigned_to=None)


def text_of(pdf: bytes) -> str:
    """What the pages draw, in order."""
    streams = re.findall(rb"/FlateDecode /Length \d+ >>\nstream\n(.*?)\nendstream", pdf, re.DOTALL)
    content = b"\n".join(zlib.decompress(stream) for stream in streams).decode("latin-1")
    return "\n".join(re.findall(r"\((.*)\) Tj", content))


def test_every_object_is_where_the_table_says() -> None:
    pdf = case_report(a_case(), PICTURES, FACTS)
    start = int(re.findall(rb"startxref\n(\d+)\n", pdf)[-1])
    assert pdf[start:].startswith(b"xref")
    offsets = [int(each) for each in re.findall(rb"^(\d{10}) 00000 n ", pdf[start:], re.MULTILINE)]
    for number, offset in enumerate(offsets, 1):
        assert pdf[offset:].startswith(b"%d 0 obj" % number)
    for jpeg in PICTURES.values():
        assert jpeg in pdf


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            Language.INDONESIAN,
            ["Berkas Bukti Pelanggaran Lalu Lintas", "B 1432 GMC", "Melanggar lampu merah", "10:00:00,00 WIB", "lihat klip"],
        ),
        (Language.ENGLISH, ["Evidence of a Traffic Violation", "B 1432 GMC", "Running a red light", "10:00:00.00 WIB", "lihat klip"]),
    ],
)
def test_the_report_says_what_happened_and_was_decided(language: Language, words: list[str]) -> None:
    text = text_of(case_report(a_case(), PICTURES, FACTS, language))
    for word in [*words, "ab" * 32, *PICTURES]:
        assert word in text


def test_brackets_and_letters_of_other_scripts_do_not_break_the_document() -> None:
    text = text_of(case_report(a_case(r"a) b( \ 漢字 é"), PICTURES, FACTS))
    assert r"a\) b\( \\ ?? " in text and "é" in text


def test_a_long_note_is_wrapped_and_continued_on_the_next_page() -> None:
    pdf = case_report(a_case("keterangan " * 2000), PICTURES, FACTS)
    assert text_of(pdf).count("keterangan") == 2000
    assert int(re.findall(rb"/Count (\d+)", pdf)[0]) > 4


@pytest.mark.parametrize("text", ["satu dua tiga empat lima", "a" * 200, "", "x\n\ny"])
def test_wrapped_lines_are_not_wider_than_the_column(text: str) -> None:
    lines = wrapped(text, 10, 60)
    assert all(text_width(line, 10) <= 60 for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_page_without_anything_is_a_page() -> None:
    assert b"/Count 1" in pdf_of([PdfPage()], "kosong")


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (Language.INDONESIAN, ["Sertifikat alat", "KAL-2026-118", "Sertifikat saat kejadian", "berlaku"]),
        (Language.ENGLISH, ["Certificate of the device", "KAL-2026-118", "Certificate at the moment", "valid"]),
    ],
)
def test_the_report_names_device_and_certificate(language: Language, words: list[str]) -> None:
    facts = (("device", "Acme, RS-0017"), ("certificate", "KAL-2026-118"), ("certificate_state", "valid"))
    case = a_case()
    text = text_of(case_report(replace(case, violation=replace(case.violation, facts=facts)), PICTURES, FACTS, language))
    for word in words:
        assert word in text.splitlines()
