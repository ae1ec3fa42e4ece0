"""What the pages work with, ready made: the cases, their evidence, the users, the time."""

from dataclasses import dataclass

from fastapi import Request

from etle.protocols import CaseStore, Clock, EvidenceStore
from etle.store.users import Users
from review.passwords import Passwords


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    cases: CaseStore
    evidence: EvidenceStore
    users: Users
    clock: Clock
    passwords: Passwords


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk
