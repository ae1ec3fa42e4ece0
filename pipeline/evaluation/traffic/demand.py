"""Vehicles and drivers of the simulated traffic, as SUMO's vehicle types and departures.

Driver parameters only make a violation likely. What a vehicle did is measured from its states (`truth.py`).
"""

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from etle.types import VehicleClass


@dataclass(frozen=True, slots=True, kw_only=True)
class VehicleModel:
    """A kind of vehicle: its class, its size in metres, and how it drives in SUMO's sublane model."""

    id: str
    vehicle: VehicleClass
    length_m: float
    width_m: float
    height_m: float
    share: float
    driving: str

    def sumo_type(self, driver: str, settings: str) -> str:
        """`settings`: attributes of the vehicle type, which go before those of the model."""
        size = f'length="{self.length_m}" width="{self.width_m}"'
        own = f'vClass="{_SUMO_CLASS[self.vehicle]}" {size} lcKeepRight="0" {self.driving}'
        attributes = dict(_ATTRIBUTE.findall(f"{own} {settings}"))
        return f'<vType id="{self.id}-{driver}" {" ".join(f"{name}={value}" for name, value in attributes.items())}/>'


_ATTRIBUTE: Final = re.compile(r'(\w+)=("[^"]*")')
_SUMO_CLASS: Final = {
    VehicleClass.CAR: "passenger",
    VehicleClass.MOTORCYCLE: "motorcycle",
    VehicleClass.BUS: "bus",
    VehicleClass.TRUCK: "truck",
}
_FILTERING = 'latAlignment="arbitrary" minGapLat="0.35" lcPushy="0.3" lcSublane="3" lcAssertive="1.5" accel="3" decel="5"'
"""SUMO's default deceleration of motorcycles is 10 m/s2, that of an emergency stop at the limit of the tyres."""
MODELS: Final = (
    VehicleModel(id="scooter", vehicle=VehicleClass.MOTORCYCLE, length_m=1.9, width_m=0.75, height_m=1.6, share=42, driving=_FILTERING),
    VehicleModel(id="motorcycle", vehicle=VehicleClass.MOTORCYCLE, length_m=2.05, width_m=0.8, height_m=1.65, share=13, driving=_FILTERING),
    VehicleModel(id="city-car", vehicle=VehicleClass.CAR, length_m=3.7, width_m=1.66, height_m=1.52, share=11, driving=""),
    VehicleModel(id="mpv", vehicle=VehicleClass.CAR, length_m=4.4, width_m=1.75, height_m=1.7, share=18, driving=""),
    VehicleModel(id="suv", vehicle=VehicleClass.CAR, length_m=4.8, width_m=1.85, height_m=1.84, share=6, driving=""),
    VehicleModel(id="light-truck", vehicle=VehicleClass.TRUCK, length_m=5.2, width_m=1.8, height_m=2.2, share=4, driving='accel="1.6"'),
    VehicleModel(id="truck", vehicle=VehicleClass.TRUCK, length_m=7.5, width_m=2.35, height_m=3.0, share=4, driving='accel="1.1"'),
    VehicleModel(id="bus", vehicle=VehicleClass.BUS, length_m=11.5, width_m=2.5, height_m=3.1, share=2, driving='accel="1.2"'),
)
"""Shares as on Indonesian city roads: more motorcycles than everything else together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnVehicle:
    """A departing vehicle."""

    id: str
    model: VehicleModel


class DepartingVehicles:
    """Collects vehicles, and writes them in the order of time."""

    def __init__(self, rng: random.Random, drivers: Mapping[str, str]) -> None:
        """`drivers`: SUMO's parameters of each kind of driver."""
        self._rng, self._drivers = rng, drivers
        self.vehicles: dict[str, DrawnVehicle] = {}
        self._rows: list[tuple[float, str]] = []

    def draw_model(self, *vehicles: VehicleClass) -> VehicleModel:
        """One of these classes, or of all."""
        models = [model for model in MODELS if not vehicles or model.vehicle in vehicles]
        return self._rng.choices(models, [model.share for model in models])[0]

    def add(self, at_s: float, model: VehicleModel, driver: str, edges: Sequence[str], *, depart: str = "", stops: str = "") -> None:
        """`depart`: further attributes of the vehicle, `stops`: its `<stop>` elements."""
        made = DrawnVehicle(id=f"{driver}-{model.id}-{len(self.vehicles)}", model=model)
        self.vehicles[made.id] = made
        self._rows.append(
            (
                at_s,
                f'<vehicle id="{made.id}" type="{model.id}-{driver}" depart="{at_s:.2f}" {depart}>'
                f'<route edges="{" ".join(edges)}"/>{stops}</vehicle>',
            )
        )

    def routes(self) -> str:
        """The contents of SUMO's route file."""
        types = "".join(model.sumo_type(driver, settings) for model in MODELS for driver, settings in self._drivers.items())
        return f"<routes>{types}{''.join(row for _, row in sorted(self._rows))}</routes>"
