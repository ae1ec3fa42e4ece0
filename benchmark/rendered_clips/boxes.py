"""Runs tracker, signal history and rules on the visible boxes of a clip's ground truth, without pictures.

What is missed here is missed by the tracker or the rules. A vehicle counts as detected if no nearer one covers most of its visible box.
"""

import gzip
import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from etle.config.site import CameraSettings, load_site
from etle.geometry import intersection_area
from etle.types import Box, Detection, Lamp, SignalId, SignalReading, Track, VehicleClass
from models.tracking.tracker import Tracker
from pipeline.detect.pending import PendingFinding, PendingFindings
from pipeline.rules import build_rules
from pipeline.scene.calibration import calibrate
from pipeline.scene.one_vehicle import gap_check
from pipeline.scene.scene import Scene
from pipeline.scene.signals import SignalHistory

_NOISE_PX: Final = 1.5
_MIN_SIDE_PX: Final = 25.0
_MAX_COVERED: Final = 0.7
_AFTER_S: Final = 1.5
_TOLERANCE_S: Final = 1.0

Row = Mapping[str, Any]


def judged_boxes(folder: Path) -> dict[str, Any]:
    """`found` and `right` are the same here: the violation, by the vehicle of the ground truth."""
    truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    frames = json.loads(gzip.decompress((folder / "frames.json.gz").read_bytes()))
    happened, missed, false = 0, [], 0
    for camera in load_site(folder / "site.yaml", {}).cameras:
        clip = _Clip(camera, truth["cameras"][camera.id], frames[camera.id])
        reported = clip.run()
        for true in (row for row in truth["violations"] if row["camera"] == camera.id):
            happened += 1
            match = next((each for each in reported if _is_report_of(true, each)), None)
            if match is None:
                missed.append(f"{true['rule']} of {true['vehicle']} at {true['at_s']} s, camera {camera.id}")
            else:
                reported.remove(match)
        false += len(reported)
    found = happened - len(missed)
    return {"violations": happened, "found": found, "right": found, "false": false, "missed": missed}


Report = tuple[str, str, float]
"""Rule, vehicle, and second of the clip."""


def _is_report_of(true: Row, report: Report) -> bool:
    return report[:2] == (true["rule"], true["vehicle"]) and abs(report[2] - true["at_s"]) <= _TOLERANCE_S


class _Clip:
    """One camera's frames. `truth`: the camera's part of truth.json."""

    def __init__(self, camera: CameraSettings, truth: Row, frames: Sequence[Row]) -> None:
        self._begin = datetime.fromisoformat(truth["starts_at"])
        self._lamps: Sequence[tuple[float, str]] = truth["signal"]
        self._frames = frames
        self._kinds = {vehicle["id"]: VehicleClass(vehicle["kind"]) for vehicle in truth["vehicles"]}
        self._signals = [SignalId(signal.id) for signal in camera.signals]
        calibration = calibrate(camera)
        self._rules = build_rules(camera, calibration)
        self._tracker = Tracker(image_size=camera.frame_size, can_be_one=gap_check(calibration))
        self._history = SignalHistory()
        self._pending = PendingFindings()
        self._rng = random.Random(1)
        self._owner: dict[tuple[int, Box], str] = {}
        self._complete: list[PendingFinding] = []

    def run(self) -> list[Report]:
        for frame in self._frames:
            self._step(frame, self._begin + timedelta(seconds=frame["t_s"]))
        return [self._report(each) for each in (*self._complete, *self._pending.waiting)]

    def _step(self, frame: Row, now: datetime) -> None:
        if self._lamps:
            lamp = Lamp([lamp for start, lamp in self._lamps if start <= frame["t_s"] + 1e-6][-1])
            self._history = self._history.with_reading(SignalReading(captured_at=now, lamp=lamp, score=1.0))
        update = self._tracker.update(frame["i"], now, self._detections(frame))
        scene = Scene(now=now, tracks=update.tracks, ended=update.ended, signals=dict.fromkeys(self._signals, self._history))
        tracks = {track.id: track for track in (*scene.tracks, *scene.ended)}
        self._pending = self._pending.with_tracks([*tracks.values()])
        judged = [(entry, judgement) for entry, rule in enumerate(self._rules) for judgement in rule.judge(scene)]
        for entry, judgement in judged:
            if finding := judgement.finding:
                self._pending = self._pending.with_finding(finding, entry, tracks[finding.track], now, _AFTER_S)
        self._pending = self._pending.with_undecided([judgement for _, judgement in judged], now)
        due = self._pending.due(now)
        self._complete += due
        self._pending = self._pending.without(due)

    def _report(self, pending: PendingFinding) -> Report:
        second = (pending.finding.occurred_at - self._begin).total_seconds()
        return pending.finding.rule, self._vehicle_of(pending.track), second

    def _vehicle_of(self, track: Track) -> str:
        """The vehicle that most of its boxes show."""
        owners = Counter(self._owner[sighting.sequence, sighting.box] for sighting in track.sightings)
        return owners.most_common(1)[0][0]

    def _detections(self, frame: Row) -> list[Detection]:
        rows = [(vehicle["id"], Box(*map(float, vehicle["box"]))) for vehicle in frame["vehicles"]]
        found = []
        for name, box in rows:
            covered = max((intersection_area(box, other) / box.area for _, other in rows if other.y2 > box.y2), default=0.0)
            if min(box.width, box.height) >= _MIN_SIDE_PX and covered <= _MAX_COVERED:
                drawn = Box(*(edge + self._rng.gauss(0, _NOISE_PX) for edge in box))
                self._owner[frame["i"], drawn] = name
                found.append(Detection(box=drawn, vehicle=self._kinds[name], score=0.8))
        return found
