"""Errors of a detector, a camera and the person who drew its lines, of the size that was measured on footage.

The lower edge of a box is drawn too high or too low by a part of its height, all the time and slowly drifting, and trembles; so it does
on the detector's boxes of rendered clips (`python -m benchmark.speed` uses the same figures). The other figures are assumptions.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from etle.config.site import CameraSettings
from etle.geometry import iou
from etle.types import Box, Detection, Lamp, Track, VehicleClass
from models.tracking.tracker import TrackerState
from pipeline.evaluation.traffic.camera import HEIGHT_PX

FOOT_HEIGHT, FOOT_DRIFT, FOOT_PX = 0.025, 0.012, 0.7
"""Of the lower edge, standard deviations: always and drifting, as parts of the box's height, and from frame to frame."""
EDGE_PX, EDGE_WIDTH = 1.0, 0.01
MISSED: Final = 0.015
"""Share of detections that fail in single frames."""
GAP_EVERY_S, GAP_S = 40.0, 0.5
"""A vehicle is not detected once in so long, for so long on average."""
FLIPPED, OTHER_CLASS = 0.02, 0.03
"""Share of detections, and of vehicles, with a wrong class."""
CUT_SHARE: Final = 0.5
"""Share of half-hidden vehicles whose box ends where they are hidden; the others are drawn as a whole."""
DOUBLED: Final = 0.003
LOST_FRAME, LOST_EVERY_S, LOST_S = 0.005, 300.0, 0.8
UNKNOWN_LAMP: Final = 0.01
POINT_PX: Final = 1.0
"""Standard deviation of ground points, lines, lanes and zones in the picture."""
FRAME_S: Final = 0.004
SWITCHED: Final = 0.003
"""Probability in each frame that two vehicles whose boxes overlap exchange their tracks."""
_SWITCH_IOU: Final = 0.1
_TAKEN_FOR: Final = {
    VehicleClass.CAR: (VehicleClass.TRUCK, VehicleClass.TRUCK, VehicleClass.BUS),
    VehicleClass.TRUCK: (VehicleClass.CAR, VehicleClass.BUS),
    VehicleClass.BUS: (VehicleClass.TRUCK,),
    VehicleClass.MOTORCYCLE: (VehicleClass.MOTORCYCLE,),
}


@dataclass(slots=True)
class _Errors:
    """Those of one vehicle at one camera."""

    foot: float
    drift: float
    tau_s: float
    score: float
    label: VehicleClass
    is_cut: bool
    next_gap_s: float
    gap_until_s: float = -1.0


