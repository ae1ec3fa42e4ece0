"""The pages of runs: which there are, and what two of them found differently, with pictures side by side. For supervisors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response

from etle.errors import EvidenceCorrupt
from etle.runs.compare import ComparedRange, RunComparison
from etle.storage.runs import LIVE
from etle.types import CameraId, Digest, ViolationId
from review.browse import CaseFilter, case_filter, rule_names
from review.comparisons import (
    ComparisonKind,
    ComparisonRequest,
    Place,
    RunComparisons,
    TooManyCompared,
    entries_of,
    page_of,
)  # fmt: skip
from review.deps import Deps, deps_of
from review.files import media_type_of
from review.i18n import translator_of
from review.pages import LOCAL_ZONE, Page
from review.permissions import Permission, Viewer
from review.session import record_access, require_any
from review.views.comparison import ComparisonEntryTexts, run_label, run_view, score_view

router = APIRouter()
RUNS: Final = Page(template="runs.html", nav="runs")
COMPARISON: Final = Page(template="comparison.html", nav="runs")
ENTRIES_PER_PAGE: Final = 10
_PLACE: Final = re.compile(r"(\d{1,17})-([0-9a-f-]{36})", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Supervisor = Annotated[Viewer, Depends(require_any(Permission.DECIDE_ANY))]


def comparisons_of(request: Request) -> RunComparisons:
    """Answers 404 where the application was made without runs."""
    comparisons = deps_of(request).comparisons
    if comparisons is None:
        raise HTTPException(404)
    return comparisons


Comparisons = Annotated[RunComparisons, Depends(comparisons_of)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonChoice:
    """What the address of the page chooses."""

    a: str
    b: str
    kind: ComparisonKind
    filters: CaseFilter

    @property
    def request(self) -> ComparisonRequest:
        since, until = self.filters.span
        camera = CameraId(self.filters.camera) if self.filters.camera else None
        return ComparisonRequest(a=self.a, b=self.b, within=ComparedRange(camera=camera, since=since, until=until))

    def of_kind(self, kind: ComparisonKind) -> "ComparisonChoice":
        return replace(self, kind=kind)

    def url(self, **page: str) -> str:
        values = {
            "a": self.a, "b": self.b, "kind": self.kind, "camera": self.filters.camera, "from": self.filters.since, "to": self.filters.until
        }  # fmt: skip
        return "/runs/compare?" + urlencode({key: str(value) for key, value in (values | page).items() if value})


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonForm:
    """What the form offers, and what is chosen in it."""

    choice: ComparisonChoice
    names: tuple[tuple[str, str], ...]
    """Runs and the cases, with their labels."""
    labels: tuple[str, str]
    """Of both sides."""
    cameras: Mapping[CameraId, str]
    kinds: tuple[ComparisonKind, ...] = tuple(ComparisonKind)


def comparison_choice(
    filters: Annotated[CaseFilter, Depends(case_filter)], a: str = LIVE, b: str = "", kind: ComparisonKind = ComparisonKind.CHANGED
) -> ComparisonChoice:
    return ComparisonChoice(a=a, b=b, kind=kind, filters=filters)


@router.get("/runs")
def runs(request: Request, viewer: Supervisor, comparisons: Comparisons) -> Response:
    """The latest first."""
    deps, t = deps_of(request), translator_of(request)
    record_access(deps, viewer, "runs_viewed")
    promoted = comparisons.runs.promoted()
    rows = [run_view(run, run.name in promoted, LOCAL_ZONE, t) for run in comparisons.runs.runs()]
    return RUNS.render(request, viewer, rows=rows, live=LIVE)


@router.get("/runs/compare")
def compare(
    request: Request, viewer: Supervisor, comparisons: Comparisons, choice: Annotated[ComparisonChoice, Depends(comparison_choice)],
    after: str = "", before: str = "",
) -> Response:  # fmt: skip
    """`after`, `before`: the place of the last entry of the page before, or of the first one of the page behind."""
    deps, t = deps_of(request), translator_of(request)
    names = [LIVE, *(run.name for run in comparisons.runs.runs())]
    if choice.a not in names or choice.b not in names:
        raise HTTPException(404)
    record_access(deps, viewer, "comparison_viewed", detail=request.url.query[:500])
    form = ComparisonForm(
        choice=choice,
        names=tuple((name, run_label(name, t)) for name in names),
        labels=(run_label(choice.a, t), run_label(choice.b, t)),
        cameras=deps.cases.cameras(),
    )
    try:
        comparison = comparisons.compare(choice.request)
    except TooManyCompared:
        return COMPARISON.render(request, viewer, form=form, comparison=None)
    page = page_of(entries_of(comparison, choice.kind), ENTRIES_PER_PAGE, _place(after), _place(before))
    texts = ComparisonEntryTexts(t, rule_names(deps.law, t), form.cameras, LOCAL_ZONE)
    return COMPARISON.render(
        request,
        viewer,
        form=form,
        comparison=comparison,
        counts=_counts(comparison),
        same=len(comparison.both) - len(comparison.changed),
        scores=[score_view(name, score, t) for name, score in comparison.scores],
        entries=[texts.view(entry, choice.a, choice.b) for entry in page.entries],
        previous=choice.url(before=_place_text(page.entries[0].place)) if page.has_previous and page.entries else None,
        next=choice.url(after=_place_text(page.entries[-1].place)) if page.has_next and page.entries else None,
    )


@router.get("/runs/{run}/violations/{violation_id}/{digest}.jpg")
def picture(request: Request, run: str, violation_id: UUID, digest: str, viewer: Supervisor, comparisons: Comparisons) -> Response:
    """A picture of what a run found. Browsers may not store it, so that each look is logged."""
    deps = deps_of(request)
    violation = comparisons.runs.violation(run, ViolationId(violation_id))
    if violation is None or media_type_of(violation, digest, "jpg") is None:
        raise HTTPException(404)
    try:
        data = comparisons.files(run).get(Digest(digest))
    except KeyError:
        raise HTTPException(404) from None
    except EvidenceCorrupt as error:
        _record_corrupt(deps, viewer, run, digest)
        raise HTTPException(409, "corrupt") from error
    record_access(deps, viewer, "evidence_viewed", detail=f"{run} {digest}")
    return Response(data, media_type="image/jpeg", headers={"Cache-Control": "no-store", "Vary": "Cookie"})


def _record_corrupt(deps: Deps, viewer: Viewer, run: str, digest: str) -> None:
    record_access(deps, viewer, "evidence_corrupt", detail=f"{run} {digest}")


def _counts(comparison: RunComparison) -> Mapping[ComparisonKind, int]:
    lists = {ComparisonKind.CHANGED: comparison.changed, ComparisonKind.ONLY_A: comparison.only_a, ComparisonKind.ONLY_B: comparison.only_b}
    return {kind: len(found) for kind, found in lists.items()}


def _place(text: str) -> Place | None:
    """Answers 400 for a text that is no place."""
    if not text:
        return None
    found = _PLACE.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        return _EPOCH + timedelta(microseconds=int(found[1])), ViolationId(UUID(found[2]))
    except (ValueError, OverflowError):
        raise HTTPException(400) from None


def _place_text(place: Place) -> str:
    return f"{(place[0] - _EPOCH) // timedelta(microseconds=1)}-{place[1]}"
