"""Lists of cases: pages of those that match filters, in an order, and the part of a case that a list shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Unpack
from uuid import UUID

import msgspec

from etle.decoded_types import prepare
from etle.protocols import CaseFilters
from etle.storage.database import Cursor
from etle.storage.queries import sql
from etle.types import (
    Article,
    CaseOrder,
    CaseSummary,
    Digest,
    EvidenceRole,
    LetterDeadlinePeriod,
    VehicleClass,
    Verdict,
    ViolationId,
    shown_picture,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CasePageQuery:
    """Which cases of a list to read; see `CaseStore.cases`."""

    order: CaseOrder
    limit: int
    after: ViolationId | None
    before: ViolationId | None
    letters: Sequence[LetterDeadlinePeriod]


def page_rows(cursor: Cursor, columns: str, page: CasePageQuery, **filters: Unpack[CaseFilters]) -> Sequence[Any]:
    """`columns`: those to read, in SQL; of the page, of its violations `v` and of the queue `q`."""
    urgent = page.order is CaseOrder.URGENT
    key = "decided_at" if page.order is CaseOrder.DECIDED else "occurred_at"
    ascending = (urgent or page.order is CaseOrder.OLDEST) is (page.before is None)
    beyond, beyond_key = page.before or page.after, None
    if beyond is not None:
        beyond_key = _letter_due(cursor, beyond, page.letters) if urgent else _sort_key(cursor, beyond, key)
        if beyond_key is None:
            return ()
    query = (sql("urgent_cases") if urgent else sql("search_cases")).format(
        columns=columns,
        key=key,
        filters=sql("case_filters"),
        direction="ASC" if ascending else "DESC",
        beyond=">" if ascending else "<",
    )
    values = {"beyond": str(beyond) if beyond else None, "beyond_key": beyond_key, "limit": page.limit, "letters": _periods(page.letters)}
    cursor.execute(query, {**list_filters(**filters), **values})
    rows = cursor.fetchall()
    return rows if page.before is None else rows[::-1]


def _sort_key(cursor: Cursor, violation: ViolationId, key: str) -> datetime | None:
    """None if there is no such case in a list that is sorted by that column."""
    cursor.execute(sql("sort_key_of_case").format(key=key), {"violation": str(violation)})
    row = cursor.fetchone()
    return row.sort_key if row else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListedPicture:
    role: EvidenceRole
    sha256: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListedViolation:
    """The part of a stored violation that the query `summary_columns` selects."""

    camera_name: str
    article: Article
    timezone: str
    polda: str | None
    vehicle: VehicleClass
    marks: tuple[str, ...]
    pictures: tuple[_ListedPicture, ...]


prepare(_ListedViolation)


def summary_of_row(row: Any) -> CaseSummary:
    shown = msgspec.json.decode(row.shown, type=_ListedViolation)
    state = case_state(row.state)
    return CaseSummary(
        id=ViolationId(UUID(row.id)),
        occurred_at=row.occurred_at.astimezone(UTC),
        timezone=shown.timezone,
        camera_name=shown.camera_name,
        article=shown.article,
        polda=shown.polda,
        vehicle=shown.vehicle,
        plate_text=row.plate if state == "open" else row.decided_plate,
        picture=shown_picture((each.role, each.sha256) for each in shown.pictures),
        marks=shown.marks,
        state=None if state == "open" else state,
        decided_by=row.decided_by,
        assigned_to=row.assigned_to,
    )


def _periods(letters: Sequence[LetterDeadlinePeriod]) -> str:
    """For the query `urgent_cases`."""
    return json.dumps(
        [
            {
                "polda": each.polda,
                "except_poldas": list(each.except_poldas),
                "since": each.since.isoformat(),
                "until": each.until.isoformat() if each.until else None,
                "days": each.days,
            }
            for each in letters
        ]
    )


def _letter_due(cursor: Cursor, violation: ViolationId, letters: Sequence[LetterDeadlinePeriod]) -> datetime | None:
    """The key of the query `urgent_cases` for that case; None if it is not in the list."""
    cursor.execute(sql("place_of_case"), {"violation": str(violation)})
    row = cursor.fetchone()
    period = next((each for each in letters if each.covers(row.polda, row.occurred_at)), None) if row else None
    return row.occurred_at + timedelta(days=period.days) if period else None


def _plate_parts(part: str) -> list[str] | None:
    """The parts by which the index finds a part of a plate; None for a single character, which nearly every page of cases contains."""
    if len(part) < 2:
        return None
    size = min(len(part), 3)
    return [part[start : start + size] for start in range(len(part) - size + 1)]


def list_filters(**filters: Unpack[CaseFilters]) -> Mapping[str, object]:
    """Parameters of the query `case_filters`, which names each of them."""
    plate = filters.get("plate")
    return {**dict.fromkeys(CaseFilters.__annotations__), **filters, "plate_parts": _plate_parts(plate) if plate else None}


def case_state(stored: str) -> Verdict | Literal["open"]:
    return "open" if stored == "open" else Verdict(stored)
