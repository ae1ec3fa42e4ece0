"""The report of a case for people outside of the office: what was seen, measured and decided, the pictures, and how to verify them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final

from etle.plates import formatted
from etle.types import Box, Case, Digest, EvidencePicture
from review.i18n import Language, Translator, translator
from review.report.pdf import HEIGHT, WIDTH, PdfPage, pdf_of, text_width, wrapped
from review.views.decision import DecisionView, decision_view
from review.views.fact import fact_views
from review.views.mark import mark_views
from review.views.measurement import measurement_views

MARGIN: Final = 46.0
BODY: Final = WIDTH - 2 * MARGIN
_LABEL: Final = 132.0
"""Width of the column of labels."""
_VEHICLE: Final = (0.95, 0.65, 0.0)
_PLATE: Final = (0.0, 0.55, 0.9)
_MAX_PICTURE: Final = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFacts:
    """What the report says about the package around it."""

    exported_at: str
    """In words, with the time zone."""
    manifest_key: str
    """Fingerprint."""
    log_entries: int
    covered: int
    """Entries that an exported head covers."""


def case_report(case: Case, pictures: Mapping[Digest, bytes], facts: ReportFacts, language: Language = Language.INDONESIAN) -> bytes:
    """A PDF. `pictures`: the JPEGs by digest. Raises FrameBroken if one is not a JPEG, KeyError if one is missing."""
    t = translator(language)
    layout = _Layout(t("report.title"), f"{t('report.case')} {case.violation.id}")
    _facts(layout, case, t)
    _decisions(layout, case, t)
    _pictures(layout, case, pictures, t)
    _verification(layout, case, facts, t)
    return pdf_of(layout.finished(t), f"{t('report.title')} {case.violation.id}")


class _Layout:
    """Adds blocks from top to bottom, and pages as needed."""

    def __init__(self, title: str, subtitle: str) -> None:
        self._pages: list[PdfPage] = []
        self._subtitle = subtitle
        self._new_page()
        self._page.text(MARGIN, 66, title, 18, bold=True)
        self._page.text(MARGIN, 84, subtitle, 9)
        self._page.line(MARGIN, 94, WIDTH - MARGIN, 94, width=1)
        self._y = 100.0

    def heading(self, text: str) -> None:
        self._reserve(60)
        self._y += 20
        self._page.text(MARGIN, self._y, text, 12, bold=True)
        self._y += 6

    def row(self, label: str, text: str, *, bold: bool = False, size: float = 10) -> None:
        lines = wrapped(text, size, BODY - _LABEL, bold=bold)
        for name, line in zip_longest(wrapped(label, 9, _LABEL - 8), lines, fillvalue=""):
            self._reserve(size + 5)
            self._y += size + 4
            self._page.text(MARGIN, self._y, name, 9)
            self._page.text(MARGIN + _LABEL, self._y, line, size, bold=bold)

    def paragraph(self, text: str, size: float = 9) -> None:
        for line in wrapped(text, size, BODY):
            self._reserve(size + 4)
            self._y += size + 4
            self._page.text(MARGIN, self._y, line, size)

    def space(self, height: float = 8) -> None:
        self._y += height

    def picture(self, data: bytes, picture: EvidencePicture, caption: str, detail: str) -> None:
        scale = min(BODY / picture.width, _MAX_PICTURE / picture.height)
        width, height = picture.width * scale, picture.height * scale
        self._reserve(height + 36)
        self._y += 18
        self._page.text(MARGIN, self._y, caption, 10, bold=True)
        self._page.text(MARGIN + text_width(caption, 10, bold=True) + 10, self._y, detail, 9)
        self._y += 6
        self._page.jpeg(data, MARGIN, self._y, width, height)
        for box, colour in ((picture.vehicle_box, _VEHICLE), (picture.plate_box, _PLATE)):
            if box is not None:
                self._box(box, scale, colour)
        self._y += height

    def finished(self, t: Translator) -> Sequence[PdfPage]:
        for number, page in enumerate(self._pages, 1):
            page.line(MARGIN, HEIGHT - 40, WIDTH - MARGIN, HEIGHT - 40)
            page.text(MARGIN, HEIGHT - 28, self._subtitle, 8)
            label = t("report.page", number=number, pages=len(self._pages))
            page.text(WIDTH - MARGIN - text_width(label, 8), HEIGHT - 28, label, 8)
        return self._pages

    def _box(self, box: Box, scale: float, colour: tuple[float, float, float]) -> None:
        self._page.box(MARGIN + box.x1 * scale, self._y + box.y1 * scale, box.width * scale, box.height * scale, colour)

    def _reserve(self, height: float) -> None:
        if self._y + height > HEIGHT - 52:
            self._new_page()

    def _new_page(self) -> None:
        self._page = PdfPage()
        self._pages.append(self._page)
        self._y = 40.0


def _facts(layout: _Layout, case: Case, t: Translator) -> None:
    violation, article = case.violation, case.violation.article
    layout.heading(t("report.violation"))
    layout.row(t("report.offence"), t.choose(article.title_id, article.title_en), bold=True)
    layout.row(t("report.article"), f"{article.law}, {article.article}")
    layout.row(t("report.fine"), t.rupiah(article.max_fine_idr) if article.max_fine_idr else t("case.no_offence"))
    layout.row(t("report.when"), t.date(violation.occurred_at, violation.timezone))
    layout.row("", t.time(violation.occurred_at, violation.timezone, digits=2))
    layout.row(t("report.where"), f"{violation.camera_name} ({violation.site}, {violation.camera})")
    layout.row(t("report.plate"), formatted(case.plate_text or "") or t("report.unreadable"), bold=True, size=13)
    layout.row(t("report.machine_plate"), formatted(violation.plate.text or "") or t("report.unreadable"))
    layout.row(t("report.vehicle"), t(f"vehicle.{violation.vehicle}"))
    for view in measurement_views(violation, t):
        layout.row(view.name, view.text)
    for label, text in fact_views(violation, t):
        layout.row(label, text)
    for mark in mark_views(violation.marks, t):
        layout.row(t("mark.title"), mark.label)


def _decisions(layout: _Layout, case: Case, t: Translator) -> None:
    layout.heading(t("report.decisions"))
    if not case.decisions:
        layout.paragraph(t("report.undecided"))
    for decision in case.decisions:
        view = decision_view(decision, case.violation, t)
        layout.row(view.when, _decision_text(view, t))
        if view.note:
            layout.row("", view.note, size=9)


def _decision_text(view: DecisionView, t: Translator) -> str:
    return " · ".join(filter(None, (view.label, view.reason, view.plate, t("report.by", name=view.reviewer))))


def _pictures(layout: _Layout, case: Case, pictures: Mapping[Digest, bytes], t: Translator) -> None:
    layout.heading(t("report.pictures"))
    layout.paragraph(t("report.boxes"))
    violation = case.violation
    for picture in violation.pictures:
        offset_s = (picture.captured_at - violation.occurred_at).total_seconds()
        relative = t("picture.relative", seconds=t.signed_seconds(offset_s, 2))
        when = f"{t.time(picture.captured_at, violation.timezone, digits=2)} ({relative})"
        layout.picture(pictures[picture.sha256], picture, t(f"picture.{picture.role}"), when)


def _verification(layout: _Layout, case: Case, facts: ReportFacts, t: Translator) -> None:
    layout.heading(t("report.verification"))
    layout.paragraph(t("report.how"))
    layout.space()
    layout.row(t("report.exported"), facts.exported_at)
    layout.row(t("report.key"), facts.manifest_key, size=8)
    layout.row(t("report.log"), t("report.log_entries", entries=facts.log_entries, covered=facts.covered))
    for picture in case.violation.pictures:
        layout.row(t(f"picture.{picture.role}"), picture.sha256, size=8)
    if case.violation.clip is not None:
        layout.row(t("picture.clip"), case.violation.clip.sha256, size=8)
