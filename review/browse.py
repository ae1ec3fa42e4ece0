"""What supervisors, auditors and administrators read: the list of cases, the access log, the accounts."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final, Literal
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response

from etle.plates import formatted, normalise
from etle.types import Case, VehicleClass, Verdict, ViolationId
from review.access import Right, Viewer, allow, record, wording_of
from review.deps import desk_of
from review.i18n import Language, Wording
from review.pages import LOCAL_ZONE, VERDICT_LABELS, Page

router = APIRouter()
CASES: Final = Page(template="cases.html", here="cases")
LOG: Final = Page(template="log.html", here="log")
USERS: Final = Page(template="users.html", here="users")
RULES: Final = ("red_light", "stop_line", "wrong_way")
"""Those that can be chosen from; a test holds them to the pipeline's."""
PAGE: Final = 50
LOG_PAGE: Final = 200


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


def row_of(case: Case, words: Wording) -> CaseRow:
    violation, last = case.violation, case.decisions[-1] if case.decisions else None
    text = last.plate_text if last else violation.plate.text
    return CaseRow(
        id=violation.id,
        when=f"{words.date(violation.occurred_at, violation.timezone)} {words.time(violation.occurred_at, violation.timezone)}",
        plate=formatted(text or ""),
        title=violation.article.title_id if words.language is Language.INDONESIAN else violation.article.title_en,
        camera=violation.camera_name,
        vehicle=violation.vehicle,
        verdict=last.verdict if last else None,
        label=words(VERDICT_LABELS[last.verdict]) if last else "",
        reviewer=last.reviewer if last else None,
        assigned_to=case.assigned_to,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """The filters as they stand in the address; None: not filtered by that."""

    state: Verdict | Literal["open"] | None
    rule: str | None
    camera: str | None
    plate: str | None
    since: date | None
    until: date | None

    @property
    def span(self) -> tuple[datetime | None, datetime | None]:
        """From the first moment of the first day to that after the last, local time."""
        zone = ZoneInfo(LOCAL_ZONE)
        start = datetime.combine(self.since, time(), zone) if self.since else None
        end = datetime.combine(self.until + timedelta(days=1), time(), zone) if self.until else None
        return start, end

    def query(self, after: UUID | None) -> str:
        named = {"state": self.state, "rule": self.rule, "camera": self.camera, "plate": self.plate, "from": self.since, "to": self.until}
        return "/cases?" + urlencode({key: str(value) for key, value in (named | {"after": after}).items() if value})


Looker = Annotated[Viewer, Depends(allow(Right.BROWSE))]
Day = Annotated[date | None, Query()]


def chosen_filters(
    state: str = "",
    rule: str = "",
    camera: str = "",
    plate: str = "",
    since: Annotated[str, Query(alias="from", pattern=r"^$|^\d{4}-\d\d-\d\d$")] = "",
    until: Annotated[str, Query(alias="to", pattern=r"^$|^\d{4}-\d\d-\d\d$")] = "",
) -> CaseFilter:
    """A form sends empty fields for what is not filtered."""
    return CaseFilter(
        state="open" if state == "open" else Verdict(state) if state in tuple(Verdict) else None,
        rule=rule or None,
        camera=camera.strip() or None,
        plate=normalise(plate) or None,
        since=_day(since),
        until=_day(until),
    )


def _day(text: str) -> date | None:
    """A form's date; one that no calendar has is answered with 400."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400) from None


@router.get("/cases")
def cases(request: Request, who: Looker, chosen: Annotated[CaseFilter, Depends(chosen_filters)], after: UUID | None = None) -> Response:
    desk, words = desk_of(request), wording_of(request)
    record(desk, who, "list_viewed", detail=request.url.query[:500])
    since, until = chosen.span
    found = desk.cases.cases(
        state=chosen.state,
        rule=chosen.rule,
        camera=chosen.camera,
        plate=chosen.plate,
        since=since,
        until=until,
        limit=PAGE + 1,
        after=ViolationId(after) if after else None,
    )
    return CASES.answer(
        request,
        who,
        chosen=chosen,
        rules=RULES,
        rows=[row_of(case, words) for case in found[:PAGE]],
        newer=chosen.query(None) if after else None,
        older=chosen.query(found[PAGE - 1].violation.id) if len(found) > PAGE else None,
    )


@router.get("/log")
def log(
    request: Request,
    who: Annotated[Viewer, Depends(allow(Right.READ_LOG))],
    name: Annotated[str, Query(alias="who")] = "",
    before: Annotated[int | None, Query(ge=1, lt=2**63)] = None,
) -> Response:
    desk = desk_of(request)
    record(desk, who, "log_viewed", detail=name)
    entries = desk.users.entries(who=name.strip() or None, before=before, limit=LOG_PAGE)
    older = entries[-1].id if len(entries) == LOG_PAGE else None
    return LOG.answer(request, who, entries=entries, asked=name.strip(), older=older)


@router.get("/users")
def users(request: Request, who: Annotated[Viewer, Depends(allow(Right.SEE_USERS))]) -> Response:
    desk = desk_of(request)
    record(desk, who, "users_viewed")
    return USERS.answer(request, who, users=desk.users.users())
