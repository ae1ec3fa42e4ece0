"""Indonesian plates: what a text says (`grammar`), by which tables (`tables`), and which texts a reader may think of (`automaton`)."""

from etle.plates.grammar import (
    NOTE_TEXTS,
    ParsedPlate,
    PlateKind,
    PlateNote,
    formatted,
    is_plate,
    normalise,
    notes_on,
    parse,
    parse_expiry,
)

__all__ = [
    "NOTE_TEXTS",
    "ParsedPlate",
    "PlateKind",
    "PlateNote",
    "formatted",
    "is_plate",
    "normalise",
    "notes_on",
    "parse",
    "parse_expiry",
]
