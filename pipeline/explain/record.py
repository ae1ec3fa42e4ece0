"""Runs one camera's stage over recorded footage and keeps what it decided, without storing anything.

The session, the rules and the plate search are those of `etle run`: what is told is what was decided, not a second opinion.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from etle.config.site import CameraSettings, EvidenceSettings
from etle.errors import ConfigError
from etle.protocols import Clock, FrameSource
from etle.types import Box, Frame, Lamp, SignalId, Track, TrackId, Violation
from pipeline.detect.stage import Decided
from pipeline.detect.visibility import Visibility
from pipeline.scene.judgement import Judgement, Reason
from pipeline.workers.session import CameraSession, FrameResult, StageFactory

WARM_UP_S: Final = 60.0
"""Footage before the wanted time that is processed, too: a red is known from the change that began it."""
SETTLE_S: Final = 4.0
"""Footage behind the wanted time and the post-roll, in which tracks end and findings become complete."""

_AROUND_S: Final = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """The wanted time; None: from the beginning, to the end."""

    start: datetime | None = None
    end: datetime | None = None

    def contains(self, at: datetime) -> bool:
        return (self.start is None or at >= self.start) and (self.end is None or at <= self.end)

    def overlaps(self, track: Track) -> bool:
        started = self.end is None or track.first.captured_at <= self.end
        return started and (self.start is None or track.last.captured_at >= self.start)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRecord:
    """What the stage saw in one frame. `boxes`: of the vehicles that were detected in it, or in the last frame that was not skipped."""

    sequence: int
    captured_at: datetime
    lamps: tuple[tuple[SignalId, Lamp], ...]
    boxes: tuple[tuple[TrackId, Box], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDecision:
    """The last judgement of one entry under `rules` on a vehicle."""

    entry: int
    judgement: Judgement
    merged: Reason | None = None
    """Why the finding is no violation of its own."""

    @property
    def reason(self) -> Reason:
        return self.merged or self.judgement.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedVehicle:
    """A vehicle that met a line or lane of a rule. `violations`: what was reported of it, with its plate."""

    track: Track
    decisions: tuple[RuleDecision, ...]
    violations: tuple[Violation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What one camera's stage saw and decided in the wanted time. `vehicles`: in the order in which they appeared."""

    camera: CameraSettings
    frames: tuple[FrameRecord, ...]
    vehicles: tuple[ExplainedVehicle, ...]
    visibility: Visibility
    rejected: tuple[str, ...]
    """Reasons of frames that could not be processed, each once."""


def explain_camera(
    camera: CameraSettings, evidence: EvidenceSettings, stages: StageFactory, source: FrameSource, clock: Clock, period: Period,
    advance: Callable[[], None] = lambda: None,
) -> Explanation:  # fmt: skip
    """`source` is recorded footage. `advance` is called for each processed frame. Raises SourceError, InferenceError, ConfigError."""
    session = CameraSession(stages, camera.camera_id, None, 0, clock.now())
    recorder = _Recorder()
    for frame in frames_for(source, period, timedelta(seconds=evidence.after_s + SETTLE_S)):
        result = session.process(frame, frame.sequence, clock.now())
        recorder.add(frame, result, session.decided, session.decided_by_plate)
        advance()
    recorder.add_violations([message.violation for message in session.finish()])
    recorder.decide_by_plate(session.decided_by_plate)
    return Explanation(
        camera=camera,
        frames=tuple(each for each in recorder.frames if period.contains(each.captured_at)),
        vehicles=tuple(each for each in recorder.vehicles() if period.overlaps(each.track)),
        visibility=session.visibility,
        rejected=tuple(recorder.rejected),
    )


def frames_for(source: FrameSource, period: Period, settle: timedelta) -> Iterator[Frame]:
    """The frames of the period, with those before and after it that its decisions need."""
    for frame in source.frames():
        if period.start is not None and frame.captured_at < period.start - timedelta(seconds=WARM_UP_S):
            continue
        if period.end is not None and frame.captured_at > period.end + settle:
            return
        yield frame


