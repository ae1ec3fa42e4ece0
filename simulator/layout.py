"""Geometry of the junction in metres and positions of the cameras, used for traffic, rendering and site file.

x points east, y north, the origin is the middle of the junction, the road is z = 0. Traffic drives on the left. Positions are those of
the western arm; the other arms are rotated copies.
"""

from dataclasses import dataclass

ARM_M = 150.0
LANES = 2
LANE_M = 3.0
HALF_M = LANES * LANE_M
SHOULDER_M = 1.3  # paved shoulder of the exit lanes, used by motorcycles against the traffic
BOX_M = 10.0  # half the width of the junction box; network.py compares it with the network that SUMO builds
PAINT_M = 4.0  # distance of the painted stop line from the box, in which a vehicle can stand past the line
LINE_X = -(BOX_M + PAINT_M)
BOX_X = -BOX_M
LIMIT_KMH = 50.0

SITE = "demo"
FPS = 10
STARTS_AT = "2026-11-23T10:00:00+07:00"

CYCLE_S = 44.0
GREEN_S, YELLOW_S = 15.0, 3.0  # of the western arm; red until the cycle ends
CROSS_GREEN = (20.0, 39.0)  # of the northern and southern arms, then yellow until 42

# Signal heads of the western approach: the camera reads the low repeater.
POLE_XY = (LINE_X + 0.25, HALF_M + 0.75)
REPEATER_Z = 1.95
REPEATER_LAMP_M = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraPlan:
    """Position and direction of a camera; `view` is the visible side of the legal traffic.

    Both cameras look diagonally across the road: straight from behind, COCO detectors see most scooters only as persons.
    """

    id: str
    name: str
    view: str
    eye: tuple[float, float, float]
    at: tuple[float, float, float]
    hfov_deg: float
    sun: tuple[float, float, float]
    seconds: float

    @property
    def camera_id(self) -> str:
        """Id in the site file."""
        return f"{SITE}-{self.id}"


MASUK = CameraPlan(
    id="masuk",
    name="Simpang Demo, lengan barat (masuk)",
    view="rear",
    eye=(-36.0, 10.0, 3.8),
    at=(-21.8, 5.17, 1.39),
    hfov_deg=24.0,
    sun=(-0.52, 0.10, 0.85),
    seconds=30.0,
)
KELUAR = CameraPlan(
    id="keluar",
    name="Simpang Demo, lengan barat (keluar)",
    view="front",
    eye=(-91.0, -13.0, 4.0),
    at=(-76.0, -6.0, 1.0),
    hfov_deg=24.0,
    sun=(-0.52, 0.10, 0.85),
    seconds=20.0,
)
CAMERAS = (MASUK, KELUAR)


def signal_at(sim_s: float) -> str:
    """The signal of the western arm."""
    phase = sim_s % CYCLE_S
    return "green" if phase < GREEN_S else "yellow" if phase < GREEN_S + YELLOW_S else "red"


def signal_age_s(sim_s: float) -> float:
    """Time since the last change of the western arm's signal."""
    phase = sim_s % CYCLE_S
    return phase if phase < GREEN_S else phase - GREEN_S if phase < GREEN_S + YELLOW_S else phase - GREEN_S - YELLOW_S


def changes_between(start_s: float, end_s: float) -> list[tuple[float, str]]:
    """The signal at `start_s`, then each change up to `end_s`, as (time, signal)."""
    changes = [(start_s, signal_at(start_s))]
    cycle = int(start_s // CYCLE_S)
    while cycle * CYCLE_S <= end_s:
        for offset in (0.0, GREEN_S, GREEN_S + YELLOW_S):
            change_s = cycle * CYCLE_S + offset
            if start_s < change_s <= end_s:
                changes.append((change_s, signal_at(change_s + 1e-6)))
        cycle += 1
    return changes
