"""What supervisors, auditors and administrators read: the list of cases, the access log, the accounts."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from etle.plates import formatted, normalise
from etle.types import Case, VehicleClass, Verdict
from review.access import Right, Visitor, allow, record, wording_of
from review.desk import desk_of
from review.pages import LOCAL_ZONE, VERDICT_LABELS, Page
from review.wording import Language, Wording

router = APIRouter()
CASES: Final = Page(template="cases.html", here="cases")
LOG: Final = Page(template="log.html", here="log")
USERS: Final = Page(template="users.html", here="users")
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
class Chosen:
    """The filters as they stand in the address; None: not filtered by that."""

    state: str | None
    rule: str | None
    camera: str | None
    plate: str | None
    since: date | None
    until: date | None

    def query(self, start: int) -> str:
        named = {"state": self.state, "rule": self.rule, "camera": self.camera, "plate": self.plate, "from": self.since, "to": self.until}
        return "/cases?" + urlencode({key: str(value) for key, value in named.items() if value} | {"start": str(start)})


Looker = Annotated[Visitor, Depends(allow(Right.BROWSE))]
Day = Annotated[date | None, Query()]


def chosen_filters(
    state: str = "",
    rule: str = "",
    camera: str = "",
    plate: str = "",
    since: Annotated[str, Query(alias="from", pattern=r"^$|^\d{4}-\d\d-\d\d$")] = "",
    until: Annotated[str, Query(alias="to", pattern=r"^$|^\d{4}-\d\d-\d\d$")] = "",
) -> Chosen:
    """A form sends empty fields for what is not filtered."""
    return Chosen(
        state=state if state in ("open", *Verdict) else None,
        rule=rule or None,
        camera=camera.strip() or None,
        plate=normalise(plate) or None,
        since=_day(since),
        until=_day(until),
    )
