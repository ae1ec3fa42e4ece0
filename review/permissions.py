"""Which cases a visitor may see, and which they may decide.

The queue gives a reviewer one case at a time. They see that one and those they decided, which they may decide anew; none other.
"""

from uuid import UUID

from fastapi import HTTPException

from etle.types import Case, ViolationId
from review.access import Right, Viewer, record
from review.deps import Deps


def may_see(who: Viewer, case: Case) -> bool:
    name = who.user.name
    own = case.assigned_to == name or any(decision.reviewer == name for decision in case.decisions)
    return who.may(Right.BROWSE) or (who.may(Right.DECIDE) and own)


def may_decide(who: Viewer, case: Case) -> bool:
    """Anybody's case for a supervisor; for a reviewer the one on the screen, and the own one as long as nobody decided after them."""
    if who.may(Right.DECIDE_ANY):
        return True
    last = case.decisions[-1].reviewer if case.decisions else None
    return who.may(Right.DECIDE) and who.user.name in (case.assigned_to, last)


def case_in_sight(desk: Deps, who: Viewer, case_id: UUID) -> Case:
    """Answers 404 where there is none and 403, recorded, where it is not theirs to see."""
    case = desk.cases.case(ViolationId(case_id))
    if case is None:
        raise HTTPException(404)
    if not may_see(who, case):
        record(desk, who, "denied", case_id)
        raise HTTPException(403)
    return case
