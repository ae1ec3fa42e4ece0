"""The plate grammar as a finite-state machine over characters, which restricts a CTC decoder to texts that are plates.

Every transition has a weight, a log prior: most plates on the road are civil ones with a known area code. The weights decide only between
texts that a reader finds about equally likely; a clear picture of a rare plate outweighs them.
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
"""Every character that a plate's text can contain, in the order of the readers' outputs."""

_UNKNOWN_PREFIX = -2.0
"""About 1/7 of the prior of an area code in the table: codes are added by decree, so a reader must be able to read unknown ones."""
_RARE = -3.0
"""Log prior of embassies, state and service plates: about 1 in 20."""
_NO_SUFFIX = -1.5
"""A plate without letters after the number is usually a crop that was cut off, and rarely an old bus."""


@dataclass(frozen=True, slots=True)
class PlateFsm:
    """`steps[state][character]` is the next state and the transition's weight; `final[state]` is the weight of ending there."""

    start: State
    steps: Mapping[State, Mapping[str, tuple[State, float]]]
    final: Mapping[State, float]

    def weight(self, text: str) -> float | None:
        """Sum of the weights of a whole text; None if the grammar does not accept it."""
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
    """The second line: month and year, four digits; readers do not output the dot between them."""
    builder = _Builder()
    builder.add("", "0", "month0")
    builder.add("", "1", "month1")
    builder.add("month0", DIGITS[1:], "month")
    builder.add("month1", "012", "month")
    builder.add("month", "0123", "year")
    builder.add("year", DIGITS, "end")
    return PlateFsm("", builder.steps, {"end": 0.0})


def _add_prefixes(builder: _Builder, tables: PlateTables) -> None:
    """Each first letter has a state of its own, because the weights of the second letter and of the first digit depend on it."""
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
