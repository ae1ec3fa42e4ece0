"""The report of shadow mode: one JSON line for each comparison, and its summary."""

import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from etle.decoded_types import prepare
from etle.errors import ConfigError

log = logging.getLogger(__name__)

_LIMIT_BYTES: Final = 200 * 1024 * 1024
_MAX_EXAMPLES: Final = 20


class ShadowOutcome(StrEnum):
    """What a comparison found."""

    SAME = "same"
    DIFFERENT = "different"
    FAILED = "failed"
    """The shadow model raised an error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowComparison:
    """What the current and the shadow model said about the same picture. `kind`: vehicles, plates, text, lamp."""

    kind: str
    current: str
    """Name of the model."""
    shadow: str
    shadow_digest: str
    outcome: ShadowOutcome
    detail: Mapping[str, str | int]


prepare(ShadowComparison)


class ShadowReport:
    """Appends comparisons to a file. Each line is one write, so that threads and processes may share the file.

    A report that cannot be written, or is full, ends with one warning: live traffic goes on.
    """

    def __init__(self, path: Path, limit_bytes: int = _LIMIT_BYTES) -> None:
        self.path = path
        self._limit_bytes = limit_bytes
        self._ended = False

    def add(self, comparison: ShadowComparison) -> None:
        if self._ended:
            return
        line = msgspec.json.encode(comparison) + b"\n"
        try:
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                if os.fstat(file).st_size + len(line) > self._limit_bytes:
                    self._end(f"it has {self._limit_bytes / 1e6:.0f} MB")
                else:
                    os.write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            self._end(str(error))

    def _end(self, reason: str) -> None:
        self._ended = True
        log.warning("the shadow report %s takes no more comparisons: %s", self.path, reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowSummary:
    """The comparisons of one current and one shadow model."""

    kind: str
    current: str
    shadow: str
    shadow_digest: str
    outcomes: Mapping[ShadowOutcome, int]
    examples: tuple[Mapping[str, str | int], ...]
    """Details of the first comparisons that were not the same."""

    @property
    def compared(self) -> int:
        return sum(self.outcomes.values())

    @property
    def agreement(self) -> float:
        return self.outcomes[ShadowOutcome.SAME] / self.compared


def summarize(path: Path) -> list[ShadowSummary]:
    """One summary for each pair of models, in their order in the file. Raises ConfigError."""
    groups: dict[tuple[str, str, str, str], list[ShadowComparison]] = {}
    for comparison in read_report(path):
        key = (comparison.kind, comparison.current, comparison.shadow, comparison.shadow_digest)
        groups.setdefault(key, []).append(comparison)
    return [_summary(key, comparisons) for key, comparisons in groups.items()]


def read_report(path: Path) -> Iterator[ShadowComparison]:
    """Without a last line that a kill has cut off. Raises ConfigError for any other line that is none."""
    number = 0
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007 - the message names the line
                if line.endswith(b"\n"):
                    yield msgspec.json.decode(line, type=ShadowComparison)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path} is not a shadow report: line {number}: {error}") from error


def _summary(key: tuple[str, str, str, str], comparisons: Iterable[ShadowComparison]) -> ShadowSummary:
    outcomes = dict.fromkeys(ShadowOutcome, 0)
    examples: list[Mapping[str, str | int]] = []
    for comparison in comparisons:
        outcomes[comparison.outcome] += 1
        if comparison.outcome is not ShadowOutcome.SAME and len(examples) < _MAX_EXAMPLES:
            examples.append(comparison.detail)
    kind, current, shadow, digest = key
    return ShadowSummary(kind=kind, current=current, shadow=shadow, shadow_digest=digest, outcomes=outcomes, examples=tuple(examples))
