"""Permissions by role, and the cases that a viewer may see and decide.

The queue assigns a reviewer one case at a time. A reviewer sees that case and the cases they decided, which they may decide again.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from etle.storage.users import User, UserRole
from etle.types import Case


class Permission(StrEnum):
    DECIDE = "decide"  # the case that the queue assigned
    DECIDE_ANY = "decide_any"  # any case, such as one to be annulled
    BROWSE = "browse"
    READ_LOG = "read_log"
    SEE_USERS = "see_users"
    DRAW = "draw"  # change what is drawn for a camera, in the pages of `etle calibrate serve`


PERMISSIONS: Final = {
    UserRole.REVIEWER: frozenset({Permission.DECIDE}),
    UserRole.SUPERVISOR: frozenset({Permission.DECIDE, Permission.DECIDE_ANY, Permission.BROWSE}),
    UserRole.AUDITOR: frozenset({Permission.BROWSE, Permission.READ_LOG}),
    UserRole.ADMIN: frozenset({Permission.SEE_USERS, Permission.READ_LOG}),
    UserRole.OPS: frozenset({Permission.DRAW}),
}
"""An administrator manages accounts and sees no evidence. Who operates the cameras sees their pictures, and no case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Viewer:
    """The signed-in user of a request, with the session token and the client's address."""

    user: User
    token: str
    address: str

    def may(self, permission: Permission) -> bool:
        return permission in PERMISSIONS[self.user.role]


def may_see(viewer: Viewer, case: Case) -> bool:
    name = viewer.user.name
    own = case.assigned_to == name or any(decision.reviewer == name for decision in case.decisions)
    return viewer.may(Permission.BROWSE) or (viewer.may(Permission.DECIDE) and own)


def may_decide(viewer: Viewer, case: Case) -> bool:
    """A supervisor may decide any case; a reviewer the assigned one, and one whose last decision is their own."""
    if viewer.may(Permission.DECIDE_ANY):
        return True
    last_reviewer = case.decisions[-1].reviewer if case.decisions else None
    return viewer.may(Permission.DECIDE) and viewer.user.name in (case.assigned_to, last_reviewer)
