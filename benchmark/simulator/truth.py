"""The truth about a clip, as plain data: who was where in each frame, and which violations must be found.

A violation stands here only if its decisive moment lies within the clip and the vehicle is in the picture from a second before to a
second after. Boxes hold the visible pixels; a plate's corners are given in full, with the share of it that can be seen.
"""

from dataclasses import dataclass, field
from typing import Any

from benchmark.simulator.demand import Vehicle
from benchmark.simulator.events import STANDS_MPS, crossings
from benchmark.simulator.layout import FPS, LINE_X, CameraPlan, changes_between
from benchmark.simulator.renderer import Seen
from benchmark.simulator.sensor import clock
from benchmark.simulator.traffic import Sighting, Traffic
from benchmark.simulator.windows import MARGIN_STEPS, Violation, Window

READABLE = 0.9  # the share of a plate in sight from which its width counts


@dataclass(slots=True)
class ClipTruth:
    """Gathers the frames of one clip."""

    plan: CameraPlan
    traffic: Traffic
    window: Window
    size: tuple[int, int]
    starts_at: str
    frames: list[dict[str, Any]] = field(default_factory=list)
    widths: dict[str, float] = field(default_factory=dict)

    def add(self, sightings: dict[str, Sighting], seen: list[Seen]) -> None:
        rows = []
        for item in seen:
            s = sightings[item.id]
            rows.append(
                {
                    "id": item.id,
                    "box": list(item.box),
                    "plate_quad": [list(p) for p in item.plate_quad] if item.plate_quad else None,
                    "plate_visible": item.plate_visible,
                    "world": [round(s.x, 2), round(s.y, 2)],
                    "speed_kmh": round(s.speed_mps * 3.6, 1),
                }
            )
            if item.plate_visible >= READABLE and _whole(item, self.size):
                self.widths[item.id] = max(self.widths.get(item.id, 0.0), item.plate_width_px)
        number = len(self.frames)
        self.frames.append({"i": number, "t_s": round(number / FPS, 1), "vehicles": rows})

    def finished(self) -> dict[str, Any]:
        start_s = self.window.start / FPS
        ids = {row["id"] for frame in self.frames for row in frame["vehicles"]}
        behaviours = self._behaviours()
        return {
            "clip": f"{self.plan.id}.mp4",
            "fps": FPS,
            "size": list(self.size),
            "starts_at": self.starts_at,
            "signal": [[round(s - start_s, 1), lamp] for s, lamp in changes_between(start_s, start_s + len(self.frames) / FPS)],
            "violations": [self._violation(v) for v in self.window.violations if self._shown(v)],
            "vehicles": [self._vehicle(v, behaviours) for v in self.traffic.vehicles.values() if v.id in ids],
            "frames": self.frames,
        }

    def _violation(self, v: Violation) -> dict[str, Any]:
        return {
            "rule": v.rule,
            "at_s": round(v.sim_s - self.window.start / FPS, 2),
            "vehicle": v.vehicle.id,
            "kind": v.vehicle.kind,
            "plate": v.vehicle.registration.plain,
            "plate_width_px": self.widths.get(v.vehicle.id, 0.0),
            "red_age_s": None if v.red_age_s is None else round(v.red_age_s, 2),
            "speed_kmh": round(v.speed_kmh, 1),
        }

    def _shown(self, v: Violation) -> bool:
        """The window search reckoned with outlines; the pixels have the last word."""
        middle = round(v.sim_s * FPS) - self.window.start
        around = range(max(0, middle - MARGIN_STEPS), min(len(self.frames), middle + MARGIN_STEPS + 1))
        missing = [i for i in around if all(row["id"] != v.vehicle.id for row in self.frames[i]["vehicles"])]
        if missing:
            raise LookupError(f"{v.rule} by {v.vehicle.id}: hidden in frames {missing} of {self.plan.id}; take another seed")
        return True

    def _vehicle(self, vehicle: Vehicle, behaviours: dict[str, str]) -> dict[str, Any]:
        registration = vehicle.registration
        return {
            "id": vehicle.id,
            "kind": vehicle.kind,
            "plate": registration.plain,
            "expiry": registration.expiry,
            "colour": registration.colour,
            "behaviour": "wrong_way" if vehicle.wrong_way else behaviours.get(vehicle.id, "passes"),
        }

    def _behaviours(self) -> dict[str, str]:
        """What the vehicles of the western approach did within the clip; the others just pass."""
        first, last = self.window.start, self.window.start + len(self.frames)
        found: dict[str, str] = {}
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


def starts(windows: dict[str, Window], first: str) -> dict[str, str]:
    """When each clip starts: the earliest at `first`, the others as much later as they are in the run."""
    zero = min(window.start for window in windows.values())
    return {name: clock(first, (window.start - zero) / FPS).isoformat() for name, window in windows.items()}


def _whole(item: Seen, size: tuple[int, int]) -> bool:
    """The plate lies within the frame."""
    return item.plate_quad is not None and all(0 <= x < size[0] and 0 <= y < size[1] for x, y in item.plate_quad)
