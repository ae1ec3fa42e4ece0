"""Who is in a camera's view at each step, and at which steps two of them pass through one another.

SUMO lets a red-light runner drive through cross traffic and never shows anyone the wrong-way riders, so a window is only fit for a
clip if the bodies in view keep apart.
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
    clashes: set[int] = field(default_factory=set)

    def shows(self, vehicle_id: str, step: int) -> bool:
        """Its whole length, down to the road."""
        return any(v.id == vehicle_id and rear_in_view(self.camera, v, s) for v, s in self.visible.get(step, []))

    def still(self, step: int) -> bool:
        """Nothing in the picture moves."""
        return all(s.speed_mps < MOVES_MPS for _, s in self.visible.get(step, []))


def heading_rad(sighting: VehicleState) -> float:
    """Counter-clockwise from east, as the renderer turns things."""
    return math.radians(90.0 - sighting.heading_deg)


def outline(vehicle: PlannedVehicle, sighting: VehicleState, shrink_m: float = 0.0) -> Array:
    """The four corners of the body on the road."""
    length, width = vehicle.size_m
    c, s = math.cos(heading_rad(sighting)), math.sin(heading_rad(sighting))
    along, across = np.array([c, s]), np.array([-s, c])
    front = np.array([sighting.x, sighting.y]) - along * shrink_m
    back = front - along * (length - 2 * shrink_m)
    half = across * (width / 2 - shrink_m)
    return np.array([front + half, front - half, back - half, back + half])


def overlap(a: Array, b: Array) -> bool:
    """Separating axes: two convex outlines overlap unless some side of one has all of the other beyond it."""
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
            view.clashes.add(step)
    return view


def rear_in_view(camera: PinholeCamera, vehicle: PlannedVehicle, sighting: VehicleState) -> bool:
    """The rear's foot on the road is in the picture: the vehicle is neither half out of it nor still below it."""
    rear = outline(vehicle, sighting)[2:].mean(axis=0)
    return camera.sees(float(rear[0]), float(rear[1]))


def _in_view(camera: PinholeCamera, vehicle: PlannedVehicle, sighting: VehicleState) -> bool:
    """Some of the middle line of the body, at half height, is in the picture."""
    corners = outline(vehicle, sighting)
    middle = corners.mean(axis=0)
    front = corners[:2].mean(axis=0)
    half_m = HEIGHTS_M[vehicle.kind] / 2
    return any(camera.sees(float(p[0]), float(p[1]), half_m) for p in (middle, front, 2 * middle - front))
