"""One scenario through the tracker, the signal history, the rules and the pending findings of the stage, without pictures."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from benchmark.situations.road import HEIGHT_PX, RED_LIGHT, SIGNAL_ID, STOP_LINE, WIDTH_PX, RoadCamera, RoadLane, RoadUser
from etle.types import Box, Detection, Lamp, Sighting, SignalId, SignalReading, TrackId
from models.tracking.tracker import Tracker
from pipeline.detect.pending import PendingFinding, PendingFindings
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate
from pipeline.scene.one_vehicle import gap_check
from pipeline.scene.scene import Scene
from pipeline.scene.signals import SignalHistory
from pipeline.scene.vehicle_motion import of_one_vehicle

BEGIN = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
AFTER_S = 1.5
_RECOGNISED = 0.1
"""Share of the largest box's area; plates are searched in boxes of 0.3 and more."""
Signal = Callable[[float], Lamp]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accusation:
    """A finding, with the names of the road users whom its evidence shows as the vehicle, in the order of time, each change once."""

    users: tuple[str, ...]
    rule: str
    second: float
    measured: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the camera sees, and how well."""

    users: Sequence[RoadUser]
    signal: Signal = lambda second: Lamp.RED
    camera: RoadCamera = RoadCamera()  # noqa: RUF009 (immutable in effect)
    rules: Sequence[Mapping[str, object]] = (RED_LIGHT, STOP_LINE)
    lanes: Sequence[RoadLane] = ()
    fps: float = 10.0
    length_s: float = 10.0
    noise_px: float = 0.0
    seed: int = 1
    lost: tuple[tuple[float, float], ...] = ()
    """From when to when frames are lost."""
    shake: Callable[[float], tuple[float, float]] = lambda second: (0.0, 0.0)
    """By how many pixels the camera is displaced."""
    twice: Callable[[float, RoadUser, Detection], Sequence[Detection]] = lambda second, user, detection: ()
    """Further boxes that the detector draws of the same vehicle."""

    def run(self) -> list[Accusation]:
        return _Runner(self).run()


def phases(*changes: tuple[float, Lamp]) -> Signal:
    """The lamp from each second on."""
    return lambda second: [lamp for start, lamp in changes if start <= second + 1e-9][-1]


class _Runner:
    def __init__(self, trial: Trial) -> None:
        settings = trial.camera.settings(trial.rules, trial.lanes)
        self._trial = trial
        self._calibration = calibrate(settings)
        self._rules = build_rules(settings, self._calibration)
        self._tracker = Tracker(score=0.25, image_size=(WIDTH_PX, HEIGHT_PX), can_be_one=gap_check(self._calibration))
        self._history = SignalHistory()
        self._pending = PendingFindings()
        self._rng = random.Random(trial.seed)
        self._owner: dict[tuple[int, Box], str] = {}
        self._found: dict[tuple[str, TrackId], Accusation] = {}

    def run(self) -> list[Accusation]:
        trial = self._trial
        for sequence in range(int(trial.length_s * trial.fps) + 1):
            second = sequence / trial.fps
            if not any(start <= second < end for start, end in trial.lost):
                self._step(sequence, second)
        return list(self._found.values())

    def _step(self, sequence: int, second: float) -> None:
        now = BEGIN + timedelta(seconds=second)
        lamp = self._trial.signal(second)
        self._history = self._history.with_reading(SignalReading(captured_at=now, lamp=lamp, score=0.0 if lamp is Lamp.UNKNOWN else 1.0))
        update = self._tracker.update(sequence, now, self._detections(sequence, second))
        scene = Scene(now=now, tracks=update.tracks, ended=update.ended, signals={SignalId(SIGNAL_ID): self._history})
        tracks = {track.id: track for track in (*scene.tracks, *scene.ended)}
        self._pending = self._pending.with_tracks([*tracks.values()])
        for entry, rule in enumerate(self._rules):
            for finding in rule.findings(scene):
                self._pending = self._pending.with_finding(finding, entry, tracks[finding.track], now, AFTER_S)
        for each in self._pending.waiting:
            users = [self._owner.get((sighting.sequence, sighting.box), "?") for sighting in self._shown(each)]
            changes = tuple(user for i, user in enumerate(users) if i == 0 or user != users[i - 1])
            at_s = (each.finding.occurred_at - BEGIN).total_seconds()
            measured = {each.name: each.value for each in each.finding.measured}
            accusation = Accusation(users=changes, rule=each.finding.rule, second=at_s, measured=measured)
            self._found[each.finding.rule, each.finding.track] = accusation
        self._pending = self._pending.without(self._pending.due(now))

    def _shown(self, pending: PendingFinding) -> list[Sighting]:
        """What the evidence shows of a track, and is near enough to be recognised."""
        track = of_one_vehicle(pending.track, self._calibration, pending.finding.occurred_at)
        largest = max(sighting.box.area for sighting in track.sightings)
        return [sighting for sighting in track.sightings if sighting.box.area >= _RECOGNISED * largest]

    def _detections(self, sequence: int, second: float) -> list[Detection]:
        seen = []
        dx, dy = self._trial.shake(second)
        for user in self._trial.users:
            detection = user.detection(self._trial.camera, second, self._trial.noise_px, self._rng)
            if detection is None:
                continue
            for each in (detection, *self._trial.twice(second, user, detection)):
                box = each.box
                shaken = replace(each, box=Box(box.x1 + dx, box.y1 + dy, box.x2 + dx, box.y2 + dy))
                self._owner[sequence, shaken.box] = user.name
                seen.append(shaken)
        return seen
