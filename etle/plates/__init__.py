"""Indonesian plates: parse a text (`grammar`) with the tables of area codes (`tables`); restrict a decoder to valid texts (`fsm`)."""

from etle.plates.grammar import (
    WARNING_TEXTS,
    ParsedPlate,
    PlateKind,
    PlateWarning,
    formatted,
    is_plate,
    normalise,
    parse,
    parse_expiry,
    warnings_for,
)

__all__ = [
    "WARNING_TEXTS",
    "ParsedPlate",
    "PlateKind",
    "PlateWarning",
    "formatted",
    "is_plate",
    "normalise",
    "parse",
    "parse_expiry",
    "warnings_for",
]
