"""The vehicle class of a whole track, from the classes of its detections."""

from collections import defaultdict

from etle.types import Track, VehicleClass

_MAX_VOTES = 40
"""Number of sightings, spread evenly over the track, that vote; more of them do not change the result and take time."""


def vehicle_class_of(track: Track) -> VehicleClass:
    """The class with the largest sum of score x box area over the sightings: distant motorcycles are often detected as cars."""
    voters = track.sightings[:: 1 + len(track.sightings) // _MAX_VOTES]
    first = voters[0].vehicle
    if all(sighting.vehicle is first for sighting in voters):
        return first
    votes: dict[VehicleClass, float] = defaultdict(float)
    for sighting in voters:
        votes[sighting.vehicle] += sighting.score * sighting.box.area
    return max(votes, key=lambda vehicle: (votes[vehicle], vehicle))
