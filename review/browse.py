"""Pages of supervisors, auditors and administrators: the list of cases, the access log, the user accounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from etle.config.law import Law
from etle.plates import formatted, normalise
from etle.protocols import CaseFilters
from etle.types import CaseOrder, CaseSummary, Digest, VehicleClass, Verdict, ViolationId
from review.deps import Deps, deps_of
from review.i18n import Translator, translator_of
from review.pages import LOCAL_ZONE, Page
from review.permissions import Permission, Viewer
from review.session import record_access, require_any
from review.views.deadline import DeadlineView, letter_view
from review.views.mark import MarkView, mark_views
from review.views.verdict import verdict_label, verdict_views

router = APIRouter()
CASES: Final = Page(template="cases.html", nav="cases")
LOG: Final = Page(template="log.html", nav="log")
USERS: Final = Page(template="users.html", nav="users")
CASES_PER_PAGE: Final = 50
ENTRIES_PER_PAGE: Final = 200
MAX_COUNTED: Final = 200
DAY: Final = r"^$|^\d{4}-\d\d-\d\d$|^\d{1,2}/\d{1,2}/\d{4}$"
"""As in the addresses of pages, or day/month/year as it is typed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRow:
    id: UUID
    when: str
    plate: str
    title: str
    camera: str
    vehicle: VehicleClass
    verdict: Verdict | None
    label: str
    reviewer: str | None
    assigned_to: str | None
    picture: Digest | None
    marks: tuple[MarkView, ...]
    letter: DeadlineView | None


def case_row(case: CaseSummary, deps: Deps, t: Translator) -> CaseRow:
    return CaseRow(
        id=case.id,
        when=t.date_time(case.occurred_at, case.timezone),
        plate=formatted(case.plate_text or ""),
        title=t.choose(case.article.title_id, case.article.title_en),
        camera=case.camera_name,
        vehicle=case.vehicle,
        verdict=case.state,
        label=verdict_label(case.state, t) if case.state else "",
        reviewer=case.decided_by,
        assigned_to=case.assigned_to,
        picture=case.picture,
        marks=mark_views(case.marks, t),
        letter=letter_view(case, case.state, deps.law, deps.clock.now(), t),
    )


def rule_names(law: Law, t: Translator) -> dict[str, str]:
    """The rules to filter by: those of the law file, each with the title of its offence unless the texts have a name for it."""
    return {rule: t.get(f"rule.{rule}", t.choose(offence.title_id, offence.title_en)) for rule, offence in law.offences.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """The filters and the order of the URL; None means that the list is not filtered by it."""

    state: Verdict | Literal["open"] | None
    rule: str | None
    camera: str | None
    plate: str | None
    reviewer: str | None
    since: date | None
    until: date | None
    order: CaseOrder

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """Start of the first day and end of the last one in local time; the end is exclusive."""
        zone = ZoneInfo(LOCAL_ZONE)
        start = datetime.combine(self.since, time(), zone) if self.since else None
        end = datetime.combine(self.until + timedelta(days=1), time(), zone) if self.until else None
        return start, end

    @property
    def counted(self) -> bool:
        """Whether the maintained counts tell the number of cases: the list is filtered by state and rule at most."""
        return not any((self.camera, self.plate, self.reviewer, self.since, self.until))

    def url(self, **page: UUID) -> str:
        """Of the first page, or of the one `after` or `before` a case."""
        values = {
            "state": self.state,
            "rule": self.rule,
            "camera": self.camera,
            "plate": self.plate,
            "reviewer": self.reviewer,
            "from": self.since,
            "to": self.until,
            "order": self.order if self.order is not CaseOrder.NEWEST else None,
        }
        return "/cases?" + urlencode({key: str(value) for key, value in (values | page).items() if value})


def case_filter(
    state: str = "",
    rule: str = "",
    camera: str = "",
    plate: str = "",
    reviewer: str = "",
    since: Annotated[str, Query(alias="from", pattern=DAY)] = "",
    until: Annotated[str, Query(alias="to", pattern=DAY)] = "",
    order: str = "",
) -> CaseFilter:
    """The form sends an empty field where it does not filter."""
    urgent = order == CaseOrder.URGENT  # a list of open cases
    return CaseFilter(
        state="open" if state == "open" or urgent else Verdict(state) if state in tuple(Verdict) else None,
        rule=rule or None,
        camera=camera.strip() or None,
        plate=normalise(plate) or None,
        reviewer=reviewer.strip() or None,
        since=_date(since),
        until=_date(until),
        order=CaseOrder(order) if order in tuple(CaseOrder) else CaseOrder.NEWEST,
    )


def _date(text: str) -> date | None:
    """Answers 400 for a date that does not exist, such as 2026-13-77, or that has no day before or after it."""
    if not text:
        return None
    try:
        day = date(*map(int, reversed(text.split("/")))) if "/" in text else date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400) from None
    if not date.min < day < date.max:
        raise HTTPException(400)
    return day


