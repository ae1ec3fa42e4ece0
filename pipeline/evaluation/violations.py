"""Footage whose truth is known (`python -m simulator` renders some): what was found held against what happened."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from etle.errors import ConfigError
from etle.types import CameraId, RuleName, Violation

TOLERANCE: Final = timedelta(seconds=1)
"""Between the moment that is true and the one that was measured."""
_AROUND_S: Final = 1.5
_HALF: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueViolation:
    camera: CameraId
    rule: RuleName
    occurred_at: datetime
    plate: str
    kind: str
    hidden_s: float | None
    """For how long at a stretch, around the moment, other things stood before its plate; None if the footage does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    truth: TrueViolation
    found: Violation

    @property
    def plate_right(self) -> bool:
        return self.found.plate.text == self.truth.plate

    @property
    def off_s(self) -> float:
        return (self.found.occurred_at - self.truth.occurred_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class ViolationScore:
    """`found` are those that happened, whether or not their plate was read right; precision and recall ask for the plate too."""

    found: tuple[Match, ...]
    missed: tuple[TrueViolation, ...]
    false: tuple[Violation, ...]

    @property
    def right(self) -> int:
        return sum(match.plate_right for match in self.found)

    @property
    def precision(self) -> float:
        reported = len(self.found) + len(self.false)
        return self.right / reported if reported else 1.0

    @property
    def recall(self) -> float:
        happened = len(self.found) + len(self.missed)
        return self.right / happened if happened else 1.0

    @property
    def perfect(self) -> bool:
        return self.precision == self.recall == 1.0


def load_truth(file: Path) -> tuple[TrueViolation, ...]:
    """Raises ConfigError if the file is not one of truth."""
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))["violations"]
        frames = _frames(file.with_name("frames.json.gz"))
        return tuple(
            TrueViolation(
                camera=CameraId(row["camera"]),
                rule=RuleName(row["rule"]),
                occurred_at=datetime.fromisoformat(row["occurred_at"]),
                plate=row["plate"],
                kind=row["kind"],
                hidden_s=_hidden_s(frames.get(row["camera"], ()), row["vehicle"], row["at_s"]),
            )
            for row in rows
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{file}: is not the truth about footage: {error!r}") from error


def _frames(file: Path) -> dict[str, list[dict[str, Any]]]:
    """Where everyone was in each frame, by camera; empty if that was not written."""
    if not file.exists():
        return {}
    found: dict[str, list[dict[str, Any]]] = json.loads(gzip.decompress(file.read_bytes()))
    return found


def _hidden_s(frames: Sequence[dict[str, Any]], vehicle: str, at_s: float) -> float | None:
    if len(frames) < 2:
        return None
    longest = run = 0
    for frame in frames:
        if abs(frame["t_s"] - at_s) <= _AROUND_S:
            seen = any(row["id"] == vehicle and row["plate_visible"] >= _HALF for row in frame["vehicles"])
            run = 0 if seen else run + 1
            longest = max(longest, run)
    return float(longest * (frames[1]["t_s"] - frames[0]["t_s"]))


def score(violations: Sequence[Violation], truth: Sequence[TrueViolation]) -> ViolationScore:
    """Each true violation is matched with one of the same camera, rule and time; of several with that of its plate, then the nearest."""
    pairs = sorted(
        (
            (v.plate.text != t.plate, abs(v.occurred_at - t.occurred_at), n, m)
            for n, t in enumerate(truth)
            for m, v in enumerate(violations)
            if _alike(t, v)
        ),
    )
    of_truth: dict[int, int] = {}
    for _, _, n, m in pairs:
        if n not in of_truth and m not in of_truth.values():
            of_truth[n] = m
    return ViolationScore(
        found=tuple(Match(truth=truth[n], found=violations[m]) for n, m in sorted(of_truth.items())),
        missed=tuple(t for n, t in enumerate(truth) if n not in of_truth),
        false=tuple(v for m, v in enumerate(violations) if m not in of_truth.values()),
    )


def as_json(score: ViolationScore) -> dict[str, Any]:
    return {
        "precision": score.precision,
        "recall": score.recall,
        "plates_right": score.right,
        "found": [
            {**_told(match.truth), **_reported(match.found), "off_s": match.off_s, "plate_right": match.plate_right}
            for match in score.found
        ],
        "missed": [_told(true) for true in score.missed],
        "false": [_reported(violation) for violation in score.false],
    }


def _alike(true: TrueViolation, violation: Violation) -> bool:
    near = abs(violation.occurred_at - true.occurred_at) <= TOLERANCE
    return near and violation.camera == true.camera and violation.rule == true.rule


def _matched(match: Match) -> dict[str, Any]:
    return {**_told(match.truth), **_reported(match.found), "off_s": match.off_s, "plate_right": match.plate_right}


def _told(true: TrueViolation) -> dict[str, Any]:
    told = asdict(true)
    return {**told, "occurred_at": true.occurred_at.isoformat(), "plate_true": told.pop("plate")}


def _reported(violation: Violation) -> dict[str, Any]:
    return {
        "id": str(violation.id),
        "camera": violation.camera,
        "rule": violation.rule,
        "measured_at": violation.occurred_at.isoformat(),
        "plate": violation.plate.text,
        "plate_probability": violation.plate.probability,
        "vehicle": violation.vehicle.value,
    }
