"""What a classifier sees in the pictures of a vehicle: what the rules about belts and phones decide on."""

from dataclasses import dataclass

from etle.types import AttributeRead, Finding, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeView:
    """One picture in which a part of the vehicle was classified."""

    sequence: int
    width_px: float
    """Of the vehicle."""
    clear: bool
    """The whole vehicle is in the picture, and no other one is before it."""
    read: AttributeRead


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservedAttribute:
    """A candidate with what was seen. `passage`: the finding if the rule decides against it, without what that adds."""

    passage: Finding
    track: Track
    views: tuple[AttributeView, ...]
    """In order of time."""
