"""Whether a box moved as a whole between two sightings, and not its lower edge alone.

Something that hides the foot, a rider who stands up and another vehicle in the same box move one edge; one that drives moves them all.
"""

from bisect import bisect_left
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from math import atan2, cos, hypot, log, sin
from statistics import median
from typing import Final

from etle.clock import seconds_between
from etle.geometry import distance
from etle.types import Box, Sighting, Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of
from pipeline.scene.calibration import HEIGHT_M, LENGTH_M, Calibration
from pipeline.scene.camera_position import CameraPosition, camera_position

_MIN_SHIFT_PX: Final = 2.0
_MIN_TOP_SHARE: Final = 0.35
"""The top edge of a box moves by (H - h) / H of its foot, for a vehicle of height h under a camera at height H: a car's by 0.6 and more.
A bus under a low camera moves less, and grows."""
_MIN_GROWTH: Final = 0.06
_MAX_TALLER_GROWN: Final = 0.12
"""Where only the width tells that a vehicle moved, its height must have changed as much, in logarithms."""
_MAX_HEIGHT_SHARE, _MAX_TALLER = 0.5, 0.25
"""A box whose height changes by half as much as its foot moves, and by a quarter against its width, has lost or gained its lower part."""
_MIN_SCALED: Final = 0.5
"""The width must change by this part, in logarithms, of what the way on the road makes it change."""
_LOST_PART, _LOST_PART_S, _STEP_S = 0.35, 2.0, 0.25
"""A lower edge that jumps up by this part of the box's height within a step hides the foot, in so long before a passage."""
_MAX_LESS_HIGH: Final = 0.12
"""By how much the logarithm of height / width may be less than it ever was: of a box that jitters and turns a little."""
_NEAR_S: Final = 0.4


def whole_box_moved(track: Track, before: int, after: int) -> bool:
    """Whether the box as a whole moved between two sightings, and not its lower edge alone.

    A bumper that disappears behind a motorcycle, or two vehicles in one box, move the foot while top edge and width stay.
    """
    one, two = _median_box(track, before, -1), _median_box(track, after, 1)
    foot, top = two.y2 - one.y2, two.y1 - one.y1
    growth = log(max(two.width, 1.0) / max(one.width, 1.0))
    if abs(two.centre.x - one.centre.x) >= abs(foot) > 0:
        return True
    if abs(foot) < _MIN_SHIFT_PX:
        return False
    taller = log(max(two.height, 1.0) / max(one.height, 1.0)) - growth
    if abs(two.height - one.height) >= _MAX_HEIGHT_SHARE * abs(foot) and abs(taller) > _MAX_TALLER:
        return False
    if top * foot > 0 and abs(top) >= _MIN_TOP_SHARE * abs(foot):
        return True
    return growth * foot > 0 and abs(growth) >= _MIN_GROWTH and abs(taller) <= _MAX_TALLER_GROWN


def lower_edge_jumped_up(track: Track, index: int) -> bool:
    """Whether in the seconds before a sighting the lower edge jumped up from one sighting to the next, and the upper one stayed: something
    that was not detected hides the foot since, and draws it farther away."""
    sightings = track.sightings[: index + 1]
    first = bisect_left(sightings, sightings[-1].captured_at - timedelta(seconds=_LOST_PART_S), key=lambda each: each.captured_at)
    for one, two in pairwise(sightings[first:]):
        rise = one.box.y2 - two.box.y2
        is_step = seconds_between(one.captured_at, two.captured_at) <= _STEP_S
        if is_step and rise > _LOST_PART * one.box.height and abs(one.box.y1 - two.box.y1) < rise / 3:
            return True
    return False


def keeps_its_height(track: Track, index: int, calibration: Calibration) -> bool:
    """Whether the box is as high there, against its width, as ever before where the picture did not cut it: then nothing has begun to hide
    its lower edge, though a nearer vehicle may touch it.

    From above, less is seen of a roof the farther away it is: with metres, what a vehicle of its class shows there is compared.
    """
    whole = [each.box for each in track.sightings[: index + 2] if not calibration.is_cut(each.box)]
    vehicle, camera = vehicle_class_of(track), camera_position(calibration)
    shapes = [log(max(box.height, 1.0) / max(box.width, 1.0) / _shown_height(box, vehicle, camera, calibration)) for box in whole]
    smooth = [median(shapes[max(0, at - 2) : at + 3]) for at in range(len(shapes))]
    return bool(smooth) and max(smooth) - median(shapes[-3:]) <= _MAX_LESS_HIGH


def _shown_height(box: Box, vehicle: VehicleClass, camera: CameraPosition | None, calibration: Calibration) -> float:
    """How high a vehicle of that class appears from behind where the box stands: its rear and its roof, in metres; 1 without metres."""
    if camera is None:
        return 1.0
    below = atan2(camera.height, distance(calibration.ground(box.foot), camera.below))
    return HEIGHT_M[vehicle][0] * cos(below) + LENGTH_M[vehicle][0] * sin(below)


def is_seen_at_scale(track: Track, before: int, after: int, calibration: Calibration) -> bool:
    """Whether the box became narrower, or wider, as a vehicle does that drives on the road from one sighting's foot to the other's.

    Where the lower edge is completed from the upper one, only the width tells whether the vehicle moved: the upper edge also rises where a
    rider stands up, and where another vehicle, farther away, appears above the vehicle in one box with it.
    """
    camera = camera_position(calibration)
    one, two = _median_box(track, before, -1), _median_box(track, after, 1)
    if camera is None:
        return False
    at_one, at_two = (hypot(distance(calibration.ground(box.foot), camera.below), camera.height) for box in (one, two))
    expected, growth = log(at_one / at_two), log(max(two.width, 1.0) / max(one.width, 1.0))
    return growth * expected > 0 and abs(growth) >= _MIN_SCALED * abs(expected)


def _median_box(track: Track, index: int, direction: int) -> Box:
    """Edge by edge, of up to five sightings within 0.4 s on one side of a sighting."""
    at = track.sightings[index].captured_at
    side: Sequence[Sighting] = track.sightings[max(0, index - 4) : index + 1] if direction < 0 else track.sightings[index : index + 5]
    near = [sighting.box for sighting in side if abs(seconds_between(at, sighting.captured_at)) <= _NEAR_S]
    return Box(*(median(box[edge] for box in near) for edge in range(4)))
