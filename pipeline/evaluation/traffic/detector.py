"""What a vehicle detector makes of the vehicles that a virtual camera sees.

Without noise it is perfect: it draws the exact box of every vehicle of which at least `MIN_VISIBLE` is seen past nearer ones.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from etle.types import Box, Detection
from pipeline.evaluation.traffic.camera import HEIGHT_PX, WIDTH_PX
from pipeline.evaluation.traffic.demand import DrawnVehicle
from pipeline.evaluation.traffic.noise import DetectorNoise
from pipeline.evaluation.traffic.place import WatchedPlace
from pipeline.evaluation.traffic.sumo_run import STEP_S, Trajectory

if TYPE_CHECKING:
    from numpy.typing import NDArray

MIN_VISIBLE: Final = 0.3
"""Share of a box that no nearer vehicle's box covers, from which the vehicle is detected."""
_MIN_IN_PICTURE: Final = 0.4
_MIN_SIDES_PX: Final = (8.0, 16.0)
_MAX_DISTANCE_M: Final = 60.0
_GRID: Final = 6
_SCORE: Final = 0.85


@dataclass(frozen=True, slots=True)
class DetectedVehicle:
    """A detection, and the vehicle that it is.

    `shows_foot`: neither the picture cuts its lower edge nor a nearer vehicle covers the middle of it, which then tells where it is.
    """

    vehicle: str
    detection: Detection
    shows_foot: bool = True


class _ShownVehicle(NamedTuple):
    """A vehicle in one picture, and the part of its box that the picture shows."""

    distance_m: float
    vehicle: DrawnVehicle
    box: Box


class VirtualDetector:
    """The detector of one camera. `noise` None: a perfect one."""

    def __init__(self, place: WatchedPlace, trajectories: Sequence[Trajectory], noise: DetectorNoise | None = None) -> None:
        self._place, self._noise = place, noise
        self._shown: dict[int, list[_ShownVehicle]] = defaultdict(list)
        for trajectory in trajectories:
            self._show(trajectory)

    def _show(self, trajectory: Trajectory) -> None:
        """Where the vehicle is in the picture at each step of the simulation at which the camera takes one."""
        every = frame_steps(self._place)
        steps = np.rint(trajectory.seconds / STEP_S).astype(int)
        rows, steps = trajectory.rows[steps % every == 0], steps[steps % every == 0]
        poses = self._place.poses(rows[:, 1:4])
        distances = self._place.camera.distances(poses)
        near = np.flatnonzero(distances <= _MAX_DISTANCE_M)
        model = trajectory.vehicle.model
        boxes = self._place.camera.boxes(poses[near], (model.length_m, model.width_m, model.height_m))
        for i, box in zip(near, boxes, strict=True):
            if not np.isnan(box).any() and (cut := _cut(box)) is not None:
                self._shown[int(steps[i])].append(_ShownVehicle(float(distances[i]), trajectory.vehicle, cut))

    def detect(self, step: int, second: float) -> list[DetectedVehicle]:
        """What it finds at a step of the simulation."""
        shown = sorted(self._shown.get(step, ()), key=lambda each: each.distance_m)
        boxes = [each.box for each in shown]
        made: list[DetectedVehicle] = []
        for number, (each, share) in enumerate(zip(shown, _visible_shares(boxes), strict=True)):
            if share < MIN_VISIBLE:
                continue
            exact = Detection(box=each.box, vehicle=each.vehicle.model.vehicle, score=_SCORE)
            drawn = [exact]
            if self._noise is not None:
                drawn = self._noise.detections(each.vehicle.id, exact, share, boxes[:number], second)
            shows_foot = each.box.y2 < HEIGHT_PX and not any(_covers_foot(nearer, each.box) for nearer in boxes[:number])
            made += [DetectedVehicle(each.vehicle.id, one, shows_foot) for one in drawn]
        return made


def frame_steps(place: WatchedPlace) -> int:
    """Steps of the simulation from one frame to the next."""
    return round(1 / place.fps / STEP_S)


def _cut(box: "NDArray[np.float64]") -> Box | None:
    """The part in the picture; None if that is too little, or too small."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    cut = Box(max(0.0, x1), max(0.0, y1), min(float(WIDTH_PX), x2), min(float(HEIGHT_PX), y2))
    if cut.width < _MIN_SIDES_PX[0] or cut.height < _MIN_SIDES_PX[1]:
        return None
    return cut if cut.area >= _MIN_IN_PICTURE * (x2 - x1) * (y2 - y1) else None


def _covers_foot(nearer: Box, box: Box) -> bool:
    return nearer.x1 <= box.foot.x <= nearer.x2 and nearer.y1 <= box.y2 <= nearer.y2


def _visible_shares(boxes: Sequence[Box]) -> list[float]:
    """Of each box, the share that none before it in the sequence covers."""
    if not boxes:
        return []
    edges = np.array(boxes)
    steps = (np.arange(_GRID) + 0.5) / _GRID
    xs = edges[:, :1] + (edges[:, 2:3] - edges[:, :1]) * steps
    ys = edges[:, 1:2] + (edges[:, 3:] - edges[:, 1:2]) * steps
    in_x = (xs[:, None] >= edges[None, :, :1]) & (xs[:, None] < edges[None, :, 2:3])
    in_y = (ys[:, None] >= edges[None, :, 1:2]) & (ys[:, None] < edges[None, :, 3:])
    nearer = np.tri(len(boxes), k=-1, dtype=bool)
    covered = np.einsum("ijx,ijy,ij->ixy", in_x, in_y, nearer) > 0
    return [float(1 - each.mean()) for each in covered]
