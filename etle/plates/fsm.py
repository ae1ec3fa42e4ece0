"""The plate grammar as a machine that reads one character after another, for a decoder that asks what may come next.

Every step has a weight, the logarithm of how much rarer that turn is: most plates on the road are civil ones with a known area code.
The weights only break ties between what a reader can hardly tell apart; a clear picture of a rare plate overrules them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TypeAlias

from etle.plates.tables import PlateTables, shipped_tables

State: TypeAlias = str

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
SYMBOLS = DIGITS + LETTERS + "-"
"""Every character that a plate's text can hold, in the order that readers use."""

_UNKNOWN_PREFIX = -2.0
"""About 1 in 7 of what an area code that is in the table gets: codes are added by decree, and a reader must be able to say so."""
_RARE = -3.0
"""Embassies, state and service plates: about 1 in 20."""
_NO_SUFFIX = -1.5
"""A plate without letters behind the number is an old bus far less often than a crop that was cut short."""


@dataclass(frozen=True, slots=True)
class PlateFsm:
    """`steps[state][character]` is the next state and the step's weight; `final[state]` the weight of ending there."""

    start: State
    steps: Mapping[State, Mapping[str, tuple[State, float]]]
    final: Mapping[State, float]

    def weight(self, text: str) -> float | None:
        """The weight of a whole text; None if the grammar does not have it."""
        state, total = self.start, 0.0
        for character in text:
            step = self.steps.get(state, {}).get(character)
            if step is None:
                return None
            state, total = step[0], total + step[1]
        ending = self.final.get(state)
        return None if ending is None else total + ending


@dataclass(slots=True)
class _Builder:
    steps: dict[State, dict[str, tuple[State, float]]] = field(default_factory=dict)

    def add(self, state: State, characters: str, to: State, weight: float = 0.0) -> None:
        self.steps.setdefault(state, {}).update(dict.fromkeys(characters, (to, weight)))


@cache
def plate_fsm() -> PlateFsm:
    """The main line of every kind of plate."""
    builder = _Builder()
    tables = shipped_tables()
    _add_prefixes(builder, tables)
    _add_number_and_suffix(builder)
    _add_corps(builder, tables)
    _add_service(builder)
    final = {f"number{n}": _NO_SUFFIX for n in range(1, 5)} | {f"suffix{n}": 0.0 for n in range(1, 4)}
    final |= {f"state{n}": 0.0 for n in range(1, 4)} | {f"corps{n}": 0.0 for n in range(3, 8)}
    final |= {f"unit{n}": 0.0 for n in range(1, 3)} | {f"roman{n}": 0.0 for n in range(1, 8)}
    return PlateFsm("", builder.steps, final)


@cache
def expiry_fsm() -> PlateFsm:
    """The second line: month and year, four digits; the dot between them is ornament."""
    builder = _Builder()
    builder.add("", "0", "month0")
    builder.add("", "1", "month1")
    builder.add("month0", DIGITS[1:], "month")
    builder.add("month1", "012", "month")
    builder.add("month", "0123", "year")
    builder.add("year", DIGITS, "end")
    return PlateFsm("", builder.steps, {"end": 0.0})


def _add_prefixes(builder: _Builder, tables: PlateTables) -> None:
    """One letter leads to a state of its own, as the second letter and the first digit depend on it."""
    for first in LETTERS:
        builder.add("", first, f"prefix {first}")
        builder.add(f"prefix {first}", DIGITS[1:], "number1", 0.0 if tables.area(first) else _UNKNOWN_PREFIX)
        for second in LETTERS:
            known = tables.area(first + second) is not None
            builder.add(f"prefix {first}", second, "prefix", 0.0 if known else _UNKNOWN_PREFIX)
    state = tables.special.state_prefix
    builder.add(f"prefix {state[0]}", state[1], "state", _RARE)


def _add_number_and_suffix(builder: _Builder) -> None:
    builder.add("prefix", DIGITS[1:], "number1")
    for n in range(1, 4):
        builder.add(f"number{n}", DIGITS, f"number{n + 1}")
    for n in range(1, 5):
        builder.add(f"number{n}", LETTERS, "suffix1")
    builder.add("suffix1", LETTERS, "suffix2")
    builder.add("suffix2", LETTERS, "suffix3")
    builder.add("state", DIGITS[1:], "state1")
    builder.add("state1", DIGITS, "state2")
    builder.add("state2", DIGITS, "state3")


def _add_corps(builder: _Builder, tables: PlateTables) -> None:
    for corps in tables.special.corps:
        builder.add(f"prefix {corps.prefix[0]}", corps.prefix[1], "corps", _RARE)
    builder.add("corps", DIGITS, "corps1")
    for n in range(1, 7):
        builder.add(f"corps{n}", DIGITS, f"corps{n + 1}")


def _add_service(builder: _Builder) -> None:
    builder.add("", DIGITS, "service1", _RARE)
    for n in range(1, 5):
        builder.add(f"service{n}", DIGITS, f"service{n + 1}")
    for n in range(1, 6):
        builder.add(f"service{n}", "-", "unit")
    builder.add("unit", DIGITS, "unit1")
    builder.add("unit1", DIGITS, "unit2")
    builder.add("unit", "IVXL", "roman1")
    for n in range(1, 7):
        builder.add(f"roman{n}", "IVXL", f"roman{n + 1}")
