"""What the request handlers need, made by the caller of `create_app`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import Request

from etle.config.law import Law
from etle.protocols import CaseStore, Clock, EvidenceStore
from etle.storage.campaigns import PostgresCampaigns
from etle.storage.users import Users
from review.clip_cache import ClipCache
from review.comparisons import RunComparisons
from review.passwords import PasswordPool
from review.range_progress import RangeProgress
from review.sign_in_attempts import SignInAttempts

if TYPE_CHECKING:
    from etle.observability.metrics import Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    cases: CaseStore
    evidence: EvidenceStore
    clips: ClipCache
    ranges: RangeProgress
    users: Users
    campaigns: PostgresCampaigns
    law: Law
    """The offences: their rules are the ones that the list of cases can be filtered by."""
    clock: Clock
    passwords: PasswordPool
    attempts: SignInAttempts
    secret: bytes
    """Signs the cookies of browsers without a session. All web hosts of a deployment have the same one."""
    metrics: "Metrics | None" = None
    comparisons: RunComparisons | None = None
    """None: without the pages of runs."""


def deps_of(request: Request) -> Deps:
    deps: Deps = request.app.state.deps
    return deps