def only_track(explanation: Explanation, track: str) -> Explanation:
    """The vehicle with this track, and the frames around its time in view. Raises ConfigError if none met a line or lane."""
    chosen = next((vehicle for vehicle in explanation.vehicles if vehicle.track.id == track), None)
    if chosen is None:
        met = ", ".join(vehicle.track.id for vehicle in explanation.vehicles)
        raise ConfigError(f"no vehicle with track {track!r} met a line or lane; those that did: {met or 'none'}")
    around = timedelta(seconds=_AROUND_S)
    period = Period(start=chosen.track.first.captured_at - around, end=chosen.track.last.captured_at + around)
    return replace(explanation, vehicles=(chosen,), frames=tuple(each for each in explanation.frames if period.contains(each.captured_at)))


@dataclass(slots=True)
class _Recorder:
    frames: list[FrameRecord] = field(default_factory=list)
    rejected: dict[str, None] = field(default_factory=dict)
    _tracks: dict[TrackId, Track] = field(default_factory=dict)
    _decisions: dict[tuple[TrackId, int], RuleDecision] = field(default_factory=dict)
    _by_plate: set[tuple[TrackId, int]] = field(default_factory=set)
    _violations: list[Violation] = field(default_factory=list)
    _boxes: tuple[tuple[TrackId, Box], ...] = ()

    def add(self, frame: Frame, result: FrameResult, decided: Decided | None, by_plate: Sequence[tuple[int, Judgement]] = ()) -> None:
        self.add_violations([message.violation for message in result.completed])
        if result.rejected is not None:
            self.rejected[result.rejected] = None
        if result.observed is None:
            return
        if decided is not None:
            self._decide(decided)
            seen = [track for track in decided.scene.tracks if track.last.sequence == frame.sequence]
            self._boxes = tuple((track.id, track.last.box) for track in seen)
        self.decide_by_plate(by_plate)
        self.frames.append(
            FrameRecord(sequence=frame.sequence, captured_at=frame.captured_at, lamps=result.observed.signals, boxes=self._boxes)
        )

    def decide_by_plate(self, judged: Sequence[tuple[int, Judgement]]) -> None:
        """What a rule decided on a plate counts from then on."""
        for entry, judgement in judged:
            if known := self._decisions.get((judgement.track, entry)):
                self._decisions[judgement.track, entry] = replace(known, judgement=replace(known.judgement, outcome=judgement.outcome))
                self._by_plate.add((judgement.track, entry))

    def add_violations(self, violations: Sequence[Violation]) -> None:
        self._violations += violations

    def vehicles(self) -> list[ExplainedVehicle]:
        by_track: dict[TrackId, list[RuleDecision]] = {}
        for (track, _), decision in sorted(self._decisions.items(), key=lambda item: item[0][1]):
            by_track.setdefault(track, []).append(decision)
        vehicles = [
            ExplainedVehicle(
                track=self._tracks[track],
                decisions=tuple(decisions),
                violations=tuple(violation for violation in self._violations if violation.track == track),
            )
            for track, decisions in by_track.items()
        ]
        return sorted(vehicles, key=lambda vehicle: vehicle.track.first.captured_at)

    def _decide(self, decided: Decided) -> None:
        """The newest judgement counts; what was reported stays reported, and may turn out to be no violation of its own."""
        tracks: Mapping[TrackId, Track] = {track.id: track for track in (*decided.scene.tracks, *decided.scene.ended)}
        for entry, judgement in decided.judged:
            known = self._decisions.get((judgement.track, entry))
            if (judgement.track, entry) not in self._by_plate and (known is None or known.judgement.finding is None):
                self._decisions[judgement.track, entry] = RuleDecision(entry=entry, judgement=judgement)
        for each in decided.reported:
            if each.merged is not None and (known := self._decisions.get((each.track.id, each.entry))) is not None:
                self._decisions[each.track.id, each.entry] = RuleDecision(entry=each.entry, judgement=known.judgement, merged=each.merged)
        self._tracks.update({name: track for name, track in tracks.items() if any(name == key for key, _ in self._decisions)})
