"""CTC decoding with the plate grammar, compared with an exhaustive search."""

from itertools import groupby, product
from math import exp, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etle.plates import is_plate
from etle.plates.fsm import SYMBOLS, expiry_fsm, plate_fsm
from models.plates.readers import ctc


def steps(*rows: dict[str, float]) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """One dict per time step; `_` is blank."""
    table = np.zeros((len(rows), len(SYMBOLS) + 1), dtype=np.float32)
    for t, row in enumerate(rows):
        for character, probability in row.items():
            table[t, 0 if character == "_" else SYMBOLS.index(character) + 1] = probability
    return table


def spoken(text: str) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """Each character with probability 1, followed by a blank."""
    return steps(*[row for c in text for row in ({c: 0.98, "_": 0.02}, {"_": 1.0})])


@pytest.mark.parametrize(
    ("table", "text"),
    [
        pytest.param(spoken("B1234XYZ"), "B1234XYZ", id="unambiguous"),
        pytest.param(spoken("AA1122BB"), "AA1122BB", id="doubled characters stay two"),
        pytest.param(steps({"B": 0.9}, {"B": 0.9}, {"1": 0.9}, {"1": 0.9}), "B1", id="one character over two steps stays one"),
        pytest.param(steps({"8": 0.95, "B": 0.05}, {"1": 0.9}, {"A": 0.9}), "B1A", id="an 8 in front is a B"),
        pytest.param(steps({"B": 0.9}, {"1": 0.9}, {"0": 0.9, "O": 0.1}, {"A": 1.0}), "B10A", id="a 0 among the digits stays one"),
        pytest.param(steps({"1": 1.0}, {"2": 1.0}, {"-": 1.0}, {"V": 1.0}, {"I": 1.0}), "12-VI", id="a service plate"),
        pytest.param(
            steps({"C": 1.0, "G": 0.3}, {"1": 1.0}, {"A": 1.0}), "G1A", id="a known area code wins over an unknown one nearly as clear"
        ),
        pytest.param(steps({"C": 1.0, "G": 0.01}, {"1": 1.0}, {"A": 1.0}), "C1A", id="but not over an unambiguous one"),
    ],
)
def test_best_text(table: "np.ndarray[tuple[int, int], np.dtype[np.float32]]", text: str) -> None:
    assert ctc.decode(table, plate_fsm())[0].text == text


def test_the_expiry_is_four_digits_of_a_month_and_a_year() -> None:
    assert ctc.decode(spoken("0527"), expiry_fsm())[0].text == "0527"
    assert ctc.decode(spoken("1327"), expiry_fsm()) == ()
    assert ctc.decode(spoken("B1234"), plate_fsm())[0].text == "B1234"


def test_blanks_give_no_text() -> None:
    assert ctc.decode(steps(*[{"_": 1.0}] * 5), plate_fsm()) == ()


SOME = "B81O0"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(1, 20), min_size=6, max_size=6), min_size=3, max_size=5))
def test_the_beam_search_finds_what_an_exhaustive_search_finds(weights: list[list[int]]) -> None:
    rows = [dict(zip("_" + SOME, (w / sum(row) for w in row), strict=True)) for row in weights]
    every: dict[str, float] = {}
    for path in product("_" + SOME, repeat=len(rows)):
        text = "".join(c for c, _ in groupby(path) if c != "_")
        probability = np.prod([row[c] for row, c in zip(rows, path, strict=True)])
        every[text] = every.get(text, 0.0) + float(probability)
    weighted = {text: p * exp(w) for text, p in every.items() if (w := plate_fsm().weight(text)) is not None}
    found = {h.text: h.log_probability for h in ctc.decode(steps(*rows), plate_fsm(), beam=100_000)}
    assert all(is_plate(text) for text in found)
    best = max(weighted.values(), default=None)
    if best is not None:
        top = max(found, key=lambda text: found[text])
        assert weighted[top] == pytest.approx(best)
        assert found[top] == pytest.approx(log(best), abs=1e-4)


def test_the_default_beam_is_wide_enough_for_ambiguous_reads() -> None:
    """In real reads each step is blank or one of two characters."""
    doubts = steps(
        *[row for a, b in ("B8", "17", "56", "38", "96", "CG", "OQ", "MN") for row in ({a: 0.5, b: 0.45, "_": 0.05}, {"_": 1.0})]
    )
    narrow, wide = ctc.decode(doubts, plate_fsm()), ctc.decode(doubts, plate_fsm(), beam=100_000)
    assert narrow[0].text == wide[0].text == "B1539COM"
    assert narrow[0].log_probability == pytest.approx(wide[0].log_probability, abs=0.01)


def test_characters_are_aligned_to_the_steps_with_the_highest_probability() -> None:
    table = steps({"B": 0.6, "_": 0.4}, {"B": 0.9}, {"_": 1.0}, {"1": 0.5, "7": 0.4}, {"_": 1.0}, {"1": 0.8, "4": 0.1}, {"A": 0.97})
    assert ctc.align(table, "B11A") == (1, 3, 5, 6)
    reads = ctc.characters(table, "B11A")
    assert [r.character for r in reads] == list("B11A")
    assert reads[1].alternatives[0][0] == "7"
    assert reads[1].probability == pytest.approx(0.5 / 0.9, abs=0.01)
    assert reads[3].probability > 0.99


def test_a_digit_forced_by_the_grammar_keeps_its_low_probability() -> None:
    sure = ctc.characters(steps({"B": 1.0}, {"O": 0.6, "0": 0.4}), "B0")[1]
    hardly = ctc.characters(steps({"B": 1.0}, {"O": 0.999, "0": 0.001}), "B0")[1]
    assert sure.probability > 0.95
    assert hardly.probability < 0.5
