"""Ground truth of a clip as plain data: the violations to be found, the vehicles, and their positions in each frame.

A violation is listed only if the clip shows all of it: the whole vehicle from a second before the violation to a second after its rule is
certain. Boxes contain the visible pixels; all corners of a plate are given, with the share of it that is visible.
"""

from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from simulator.demand import PlannedVehicle
from simulator.events import STANDS_MPS, crossings
from simulator.layout import FPS, LINE_X, MASUK, SITE, CameraPlan, changes_between
from simulator.renderer import RenderedVehicle
from simulator.sensor import clock
from simulator.traffic import Traffic, VehicleState
from simulator.views import MOVES_MPS
from simulator.windows import FootageWindow, SimulatedViolation

READABLE = 0.9  # minimum visible share of a plate for its width to count
CALM_S = 1.0  # shorter periods without motion are not listed

Plain = dict[str, Any]


@dataclass(slots=True)
class ClipTruth:
    """Collects the frames of one clip."""

    plan: CameraPlan
    traffic: Traffic
    window: FootageWindow
    size: tuple[int, int]
    starts_at: str
    frames: list[Plain] = field(default_factory=list)
    widths: dict[str, float] = field(default_factory=dict)
    still: list[bool] = field(default_factory=list)

    def add(self, states: dict[str, VehicleState], rendered: list[RenderedVehicle]) -> None:
        number = len(self.frames)
        rows = [_row(item, states[item.id]) for item in rendered]
        self.frames.append({"i": number, "t_s": round(number / FPS, 1), "vehicles": rows})
        self.still.append(all(states[item.id].speed_mps < MOVES_MPS for item in rendered))
        for item in rendered:
            if item.plate_visible >= READABLE and _whole(item, self.size):
                self.widths[item.id] = max(self.widths.get(item.id, 0.0), item.plate_width_px)

    def violations(self) -> list[Plain]:
        """In order of time. Raises LookupError if the vehicle of one is hidden in a frame."""
        return [self._violation(v) for v in sorted(self.window.violations, key=lambda v: v.sim_s) if self._is_shown(v)]

    def clip(self) -> Plain:
        """Facts about the whole clip."""
        ids = {row["id"] for frame in self.frames for row in frame["vehicles"]}
        behaviours = self._behaviours()
        return {
            "clip": f"{self.plan.id}.mp4",
            "fps": FPS,
            "size": list(self.size),
            "starts_at": self.starts_at,
            "signal": self._signal(),
            "calm": calm(self.still),
            "vehicles": [_vehicle(v, behaviours.get(v.id, "passes")) for v in self.traffic.vehicles.values() if v.id in ids],
        }

    def _signal(self) -> list[list[float | str]]:
        """The signal at the clip's start and at each change; empty if the camera sees none."""
        if self.plan != MASUK:
            return []
        start_s = self.window.start / FPS
        return [[round(s - start_s, 1), lamp] for s, lamp in changes_between(start_s, start_s + len(self.frames) / FPS)]

    def _violation(self, v: SimulatedViolation) -> Plain:
        at_s = round(v.sim_s - self.window.start / FPS, 2)
        return {
            "camera": self.plan.camera_id,
            "rule": v.rule,
            "at_s": at_s,
            "occurred_at": clock(self.starts_at, at_s).isoformat(timespec="milliseconds"),
            **_identity(v.vehicle, "vehicle"),
            "plate_width_px": self.widths.get(v.vehicle.id, 0.0),
            "red_age_s": None if v.red_age_s is None else round(v.red_age_s, 2),
            "speed_kmh": round(v.speed_kmh, 1),
        }

    def _is_shown(self, v: SimulatedViolation) -> bool:
        """Checks visibility by pixels; the window selection uses outlines only."""
        indices = [step - self.window.start for step in v.required_steps]
        missing = [i for i in indices if all(row["id"] != v.vehicle.id for row in self.frames[i]["vehicles"])]
        if missing:
            raise LookupError(f"{v.rule} by {v.vehicle.id}: hidden in frames {missing} of {self.plan.id}; take another seed")
        return True

    def _behaviours(self) -> dict[str, str]:
        """Behaviour of the vehicles of the western approach in the clip, and of those against the traffic; others have no entry."""
        found = {v.id: "wrong_way" for v in self.traffic.vehicles.values() if v.wrong_way}
        if self.plan != MASUK:
            return found
        first, last = self.window.start, self.window.start + len(self.frames)
        for vehicle_id, track in self.traffic.tracks.items():
            if self.traffic.vehicles[vehicle_id].arm == "W" and any(
                first <= s.step < last and s.speed_mps < STANDS_MPS and LINE_X - 12 < s.x < LINE_X for s in track
            ):
                found[vehicle_id] = "stops"
        for crossing in crossings(self.traffic):
            if first <= crossing.line_s * FPS < last:
                stopped = found.get(crossing.vehicle.id)
                found[crossing.vehicle.id] = f"stops_then_{crossing.behaviour}" if stopped else crossing.behaviour
        return found


def starts(windows: dict[str, FootageWindow], first: str) -> dict[str, str]:
    """Start time of each clip: the earliest at `first`, the others relative to it as in the run."""
    zero = min(window.start for window in windows.values())
    return {name: clock(first, (window.start - zero) / FPS).isoformat() for name, window in windows.items()}


def document(seed: int, clips: list[ClipTruth]) -> Plain:
    """The content of truth.json: what the comparison with the results needs."""
    ordered = sorted(clips, key=lambda clip: clip.plan.camera_id)
    return {
        "seed": seed,
        "site": SITE,
        "violations": [violation for clip in ordered for violation in clip.violations()],
        "cameras": {clip.plan.camera_id: clip.clip() for clip in ordered},
    }


def calm(still: list[bool]) -> list[list[float]]:
    """Periods (start and end in seconds) of at least `CALM_S` in which nothing moves."""
    spans, number = [], 0
    for quiet, run in groupby(still):
        length = len(list(run))
        if quiet and length / FPS >= CALM_S:
            spans.append([round(number / FPS, 1), round((number + length) / FPS, 1)])
        number += length
    return spans


def _row(item: RenderedVehicle, s: VehicleState) -> Plain:
    return {
        "id": item.id,
        "box": list(item.box),
        "body_box": list(item.body_box) if item.body_box else None,
        "plate_quad": [list(p) for p in item.plate_quad] if item.plate_quad else None,
        "plate_visible": item.plate_visible,
        "world": [round(s.x, 2), round(s.y, 2)],
        "speed_kmh": round(s.speed_mps * 3.6, 1),
    }


def _vehicle(vehicle: PlannedVehicle, behaviour: str) -> Plain:
    return {**_identity(vehicle, "id"), "behaviour": behaviour}


def _identity(vehicle: PlannedVehicle, key: str) -> Plain:
    registration = vehicle.registration
    return {
        key: vehicle.id,
        "kind": vehicle.kind,
        "plate": registration.plain,
        "colour": registration.colour,
        "expiry": registration.expiry,
    }


def _whole(item: RenderedVehicle, size: tuple[int, int]) -> bool:
    """Whether the whole plate is inside the frame."""
    return item.plate_quad is not None and all(0 <= x < size[0] and 0 <= y < size[1] for x, y in item.plate_quad)
