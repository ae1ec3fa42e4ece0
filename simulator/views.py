"""The vehicles in a camera's view at each step, and the steps at which two of them overlap.

SUMO lets vehicles that run a red light pass through cross traffic, and other vehicles ignore those against the traffic. So a window is
used for a clip only if no vehicles in view overlap.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from simulator.camera import Array, PinholeCamera
from simulator.demand import PlannedVehicle
from simulator.traffic import Traffic, VehicleState

HEIGHTS_M = {"car": 1.5, "motorcycle": 1.6, "bus": 3.2, "truck": 3.0}
REACH_M = 60.0
MOVES_MPS = 0.05


@dataclass(slots=True)
class ProjectedView:
    """One camera's view of a run, step by step."""

    camera: PinholeCamera
    visible: dict[int, list[tuple[PlannedVehicle, VehicleState]]] = field(default_factory=dict)
    overlaps: set[int] = field(default_factory=set)

    def shows(self, vehicle_id: str, step: int) -> bool:
        """Whether its whole length is in view, down to the road."""
        return any(v.id == vehicle_id and rear_in_view(self.camera, v, s) for v, s in self.visible.get(step, []))

    def still(self, step: int) -> bool:
        """Whether nothing in the picture moves."""
        return all(s.speed_mps < MOVES_MPS for _, s in self.visible.get(step, []))


def heading_rad(state: VehicleState) -> float:
    """Counter-clockwise from east, as the renderer uses it."""
    return math.radians(90.0 - state.heading_deg)


def outline(vehicle: PlannedVehicle, state: VehicleState, shrink_m: float = 0.0) -> Array:
    """The four corners of the vehicle on the road (4 x 2, metres)."""
    length, width = vehicle.size_m
    c, s = math.cos(heading_rad(state)), math.sin(heading_rad(state))
    along, across = np.array([c, s]), np.array([-s, c])
    front = np.array([state.x, state.y]) - along * shrink_m
    back = front - along * (length - 2 * shrink_m)
    half = across * (width / 2 - shrink_m)
    return np.array([front + half, front - half, back - half, back + half])


def overlap(a: Array, b: Array) -> bool:
    """Whether two rectangles (4 x 2) overlap, by the separating axis theorem."""
    for shape in (a, b):
        for i in range(2):
            side = shape[i + 1] - shape[i]
            axis = np.array([-side[1], side[0]])
            pa, pb = a @ axis, b @ axis
            if pa.max() < pb.min() or pb.max() < pa.min():
                return False
    return True


def view_of(camera: PinholeCamera, traffic: Traffic) -> ProjectedView:
    view = ProjectedView(camera)
    eye = camera.eye
    for step, present in traffic.by_step().items():
        near = [(v, s) for v, s in present if abs(s.x - eye[0]) < REACH_M and abs(s.y - eye[1]) < REACH_M]
        seen = [(v, s) for v, s in near if _in_view(camera, v, s)]
        view.visible[step] = seen
        outlines = [outline(v, s, 0.1) for v, s in seen]
        if any(overlap(a, b) for i, a in enumerate(outlines) for b in outlines[:i]):
            view.overlaps.add(step)
    return view


def rear_in_view(camera: PinholeCamera, vehicle: PlannedVehicle, state: VehicleState) -> bool:
    """Whether the point on the road below the rear is in the picture."""
    rear = outline(vehicle, state)[2:].mean(axis=0)
    return camera.sees(float(rear[0]), float(rear[1]))


def _in_view(camera: PinholeCamera, vehicle: PlannedVehicle, state: VehicleState) -> bool:
    """Whether the front, middle or rear at half height is in the picture."""
    corners = outline(vehicle, state)
    middle = corners.mean(axis=0)
    front = corners[:2].mean(axis=0)
    half_m = HEIGHTS_M[vehicle.kind] / 2
    return any(camera.sees(float(p[0]), float(p[1]), half_m) for p in (middle, front, 2 * middle - front))
