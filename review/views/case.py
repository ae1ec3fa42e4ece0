"""A case as its page shows it, composed of the views of its parts. The templates only lay it out."""

from dataclasses import dataclass

from etle.plates import formatted
from etle.types import Case
from review.i18n import Translator
from review.views.clip import ClipView, clip_view
from review.views.decision import DecisionView, decision_view
from review.views.fact import fact_views
from review.views.mark import MarkView, mark_views
from review.views.measurement import MeasurementView, measurement_views
from review.views.picture import OverlayView, PictureView, overlay_view, picture_views
from review.views.plate import PlateView, plate_view
from review.views.signal import SignalView, TimelineMark, signal_view, timeline_marks


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    title: str
    date: str
    time: str
    marks: tuple[MarkView, ...]
    plate: PlateView
    current_plate: str
    """The plate as the last decision left it, else as it was read. With spaces; empty if there is none."""
    pictures: tuple[PictureView, ...]
    overlay: OverlayView
    clip: ClipView | None
    signal: SignalView | None
    timeline_marks: tuple[TimelineMark, ...]
    measurements: tuple[MeasurementView, ...]
    facts: tuple[tuple[str, str], ...]
    """Label and text of what decided besides the measurements."""
    decisions: tuple[DecisionView, ...]


def case_view(case: Case, t: Translator) -> CaseView:
    violation = case.violation
    return CaseView(
        title=t.choose(violation.article.title_id, violation.article.title_en),
        date=t.date(violation.occurred_at, violation.timezone),
        time=t.time(violation.occurred_at, violation.timezone, digits=2),
        marks=mark_views(violation.marks, t),
        plate=plate_view(violation, t),
        current_plate=current_plate(case),
        pictures=picture_views(violation, t),
        overlay=overlay_view(violation),
        clip=clip_view(violation, t),
        signal=signal_view(violation, t),
        timeline_marks=timeline_marks(violation),
        measurements=measurement_views(violation, t),
        facts=fact_views(violation, t),
        decisions=tuple(decision_view(each, violation, t) for each in case.decisions),
    )


def current_plate(case: Case) -> str:
    return formatted(case.plate_text or "")
