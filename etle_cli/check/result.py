"""Result of one check of `etle check`."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from etle.errors import EtleError


class CheckState(StrEnum):
    OK = "ok"
    NOTE = "note"
    """Works, but worth knowing."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """`message` states what was found or, for a problem, what is wrong and how to fix it."""

    subject: str
    state: CheckState
    message: str


def ok(subject: str, message: str) -> CheckResult:
    return CheckResult(subject=subject, state=CheckState.OK, message=message)


def note(subject: str, message: str) -> CheckResult:
    return CheckResult(subject=subject, state=CheckState.NOTE, message=message)


def problem(subject: str, message: str) -> CheckResult:
    return CheckResult(subject=subject, state=CheckState.PROBLEM, message=message)


def run_check(subject: str, check: Callable[[], str]) -> CheckResult:
    """Ok with the message that `check` returns, or a problem with the error that it raises."""
    try:
        return ok(subject, check())
    except EtleError as error:
        return problem(subject, str(error))
