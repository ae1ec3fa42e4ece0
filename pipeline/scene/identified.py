"""A vehicle whose plate was searched: what the rules that depend on the plate decide on."""

from dataclasses import dataclass

from etle.types import Finding, Plate, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedView:
    """One picture of the vehicle in which its plate was searched."""

    sequence: int
    expected_px: float
    """Width in pixels that its plate has there, from the width of the vehicle."""
    score: float
    """The best of all detections in the vehicle's box, however low; 0 if the detector returned none."""
    clear: bool
    """The whole vehicle is in the picture, no other one is before it, and its lower half is lit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifiedVehicle:
    """A candidate with its plate. `passage`: the finding if the rule decides against the vehicle, without what the plate adds."""

    passage: Finding
    track: Track
    plate: Plate
    classless_plate: Plate
    """As if the vehicle's class were unknown: `plate` is not certain if its number belongs to another class of vehicle."""
    views: tuple[SearchedView, ...]
    timezone: str
    """Of the site."""
