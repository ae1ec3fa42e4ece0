"""The truth about a clip, as plain data: which violations must be found, who was in the picture, and where in each frame.

A violation stands here only if the clip shows all of it: its vehicle in full from a second before its moment to a second after it is
decided. Boxes hold the visible pixels; a plate's corners are given in full, with the share of it that can be seen.
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

READABLE = 0.9  # the share of a plate in sight from which its width counts
CALM_S = 1.0  # shorter pauses are not told

Plain = dict[str, Any]


@dataclass(slots=True)
class ClipTruth:
    """Gathers the frames of one clip."""

    plan: CameraPlan
    traffic: Traffic
    window: FootageWindow
    size: tuple[int, int]
    starts_at: str
    frames: list[Plain] = field(default_factory=list)
    widths: dict[str, float] = field(default_factory=dict)
    still: list[bool] = field(default_factory=list)

    def add(self, sightings: dict[str, VehicleState], seen: list[RenderedVehicle]) -> None:
        number = len(self.frames)
        rows = [_row(item, sightings[item.id]) for item in seen]
        self.frames.append({"i": number, "t_s": round(number / FPS, 1), "vehicles": rows})
        self.still.append(all(sightings[item.id].speed_mps < MOVES_MPS for item in seen))
        for item in seen:
            if item.plate_visible >= READABLE and _whole(item, self.size):
                self.widths[item.id] = max(self.widths.get(item.id, 0.0), item.plate_width_px)

    def violations(self) -> list[Plain]:
        """In the order of time. Raises LookupError if one was hidden after all."""
        return [self._violation(v) for v in sorted(self.window.violations, key=lambda v: v.sim_s) if self._shown(v)]

    def clip(self) -> Plain:
        """What is to be known about the clip as a whole."""
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
        """The lamp at the clip's start and at every change; empty where the camera sees none."""
        if self.plan is not MASUK:
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

    def _shown(self, v: SimulatedViolation) -> bool:
        """The window search reckoned with outlines; the pixels have the last word."""
        indices = [step - self.window.start for step in v.watched]
        missing = [i for i in indices if all(row["id"] != v.vehicle.id for row in self.frames[i]["vehicles"])]
        if missing:
            raise LookupError(f"{v.rule} by {v.vehicle.id}: hidden in frames {missing} of {self.plan.id}; take another seed")
        return True

    def _behaviours(self) -> dict[str, str]:
        """What the vehicles of the western approach did within the clip, and who rode against the traffic; the others just pass."""
        found = {v.id: "wrong_way" for v in self.traffic.vehicles.values() if v.wrong_way}
        if self.plan is not MASUK:
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
    """When each clip starts: the earliest at `first`, the others as much later as they are in the run."""
    zero = min(window.start for window in windows.values())
    return {name: clock(first, (window.start - zero) / FPS).isoformat() for name, window in windows.items()}


def document(seed: int, clips: list[ClipTruth]) -> Plain:
    """truth.json: what a scorer needs, and small."""
    ordered = sorted(clips, key=lambda clip: clip.plan.camera_id)
    return {
        "seed": seed,
        "site": SITE,
        "violations": [violation for clip in ordered for violation in clip.violations()],
        "cameras": {clip.plan.camera_id: clip.clip() for clip in ordered},
    }


def calm(still: list[bool]) -> list[list[float]]:
    """From when to when (s) nothing in the picture moves, from `CALM_S` up."""
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
    """The plate lies within the frame."""
    return item.plate_quad is not None and all(0 <= x < size[0] and 0 <= y < size[1] for x, y in item.plate_quad)
