"""Decodes a CTC recogniser's probabilities per time step into texts of the plate grammar.

At each step a CTC recogniser outputs a character or "blank"; many paths give the same text. The beam search keeps the most probable
texts, sums over their paths, and extends them only by characters that the grammar permits, so that a 0 among letters is decoded as an O
without a later correction. The probability of a single character is taken from its step, among the characters of its class.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from etle.plates.fsm import DIGITS, LETTERS, SYMBOLS, PlateFsm
from etle.types import CharacterRead

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BEAM = 16
"""Texts kept per step. 8, 16 and 32 give the same reads on the development crops."""
_MIN_STEP_PROBABILITY = 3e-4
"""Characters below this probability are not tried in a step; the next step may still extend the text."""
_RESERVED_PROBABILITY = 0.003
"""Probability reserved at each character for characters without output, so that none has probability 1."""
_ALTERNATIVES = 3


@dataclass(frozen=True, slots=True)
class Hypothesis:
    text: str
    log_probability: float
    """Natural logarithm, summed over all paths of the text, with the grammar's weights."""


@dataclass(slots=True)
class _Prefix:
    """A partial text: grammar state and weight, and the probabilities of its paths that end in blank and in its last character."""

    state: str
    weight: float
    blank: float = 0.0
    character: float = 0.0

    @property
    def score(self) -> float:
        return (self.blank + self.character) * self.weight


def decode(steps: "NDArray[np.float32]", grammar: PlateFsm, beam: int = _BEAM) -> tuple[Hypothesis, ...]:
    """Texts of the grammar, most probable first; empty if there is none.

    `steps`: time x (blank, then SYMBOLS), float32 probabilities that need not sum to one.
    """
    kept = {"": _Prefix(grammar.start, 1.0, blank=1.0)}
    for row in steps:
        characters = [(SYMBOLS[i - 1], float(row[i])) for i in np.flatnonzero(row > _MIN_STEP_PROBABILITY) if i > 0]
        if not characters:
            _extend_by_blank(kept, float(row[0]))
            continue
        extended = _extend(kept, float(row[0]), characters, grammar)
        kept = dict(sorted(extended.items(), key=lambda item: -item[1].score)[:beam])
    ended = [(text, p) for text, p in kept.items() if p.state in grammar.final and p.score > 0]
    texts = [Hypothesis(text, float(np.log(p.score)) + grammar.final[p.state]) for text, p in ended]
    return tuple(sorted(texts, key=lambda hypothesis: -hypothesis.log_probability))


def _extend_by_blank(kept: dict[str, _Prefix], blank: float) -> None:
    """In place, for a step without characters, which changes neither texts nor their order."""
    for prefix in kept.values():
        prefix.blank, prefix.character = (prefix.blank + prefix.character) * blank, 0.0


def _extend(kept: dict[str, _Prefix], blank: float, characters: list[tuple[str, float]], grammar: PlateFsm) -> dict[str, _Prefix]:
    probabilities = dict(characters)
    new: dict[str, _Prefix] = {}
    for text, prefix in kept.items():
        last = text[-1:]
        same = _prefix_of(new, text, prefix.state, prefix.weight)
        same.blank += (prefix.blank + prefix.character) * blank
        same.character += prefix.character * probabilities.get(last, 0.0)
        permitted = grammar.steps.get(prefix.state, {})
        for character, probability in characters:
            step = permitted.get(character)
            if step is not None:
                extended = _prefix_of(new, text + character, step[0], prefix.weight * float(np.exp(step[1])))
                extended.character += probability * (prefix.blank if character == last else prefix.blank + prefix.character)
    return new


def _prefix_of(new: dict[str, _Prefix], text: str, state: str, weight: float) -> _Prefix:
    prefix = new.get(text)
    if prefix is None:
        prefix = new[text] = _Prefix(state, weight)
    return prefix


def align(steps: "NDArray[np.float32]", text: str) -> tuple[int, ...]:
    """The step at which each character has its highest probability on the most probable path of the text."""
    labels = [0]
    for character in text:
        labels += [SYMBOLS.index(character) + 1, 0]
    logs = np.log(steps[:, labels] + 1e-12)
    skip = np.array([i >= 2 and labels[i] != 0 and labels[i] != labels[i - 2] for i in range(len(labels))])
    score = np.full(len(labels), -np.inf)
    score[:2] = logs[0, :2]
    moves = np.zeros(logs.shape, dtype=np.int8)
    for t in range(1, len(logs)):
        options = np.full((3, len(labels)), -np.inf)
        options[0] = score
        options[1, 1:] = score[:-1]
        options[2, 2:] = np.where(skip[2:], score[:-2], -np.inf)
        moves[t] = options.argmax(axis=0)
        score = options.max(axis=0) + logs[t]
    position = len(labels) - 1 if score[-1] >= score[-2] else len(labels) - 2
    best: dict[int, int] = {}
    for t in range(len(logs) - 1, -1, -1):
        if labels[position] and (position not in best or logs[t, position] > logs[best[position], position]):
            best[position] = t
        position -= int(moves[t, position])
    return tuple(best[2 * i + 1] for i in range(len(text)))


def characters(steps: "NDArray[np.float32]", text: str) -> tuple[CharacterRead, ...]:
    """Each character with its probability among those of its class (letter or digit, which the grammar has decided)."""
    return tuple(_character(steps[t], character) for t, character in zip(align(steps, text), text, strict=True))


def _character(row: "NDArray[np.float32]", character: str) -> CharacterRead:
    group = DIGITS if character in DIGITS else LETTERS if character in LETTERS else "-"
    first = SYMBOLS.index(group[0]) + 1
    probabilities = row[first : first + len(group)]
    probabilities = probabilities / (float(probabilities.sum()) + _RESERVED_PROBABILITY)
    order = [i for i in np.argsort(-probabilities) if group[i] != character and probabilities[i] > _MIN_STEP_PROBABILITY]
    return CharacterRead(
        character=character,
        probability=float(probabilities[group.index(character)]),
        alternatives=tuple((group[i], float(probabilities[i])) for i in order[:_ALTERNATIVES]),
    )