@router.get("/cases")
def cases(
    request: Request,
    viewer: Annotated[Viewer, Depends(require_any(Permission.BROWSE))],
    chosen: Annotated[CaseFilter, Depends(case_filter)],
    after: UUID | None = None,
    before: UUID | None = None,
) -> Response:
    """`after`: the last case of the page before; `before`: the first case of the page after."""
    deps, t = deps_of(request), translator_of(request)
    record_access(deps, viewer, "list_viewed", detail=request.url.query[:500])
    page = _page(deps, chosen, after, before)
    return CASES.render(
        request,
        viewer,
        chosen=chosen,
        rules=rule_names(deps.law, t),
        cameras=deps.cases.cameras(),
        reviewers=deps.users.reviewers(),
        orders=tuple(CaseOrder),
        verdicts=verdict_views(t),
        rows=[case_row(case, deps, t) for case in page.cases],
        total=_total(deps, chosen, t),
        previous=chosen.url(before=page.cases[0].id) if page.has_previous else None,
        next=chosen.url(after=page.cases[-1].id) if page.has_next else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListPage:
    cases: Sequence[CaseSummary]
    has_previous: bool
    has_next: bool


def _page(deps: Deps, chosen: CaseFilter, after: UUID | None, before: UUID | None) -> _ListPage:
    """Asks for one case more than it shows, to know whether there is a further page in that direction."""
    found = deps.cases.summaries(
        **_filters(chosen),
        order=chosen.order,
        letters=deps.law.deadline_table.letter_periods(LOCAL_ZONE),
        limit=CASES_PER_PAGE + 1,
        after=ViolationId(after) if after else None,
        before=ViolationId(before) if before else None,
    )
    more = len(found) > CASES_PER_PAGE
    if before:
        return _ListPage(cases=found[1:] if more else found, has_previous=more, has_next=bool(found))
    return _ListPage(cases=found[:CASES_PER_PAGE], has_previous=bool(after and found), has_next=more)


def _filters(chosen: CaseFilter) -> CaseFilters:
    since, until = chosen.span
    return {
        "state": chosen.state,
        "rule": chosen.rule,
        "camera": chosen.camera,
        "plate": chosen.plate,
        "reviewer": chosen.reviewer,
        "since": since,
        "until": until,
    }


def _total(deps: Deps, chosen: CaseFilter, t: Translator) -> str:
    """Number of cases in the list; where it has to be counted, more than `MAX_COUNTED` are not told apart."""
    if chosen.counted:
        counted = deps.cases.counts().number(chosen.state, chosen.rule)
        return t("list.found", count=t.number(counted))
    counted = deps.cases.found(
        **_filters(chosen),
        limit=MAX_COUNTED + 1,
    )
    return t("list.found", count=t.number(counted)) if counted <= MAX_COUNTED else t("list.found_more", count=t.number(MAX_COUNTED))


@router.get("/log")
def log(
    request: Request,
    viewer: Annotated[Viewer, Depends(require_any(Permission.READ_LOG))],
    name: Annotated[str, Query(alias="who")] = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    """Newest first. `before`: id of the last entry of the page before."""
    deps, name = deps_of(request), name.strip()
    record_access(deps, viewer, "log_viewed", detail=name)
    entries = deps.users.entries(who=name or None, before=before, limit=ENTRIES_PER_PAGE)
    older = entries[-1].id if len(entries) == ENTRIES_PER_PAGE else None
    return LOG.render(request, viewer, entries=entries, name=name, older=older)


@router.get("/users")
def users(request: Request, viewer: Annotated[Viewer, Depends(require_any(Permission.SEE_USERS))]) -> Response:
    deps = deps_of(request)
    record_access(deps, viewer, "users_viewed")
    return USERS.render(request, viewer, users=deps.users.users())
