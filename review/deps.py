"""What the pages work with, ready made: the cases, their evidence, the users, the time."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from etle.protocols import CaseStore, Clock, EvidenceStore
from etle.storage.users import Users
from review.passwords import Passwords

if TYPE_CHECKING:
    from etle.observability.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    cases: CaseStore
    evidence: EvidenceStore
    users: Users
    clock: Clock
    passwords: Passwords
    metrics: "Metrics | None" = None


def desk_of(request: Request) -> Deps:
    desk: Deps = request.app.state.desk
    return desk
