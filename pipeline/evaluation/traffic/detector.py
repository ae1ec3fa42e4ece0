"""What a vehicle detector makes of the vehicles that a virtual camera sees.

Without noise it is perfect: it draws the exact box of every vehicle of which at least `MIN_VISIBLE` is seen past nearer ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from etle.types import Box, Detection
from pipeline.evaluation.traffic.camera import HEIGHT_PX, WIDTH_PX
from pipeline.evaluation.traffic.demand import DrawnVehicle
from pipeline.evaluation.traffic.noise import DetectorNoise
from pipeline.evaluation.traffic.place import WatchedPlace

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
    """A detection, and the vehicle that it is."""

    vehicle: str
    detection: Detection


class VirtualDetector:
    """The detector of one camera. `noise` None: a perfect one."""

    def __init__(self, place: WatchedPlace, noise: DetectorNoise | None = None) -> None:
        self._place, self._noise = place, noise

    def detect(self, vehicles: Sequence[DrawnVehicle], states: "NDArray[np.float64]", second: float) -> list[DetectedVehicle]:
        """`states`: n x 3, x, y and heading of the vehicles in the network, in the same order."""
        if not vehicles:
            return []
        poses = self._place.poses(states)
        distances = self._place.camera.distances(poses)
        sizes = np.array([(each.model.length_m, each.model.width_m, each.model.height_m) for each in vehicles])
        boxes = self._place.camera.boxes(poses, sizes)
        near = [int(i) for i in np.argsort(distances) if distances[i] <= _MAX_DISTANCE_M and not np.isnan(boxes[i]).any()]
        shown = [(i, cut) for i in near if (cut := _cut(boxes[i])) is not None]
        visible = _visible_shares([cut for _, cut in shown])
        made: list[DetectedVehicle] = []
        for number, ((i, cut), share) in enumerate(zip(shown, visible, strict=True)):
            if share < MIN_VISIBLE:
                continue
            exact = Detection(box=cut, vehicle=vehicles[i].model.vehicle, score=_SCORE)
            drawn = [exact]
            if self._noise is not None:
                drawn = self._noise.detections(vehicles[i].id, exact, share, [box for _, box in shown[:number]], second)
            made += [DetectedVehicle(vehicles[i].id, each) for each in drawn]
        return made


def _cut(box: "NDArray[np.float64]") -> Box | None:
    """The part in the picture; None if that is too little, or too small."""
    x1, y1, x2, y2 = (float(edge) for edge in box)
    cut = Box(max(0.0, x1), max(0.0, y1), min(float(WIDTH_PX), x2), min(float(HEIGHT_PX), y2))
    if cut.width < _MIN_SIDES_PX[0] or cut.height < _MIN_SIDES_PX[1]:
        return None
    return cut if cut.area >= _MIN_IN_PICTURE * (x2 - x1) * (y2 - y1) else None


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
