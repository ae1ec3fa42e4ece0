"""Compares violations with the ground truth of labelled footage, such as `python -m simulator` renders."""

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
"""Maximum difference between the true and the measured time."""
_OCCLUSION_WINDOW_S: Final = 1.5
"""Before and after the true time."""
_MIN_VISIBLE: Final = 0.5
"""Share of the plate that must be visible for it not to count as occluded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueViolation:
    camera: CameraId
    rule: RuleName
    occurred_at: datetime
    plate: str
    kind: str
    hidden_s: float | None
    """Longest time without interruption, around the violation, for which its plate was occluded; None if the footage has no frame data."""


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
    """`found`: true violations that were reported, whether or not the plate is right; precision and recall count only right plates."""

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


def load_ground_truth(file: Path) -> tuple[TrueViolation, ...]:
    """Raises ConfigError if the file is not a truth.json."""
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
        raise ConfigError(f"{file} is not the ground truth of footage: {error!r}") from error


def _frames(file: Path) -> dict[str, list[dict[str, Any]]]:
    """The frames by camera, with the vehicles in each; empty if the file does not exist."""
    if not file.exists():
        return {}
    frames: dict[str, list[dict[str, Any]]] = json.loads(gzip.decompress(file.read_bytes()))
    return frames


def _hidden_s(frames: Sequence[dict[str, Any]], vehicle: str, at_s: float) -> float | None:
    if len(frames) < 2:
        return None
    longest = run = 0
    for frame in frames:
        if abs(frame["t_s"] - at_s) <= _OCCLUSION_WINDOW_S:
            visible = any(row["id"] == vehicle and row["plate_visible"] >= _MIN_VISIBLE for row in frame["vehicles"])
            run = 0 if visible else run + 1
            longest = max(longest, run)
    return float(longest * (frames[1]["t_s"] - frames[0]["t_s"]))


def score(violations: Sequence[Violation], truth: Sequence[TrueViolation]) -> ViolationScore:
    """Matches true violations with those of the same camera, rule and time: first those with the right plate, then the nearest in time."""
    pairs = sorted(
        (
            (v.plate.text != t.plate, abs(v.occurred_at - t.occurred_at), n, m)
            for n, t in enumerate(truth)
            for m, v in enumerate(violations)
            if _matches(t, v)
        ),
    )
    matches: dict[int, int] = {}
    for _, _, n, m in pairs:
        if n not in matches and m not in matches.values():
            matches[n] = m
    return ViolationScore(
        found=tuple(Match(truth=truth[n], found=violations[m]) for n, m in sorted(matches.items())),
        missed=tuple(t for n, t in enumerate(truth) if n not in matches),
        false=tuple(v for m, v in enumerate(violations) if m not in matches.values()),
    )


def as_json(score: ViolationScore) -> dict[str, Any]:
    return {
        "precision": score.precision,
        "recall": score.recall,
        "plates_right": score.right,
        "found": [
            {**_true_row(match.truth), **_reported_row(match.found), "off_s": match.off_s, "plate_right": match.plate_right}
            for match in score.found
        ],
        "missed": [_true_row(true) for true in score.missed],
        "false": [_reported_row(violation) for violation in score.false],
    }


def _matches(true: TrueViolation, violation: Violation) -> bool:
    near = abs(violation.occurred_at - true.occurred_at) <= TOLERANCE
    return near and violation.camera == true.camera and violation.rule == true.rule


def _true_row(true: TrueViolation) -> dict[str, Any]:
    return {**asdict(true), "occurred_at": true.occurred_at.isoformat(), "plate_true": true.plate}


def _reported_row(violation: Violation) -> dict[str, Any]:
    return {
        "id": str(violation.id),
        "camera": violation.camera,
        "rule": violation.rule,
        "measured_at": violation.occurred_at.isoformat(),
        "plate": violation.plate.text,
        "plate_probability": violation.plate.probability,
        "vehicle": violation.vehicle.value,
    }
