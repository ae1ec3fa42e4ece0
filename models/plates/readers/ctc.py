"""From a recogniser's probabilities per time step to texts that a plate can have.

A CTC recogniser says at each step a character or "blank"; many paths give the same text. The search keeps the most probable texts,
sums over their paths, and asks the grammar at each step what may come next, so that a 0 among the letters becomes an O here and not
by repair afterwards. What one character is worth is then taken from the step where it stands, among the characters of its class.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etle.plates.fsm import DIGITS, LETTERS, SYMBOLS, PlateFsm
from etle.types import CharacterRead

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BEAM = 16
"""Texts kept per step. 8, 16 and 32 read the same on the development crops."""
_SMALL = 3e-4
"""Characters below this probability are not tried in a step; a text without any other way still gets by on the next step."""
_UNSEEN = 0.003
"""Probability set aside at each character for what the recogniser does not show: no character is ever certain."""
_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True)
class Hypothesis:
    text: str
    log_probability: float
    """Of all paths that give the text, with the grammar's weights."""


@dataclass(slots=True)
class _Prefix:
    """A text so far: the probability of its paths that end in blank, and of those that end in its last character."""

    state: str
    weight: float
    blank: float = 0.0
    character: float = 0.0

    @property
    def score(self) -> float:
        return (self.blank + self.character) * self.weight


def decode(steps: "NDArray[np.float32]", grammar: PlateFsm, beam: int = _BEAM) -> tuple[Hypothesis, ...]:
    """Texts of the grammar, most probable first; empty if there is none.

    `steps` is time x (blank, then SYMBOLS): probabilities, not necessarily summing to one.
    """
    kept = {"": _Prefix(grammar.start, 1.0, blank=1.0)}
    for row in steps:
        shown = [(SYMBOLS[i - 1], float(row[i])) for i in np.flatnonzero(row > _SMALL) if i > 0]
        if not shown:
            _stay(kept, float(row[0]))
            continue
        grown = _step(kept, float(row[0]), shown, grammar)
        kept = dict(sorted(grown.items(), key=lambda item: -item[1].score)[:beam])
    ended = [(text, p) for text, p in kept.items() if p.state in grammar.final and p.score > 0]
    texts = [Hypothesis(text, float(np.log(p.score)) + grammar.final[p.state]) for text, p in ended]
    return tuple(sorted(texts, key=lambda hypothesis: -hypothesis.log_probability))


def _stay(kept: dict[str, _Prefix], blank: float) -> None:
    """A step that shows nothing changes no text and no order."""
    for prefix in kept.values():
        prefix.blank, prefix.character = (prefix.blank + prefix.character) * blank, 0.0


def _step(kept: dict[str, _Prefix], blank: float, shown: list[tuple[str, float]], grammar: PlateFsm) -> dict[str, _Prefix]:
    of = dict(shown)
    new: dict[str, _Prefix] = {}
    for text, prefix in kept.items():
        last = text[-1:]
        same = _reach(new, text, prefix.state, prefix.weight)
        same.blank += (prefix.blank + prefix.character) * blank
        same.character += prefix.character * of.get(last, 0.0)
        ways = grammar.steps.get(prefix.state, {})
        for character, probability in shown:
            way = ways.get(character)
            if way is not None:
                grown = _reach(new, text + character, way[0], prefix.weight * float(np.exp(way[1])))
                grown.character += probability * (prefix.blank if character == last else prefix.blank + prefix.character)
    return new


def _reach(new: dict[str, _Prefix], text: str, state: str, weight: float) -> _Prefix:
    prefix = new.get(text)
    if prefix is None:
        prefix = new[text] = _Prefix(state, weight)
    return prefix


def align(steps: "NDArray[np.float32]", text: str) -> tuple[int, ...]:
    """The step at which each character of the text stands clearest, on the text's most probable path."""
    labels = [0]
    for character in text:
        labels += [SYMBOLS.index(character) + 1, 0]
    logs = np.log(steps[:, labels] + 1e-12)
    skip = np.array([i >= 2 and labels[i] != 0 and labels[i] != labels[i - 2] for i in range(len(labels))])
    score = np.full(len(labels), -np.inf)
    score[:2] = logs[0, :2]
    came = np.zeros(logs.shape, dtype=np.int8)
    for t in range(1, len(logs)):
        options = np.full((3, len(labels)), -np.inf)
        options[0] = score
        options[1, 1:] = score[:-1]
        options[2, 2:] = np.where(skip[2:], score[:-2], -np.inf)
        came[t] = options.argmax(axis=0)
        score = options.max(axis=0) + logs[t]
    place = len(labels) - 1 if score[-1] >= score[-2] else len(labels) - 2
    best: dict[int, int] = {}
    for t in range(len(logs) - 1, -1, -1):
        if labels[place] and (place not in best or logs[t, place] > logs[best[place], place]):
            best[place] = t
        place -= int(came[t, place])
    return tuple(best[2 * i + 1] for i in range(len(text)))


def characters(steps: "NDArray[np.float32]", text: str) -> tuple[CharacterRead, ...]:
    """Each character's probability among those of its class (the grammar has decided between letter and digit)."""
    return tuple(_character(steps[t], character) for t, character in zip(align(steps, text), text, strict=True))


def _character(row: "NDArray[np.float32]", character: str) -> CharacterRead:
    group = DIGITS if character in DIGITS else LETTERS if character in LETTERS else "-"
    first = SYMBOLS.index(group[0]) + 1
    shares = row[first : first + len(group)]
    shares = shares / (float(shares.sum()) + _UNSEEN)
    order = [i for i in np.argsort(-shares) if group[i] != character and shares[i] > _SMALL]
    return CharacterRead(
        character=character,
        probability=float(shares[group.index(character)]),
        alternatives=tuple((group[i], float(shares[i])) for i in order[:_ALTERNATIVES]),
    )