class DetectorNoise:
    """One camera's errors; the same random numbers give the same errors."""

    def __init__(self, rng: random.Random, fps: float) -> None:
        self._rng, self._frame_s = rng, 1 / fps
        self._switches = random.Random(rng.random())  # of its own: what the tracker does must not change the detections
        self._vehicles: dict[str, _Errors] = {}
        self._lost_until_s = -1.0

    def loses_frame(self, second: float) -> bool:
        if self._rng.random() < self._frame_s / LOST_EVERY_S:
            self._lost_until_s = second + self._rng.expovariate(1 / LOST_S)
        return second < self._lost_until_s or self._rng.random() < LOST_FRAME

    def captured(self, second: float) -> float:
        """What the camera says when the frame was taken."""
        return max(0.0, second + max(-0.02, min(0.02, self._rng.gauss(0, FRAME_S))))

    def lamp(self, lamp: Lamp) -> tuple[Lamp, float]:
        return (Lamp.UNKNOWN, 0.0) if self._rng.random() < UNKNOWN_LAMP else (lamp, self._rng.uniform(0.85, 1.0))

    def detections(self, vehicle: str, exact: Detection, visible: float, nearer: Sequence[Box], second: float) -> list[Detection]:
        """What the detector makes of one vehicle: mostly one box. `visible`: the share of its box that the `nearer` boxes do not cover."""
        rng, errors = self._rng, self._errors(vehicle, exact.vehicle, second)
        if second >= errors.next_gap_s:
            errors.gap_until_s = second + min(2.0, rng.expovariate(1 / GAP_S))
            errors.next_gap_s = second + rng.expovariate(1 / GAP_EVERY_S)
        hidden = max(0.0, 0.65 - visible) / 0.35
        if second < errors.gap_until_s or rng.random() < MISSED + 0.8 * hidden:
            return []
        box = _hidden_below(exact.box, nearer) if errors.is_cut else exact.box
        label = rng.choice(_TAKEN_FOR[errors.label]) if rng.random() < FLIPPED else errors.label
        score = max(0.1, min(0.95, errors.score - 0.4 * hidden + rng.gauss(0, 0.05)))
        detection = Detection(box=self._drawn(box, errors), vehicle=label, score=score)
        if rng.random() >= DOUBLED:
            return [detection]
        return [detection, replace(detection, box=self._drawn(box, errors), score=score / 2)]

    def switched(self, state: TrackerState) -> TrackerState | None:
        """The tracker's state with two overlapping vehicles in each other's track; None in most frames."""
        seen = [track for track in state.tracks if track.last.captured_at == state.updated_at and len(track.sightings) > 1]
        for index, one in enumerate(seen):
            for two in seen[index + 1 :]:
                if iou(one.last.box, two.last.box) > _SWITCH_IOU and self._switches.random() < SWITCHED:
                    changed = {one.id: _continued(one, two), two.id: _continued(two, one)}
                    return replace(state, tracks=tuple(changed.get(track.id, track) for track in state.tracks))
        return None

    def _drawn(self, box: Box, errors: _Errors) -> Box:
        rng = self._rng
        same = math.exp(-self._frame_s / errors.tau_s)
        errors.drift = same * errors.drift + math.sqrt(1 - same**2) * rng.gauss(0, FOOT_DRIFT)
        x1, x2 = (edge + rng.gauss(0, EDGE_PX + EDGE_WIDTH * box.width) for edge in (box.x1, box.x2))
        off = rng.gauss(0, FOOT_PX) + (0.0 if box.y2 >= HEIGHT_PX else (errors.foot + errors.drift) * box.height)
        y2 = min(float(HEIGHT_PX), box.y2 + off)  # a box that the picture's edge cuts ends there
        return Box(x1, box.y1 + rng.gauss(0, EDGE_PX), x2, max(box.y1 + 6, y2))

    def _errors(self, vehicle: str, true_class: VehicleClass, second: float) -> _Errors:
        if vehicle not in self._vehicles:
            rng = self._rng
            self._vehicles[vehicle] = _Errors(
                foot=rng.gauss(0, FOOT_HEIGHT),
                drift=rng.gauss(0, FOOT_DRIFT),
                tau_s=rng.uniform(0.1, 0.5),
                score=rng.uniform(0.55, 0.9),
                label=rng.choice(_TAKEN_FOR[true_class]) if rng.random() < OTHER_CLASS else true_class,
                is_cut=rng.random() < CUT_SHARE,
                next_gap_s=second + rng.expovariate(1 / GAP_EVERY_S),
            )
        return self._vehicles[vehicle]


def drawn_by_hand(settings: CameraSettings, rng: random.Random) -> CameraSettings:
    """The camera with each point of its lines, lanes, zones and ground points off by `POINT_PX`."""

    def off(point: tuple[float, float]) -> tuple[float, float]:
        return point[0] + rng.gauss(0, POINT_PX), point[1] + rng.gauss(0, POINT_PX)

    return settings.model_copy(
        update={
            "ground_points": tuple(each.model_copy(update={"px": off(each.px)}) for each in settings.ground_points),
            "lines": tuple(each.model_copy(update={"points": tuple(map(off, each.points))}) for each in settings.lines),
            "lanes": tuple(each.model_copy(update={"polygon": tuple(map(off, each.polygon))}) for each in settings.lanes),
            "zones": tuple(each.model_copy(update={"polygon": tuple(map(off, each.polygon))}) for each in settings.zones),
            "markings": tuple(each.model_copy(update={"points": tuple(map(off, each.points))}) for each in settings.markings),
        }
    )


def _hidden_below(box: Box, nearer: Sequence[Box]) -> Box:
    """The box down to where a nearer one covers most of its width; at least its upper third."""
    lower = box.y2
    for each in nearer:
        overlap = min(box.x2, each.x2) - max(box.x1, each.x1)
        if overlap > 0.6 * box.width and each.y2 >= box.y2 and each.y1 < lower:
            lower = max(each.y1, box.y1 + box.height / 3)
    return Box(box.x1, box.y1, box.x2, lower)


def _continued(track: Track, other: Track) -> Track:
    """The track with the other's last sighting instead of its own."""
    return replace(track, sightings=(*track.sightings[:-1], other.last))
