"""Runs the stage on labelled clips and compares what it reports with the labels: the function behind `etle evaluate clips`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

from etle.config.site import DetectionSettings, Site
from etle.protocols import VehicleDetector
from etle.types import Box, Detection, Frame, Violation, ViolationMessage
from pipeline.assembly import build_stage, open_engines, shipped_law
from pipeline.detect.state import initial_state
from pipeline.evaluation.clip_labels import SCORED, LabelledClip, LabelledViolation, load_clips
from pipeline.evaluation.clip_sites import MARGINS, STARTS_AT, site_of
from pipeline.evaluation.run import ProgressCallback
from pipeline.rules.red_light import RedLight

if TYPE_CHECKING:
    from etle.types import Image
    from pipeline.assembly import Engines

FrameReader = Callable[[Site], Iterable[Frame]]
"""Opens the source of a site's only camera. The implementation is in `ingest`, which this package does not import."""
_SAMPLING_FRAMES: Final = 1
"""A clip that is thinned out shows a crossing up to a frame later."""
_GRACE_S: Final = float(RedLight.Settings.model_fields["grace_s"].default)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipScore:
    """The labelled violations of one clip, and what the stage reported."""

    clip: str
    must: int
    """Violations that have to be reported."""
    hit: int
    false: int
    excused: int
    """Violations in the first moments of the red, in which no rule reports: a report of them is neither a hit nor false."""
    unlabelled: int
    """Reports that the labels cannot judge: stops beyond the line where no stop is labelled; beside a hit, where labels are incomplete."""
    missed_at: tuple[float, ...]
    """Seconds from the beginning of the clip."""
    false_at: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipReport:
    """Scores of every clip by variant of the signal boxes (`MARGINS`)."""

    variants: Mapping[str, tuple[ClipScore, ...]]


def evaluate_clips(folder: Path, names: Sequence[str], read: FrameReader, progress: ProgressCallback) -> ClipReport:
    """Raises ConfigError for wrong labels, and the errors of the engines and of the sources."""
    clips = load_clips(folder, names)
    engines = open_engines(DetectionSettings())
    scores: dict[str, list[ClipScore]] = {variant: [] for variant in MARGINS}
    for clip in progress(clips, "clips"):
        detector = _RememberingDetector(engines.detector)
        for variant, margin in MARGINS.items():
            scores[variant].append(score(clip, _violations(site_of(clip, margin), replace(engines, detector=detector), read)))
    return ClipReport(variants={variant: tuple(rows) for variant, rows in scores.items()})


def run(site: Site, engines: "Engines", read: FrameReader) -> tuple[ViolationMessage, ...]:
    """All violations that the site's only camera reports, with their evidence."""
    (camera,) = site.cameras
    stage = build_stage(site, camera, engines, shipped_law(), initial_state(site.digest, camera.camera_id, 0))
    found = [message for frame in read(site) for message in stage.process(frame)]
    return (*found, *stage.finish())


def score(clip: LabelledClip, found: Sequence[Violation]) -> ClipScore:
    """Pairs each labelled violation with one report of its rule in its time, the earliest first."""
    excused = [violation for violation in clip.violations if _is_too_early(clip, violation)]
    must = [violation for violation in clip.violations if violation not in excused]
    judged = [report for report in found if report.rule == SCORED[0] or any(report.rule == each.rule for each in must)]
    left = sorted(judged, key=lambda report: report.occurred_at)
    missed: list[LabelledViolation] = []
    for violation in sorted(must, key=lambda each: each.last):
        match = next((report for report in left if _is_report_of(clip, violation, report)), None)
        if match is None:
            missed.append(violation)
        else:
            left.remove(match)
    doubtful = [report for report in left if _is_doubtful(clip, must if clip.incomplete else (), excused, report)]
    false = [report for report in left if report not in doubtful]
    return ClipScore(
        clip=clip.name,
        must=len(must),
        hit=len(must) - len(missed),
        false=len(false),
        excused=len(excused),
        unlabelled=len(found) - len(judged) + sum(not _any_report_of(clip, excused, report) for report in doubtful),
        missed_at=tuple(violation.contact / clip.fps for violation in missed),
        false_at=tuple(_second(report.occurred_at) for report in false),
    )


def total(scores: Sequence[ClipScore]) -> dict[str, int]:
    return {key: sum(getattr(row, key) for row in scores) for key in ("must", "hit", "false", "excused", "unlabelled")}


def as_json(report: ClipReport) -> dict[str, Any]:
    """`must`, `hit` and `false` of all runs together, of each variant, and of each clip in it."""
    everything = [row for scores in report.variants.values() for row in scores]
    variants = {variant: {**total(scores), "clips": {row.clip: _row(row) for row in scores}} for variant, scores in report.variants.items()}
    return {**total(everything), **variants}


def _violations(site: Site, engines: "Engines", read: FrameReader) -> tuple[Violation, ...]:
    return tuple(message.violation for message in run(site, engines, read))


def _row(row: ClipScore) -> dict[str, Any]:
    return {
        **total([row]),
        "missed_at_s": [round(second, 2) for second in row.missed_at],
        "false_at_s": [round(second, 2) for second in row.false_at],
    }


def _is_too_early(clip: LabelledClip, violation: LabelledViolation) -> bool:
    """Whether the red was younger than the rules' default grace when the foot passed the line."""
    red_from = min((head.red_from for head in clip.heads if head.red_from), default=None)
    return red_from is not None and 0 <= (violation.contact - red_from) / clip.fps < _GRACE_S


def _is_report_of(clip: LabelledClip, violation: LabelledViolation, report: Violation) -> bool:
    slack = clip.tolerance + _SAMPLING_FRAMES
    return report.rule == violation.rule and violation.first - slack <= _second(report.occurred_at) * clip.fps <= violation.last + slack


def _any_report_of(clip: LabelledClip, violations: Sequence[LabelledViolation], report: Violation) -> bool:
    return any(_is_report_of(clip, violation, report) for violation in violations)


def _is_doubtful(
    clip: LabelledClip, incomplete: Sequence[LabelledViolation], excused: Sequence[LabelledViolation], report: Violation
) -> bool:
    return _any_report_of(clip, (*incomplete, *excused), report)


def _second(at: datetime) -> float:
    return (at - STARTS_AT) / timedelta(seconds=1)


class _RememberingDetector:
    """A VehicleDetector that returns what it returned before for the same picture: the variants differ in their signal boxes only."""

    def __init__(self, detector: VehicleDetector) -> None:
        self.name, self.digest = detector.name, detector.digest
        self._detector = detector
        self._known: dict[tuple[int, tuple[int, ...]], tuple[Detection, ...]] = {}

    def detect(self, images: "Sequence[Image]") -> Sequence[tuple[Detection, ...]]:
        keys = [(crc32(image.tobytes()), image.shape) for image in images]
        for key, image in zip(keys, images, strict=True):
            if key not in self._known:
                self._known[key] = self._detector.detect([image])[0]
        return [self._known[key] for key in keys]

    def detect_part(self, image: "Image", part: Box, zoom: float = 1.0) -> tuple[Detection, ...]:
        key = crc32(image.tobytes()), (*image.shape, *(round(edge) for edge in part), round(100 * zoom))
        if key not in self._known:
            self._known[key] = self._detector.detect_part(image, part, zoom)
        return self._known[key]
