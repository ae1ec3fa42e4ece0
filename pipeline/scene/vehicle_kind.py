"""Whether a vehicle may be of a class, or certainly is none of it: detectors call a minibus a car and a bus a truck."""

from typing import Final

from etle.types import Track, VehicleClass
from models.tracking.vehicle_class import vehicle_class_of

_SHARE: Final = 0.05
"""A class that so many of the sightings show cannot be excluded."""
_LARGE: Final = (VehicleClass.BUS, VehicleClass.TRUCK)


def may_be(track: Track, vehicle: VehicleClass) -> bool:
    """Whether the vehicle is of this class, or cannot be told from it. A bus and a truck are not told apart."""
    alike = _LARGE if vehicle in _LARGE else (vehicle,)
    if vehicle_class_of(track) in alike:
        return True
    return sum(sighting.vehicle in alike for sighting in track.sightings) > _SHARE * len(track.sightings)
