"""What a run processes, with what. The plan is stored with the run, so that a run is only ever continued with the same one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from etle.config.site import Site
from etle.decoded_types import prepare
from etle.types import CameraId, Digest, RuleName

LEAD_IN_S: Final = 60.0
"""Frames before the range that are processed too, so that tracks and signals are known at its beginning. Nothing in them is reported."""
TAIL_S: Final = 30.0
"""Frames behind the range: the evidence of its last violations needs them."""


class FootageKind(StrEnum):
    """Where the frames of a run come from."""

    ARCHIVE = "archive"
    KAFKA = "kafka"
    """What the topic of frames still holds."""
    FILES = "files"
    """The site's own video files and folders."""


class Part(StrEnum):
    """What of the pipeline a run repeats."""

    ALL = "all"
    RULES = "rules"
    """Without reading plates."""
    PLATES = "plates"
    """Only reading the plates of stored cases again, in their evidence pictures: for footage that is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteVariant:
    """What the run changes in the site file, for the workers of other hosts. They check the result by its fingerprint."""

    detect: Mapping[str, Any] | None = None
    """Keys of `detect` that differ; paths are absolute, and have to exist on each host."""
    cameras: tuple[Mapping[str, Any], ...] | None = None
    """As `cameras` of a rules file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCamera:
    camera: CameraId
    fingerprint: Digest
    """Of the code, models and configuration that process it."""
    segments: tuple[str, ...] = ()
    """Of the archive, in order: offsets count in them."""

    def until_segment(self, last: int) -> "PlannedCamera":
        """Without the segments behind number `last`; the offsets of the others stay the same."""
        return replace(self, segments=self.segments[: last + 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReprocessPlan:
    site: str
    source: FootageKind
    part: Part
    since: datetime | None
    """Violations from then on are reported; None: from the first frame."""
    until: datetime | None
    """Exclusive; None: to the last frame."""
    cameras: tuple[PlannedCamera, ...]
    variant: SiteVariant = SiteVariant()
    not_applied: tuple[RuleName, ...] = ()
    """Rules that this part of the pipeline cannot apply: those that decide by pictures, where no plates are read."""

    def camera(self, camera: CameraId) -> PlannedCamera:
        return next(each for each in self.cameras if each.camera == camera)

    def contains(self, at: datetime) -> bool:
        return (self.since is None or self.since <= at) and (self.until is None or at < self.until)

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    @classmethod
    def of(cls, stored: Mapping[str, object]) -> "ReprocessPlan":
        """From the plan of a StoredRun. Raises msgspec.ValidationError."""
        return msgspec.convert(stored, cls)

    def is_same_work(self, other: "ReprocessPlan") -> bool:
        """Whether a run with the other plan can be continued with this one. Segments that were added since do not matter."""
        return _without_segments(self) == _without_segments(other)


prepare(ReprocessPlan)


def camera_plans(
    site: Site, fingerprints: Mapping[CameraId, Digest], segments: Mapping[CameraId, Sequence[str]]
) -> tuple[PlannedCamera, ...]:
    return tuple(
        PlannedCamera(
            camera=camera.camera_id, fingerprint=fingerprints[camera.camera_id], segments=tuple(segments.get(camera.camera_id, ()))
        )
        for camera in site.cameras
    )


def _without_segments(plan: ReprocessPlan) -> tuple[object, ...]:
    cameras = tuple((each.camera, each.fingerprint) for each in plan.cameras)
    return plan.site, plan.source, plan.part, plan.since, plan.until, cameras
