"""Runs the tracker, the rules and the pending findings of the detect stage on the detections of one virtual camera."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from etle.clock import seconds_between
from etle.config.site import CameraSettings
from etle.types import Box, Lamp, RuleName, SignalId, SignalReading
from models.tracking.tracker import Tracker, TrackerState
from pipeline.detect.pending import PendingFinding, PendingFindings
from pipeline.evaluation.traffic.detector import DetectedVehicle
from pipeline.evaluation.traffic.noise import DetectorNoise
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate
from pipeline.scene.judgement import Judgement
from pipeline.scene.one_vehicle import gap_check
from pipeline.scene.passage import COVERAGE
from pipeline.scene.scene import Scene
from pipeline.scene.signals import SignalHistory
from pipeline.scene.vehicle_motion import of_one_vehicle

BEGIN: Final = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
_AFTER_S: Final = 1.5
"""Default of `evidence.after_s`."""
_SCORE: Final = 0.25
"""Default of `detect.score`."""
_RECOGNISED: Final = 0.1
"""Share of the largest box's area from which the evidence shows who it is; plates are searched in boxes of 0.3 and more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCase:
    """What would become a case: the vehicles that its evidence shows, in the order of time, and the moment of the act."""

    rule: RuleName
    vehicles: tuple[str, ...]
    at_s: float
    within_s: float = 0.0
    """Two standard uncertainties of the moment, as far as the case states them."""


class DetectionReplay:
    """One camera of the stage, from detections to cases."""

    def __init__(self, settings: CameraSettings, noise: DetectorNoise | None = None) -> None:
        """`noise`: exchanges tracks."""
        self._noise = noise
        self._frame_size = settings.frame_size
        self._calibration = calibrate(settings)
        self._rules = build_rules(settings, self._calibration)
        self._tracker = self._new_tracker(None)
        self._signals = {SignalId(signal.id): SignalHistory() for signal in settings.signals}
        self._pending = PendingFindings()
        self._owners: dict[tuple[int, Box], str] = {}
        self.cases: list[ReportedCase] = []
        self.last_judged: dict[tuple[str, RuleName], Judgement] = {}
        """Of each vehicle and rule, what was decided last: why a vehicle was not reported."""

    def see(self, sequence: int, second: float, detected: Sequence[DetectedVehicle], lamps: Mapping[SignalId, tuple[Lamp, float]]) -> None:
        """The next frame. `lamps`: what was read of each signal, with the reader's score."""
        now = BEGIN + timedelta(seconds=second)
        for name, (lamp, score) in lamps.items():
            self._signals[name] = self._signals[name].with_reading(SignalReading(captured_at=now, lamp=lamp, score=score))
        self._owners |= {(sequence, each.detection.box): each.vehicle for each in detected}
        update = self._tracker.update(sequence, now, [each.detection for each in detected])
        tracks = update.tracks
        if self._noise is not None and (switched := self._noise.switched(self._tracker.state)) is not None:
            self._tracker = self._new_tracker(switched)
            changed = {track.id: track for track in switched.tracks}
            tracks = tuple(changed[track.id] for track in tracks)
        self._judge(Scene(now=now, tracks=tracks, ended=update.ended, signals=self._signals))

    def _new_tracker(self, state: TrackerState | None) -> Tracker:
        return Tracker(state, score=_SCORE, image_size=self._frame_size, can_be_one=gap_check(self._calibration))

    def finish(self) -> None:
        """Complete what still waits."""
        self._complete(self._pending.due(None))

    def _judge(self, scene: Scene) -> None:
        tracks = {track.id: track for track in (*scene.tracks, *scene.ended)}
        self._pending = self._pending.with_tracks([*tracks.values()])
        judged = [(entry, judgement) for entry, rule in enumerate(self._rules) for judgement in rule.judge(scene)]
        for entry, judgement in judged:
            track = tracks[judgement.track]
            self.last_judged[self._owner(track.last.sequence, track.last.box), judgement.rule] = judgement
            if finding := judgement.finding:
                self._pending = self._pending.with_finding(finding, entry, track, scene.now, _AFTER_S)
        self._pending = self._pending.with_undecided([judgement for _, judgement in judged], scene.now)
        self._complete(self._pending.due(scene.now))
        open_tracks = tracks.keys() | {track.id for track in self._tracker.state.tracks}
        self._pending = self._pending.without_ended(open_tracks, scene.now)

    def _complete(self, due: Sequence[PendingFinding]) -> None:
        self.cases += [self._case(each) for each in due]
        self._pending = self._pending.without(due)

    def _case(self, pending: PendingFinding) -> ReportedCase:
        track = of_one_vehicle(pending.track, self._calibration, pending.finding.occurred_at)
        largest = max(sighting.box.area for sighting in track.sightings)
        shown = (each for each in track.sightings if each.box.area >= _RECOGNISED * largest)
        owners = self._without_repeats(self._owner(each.sequence, each.box) for each in shown)
        finding = pending.finding
        u_s = next((each.uncertainty or 0.0 for each in finding.measured if each.name == "time_into_red"), 0.0)
        return ReportedCase(rule=finding.rule, vehicles=owners, at_s=seconds_between(BEGIN, finding.occurred_at), within_s=COVERAGE * u_s)

    def _owner(self, sequence: int, box: Box) -> str:
        return self._owners[sequence, box]

    @staticmethod
    def _without_repeats(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(names))
