"""What `etle check` found about one thing."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from etle.errors import EtleError


class CheckState(StrEnum):
    OK = "ok"
    NOTE = "note"
    """It works, and somebody should know."""
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """`said` holds what is, or what is wrong and the way out."""

    subject: str
    state: CheckState
    said: str


def ok(subject: str, said: str) -> CheckResult:
    return CheckResult(subject=subject, state=CheckState.OK, said=said)


def note(subject: str, said: str) -> CheckResult:
    return CheckResult(subject=subject, state=CheckState.NOTE, said=said)


def problem(subject: str, said: str) -> CheckResult:
    return CheckResult(subject=subject, state=CheckState.PROBLEM, said=said)


def looked(subject: str, look: Callable[[], str]) -> CheckResult:
    """What `look` says, or the error that it raises."""
    try:
        return ok(subject, look())
    except EtleError as error:
        return problem(subject, str(error))
