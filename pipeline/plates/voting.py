"""One plate out of the reads of a track: every read votes with all it thought possible, none wins by being first.

A read is a distribution over texts: at each place its character and the runners-up. The candidates are the texts that any read
thought of, and the one that the reads' characters spell together. Each candidate is scored by the reads' log probabilities, aligned
so that a read that missed a letter still speaks for the others; large and sharp crops speak louder.

A reader repeats itself: what it misreads in one frame (a typeface's odd letter) it misreads in the next. So the weights of one
reader's reads add up to a limit, and its agreement with itself is worth less than the agreement of two readers.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from etle.plates import is_plate, notes_on, parse
from etle.plates.fsm import plate_automaton
from etle.types import Certainty, CharacterRead, Plate, PlateColour, PlateRead, PlateSighting, VehicleClass
from pipeline.plates.confidence import ConfidenceFeatures, log_odds, shipped_confidence

READABLE_FROM = 0.3
"""Below it the best text is wrong more often than right: showing it would lead the reviewer astray."""
LEAST_READS = 2
"""A single read is never certain, whatever it says of itself: one view shares one glare, one screw, one shadow. It takes another frame
or another reader; another cut of the same picture is the same read again."""
DISSENT = 0.1
"""Share of the weight that may read something else: a far, blurred frame may, a sharp one makes it a case for a look."""
LEAST_CONTRAST = 64.0
"""Grey levels between letters and ground, a quarter of what a camera can show. Below it both readers take an 8 for a 0 or a K for a W and
are sure of it: of 1,064 crops 41 that all else calls certain are so dark, and 3 of these differ from their label. It makes 22 of 409
certain plates of the development photos and crops, none of them wrong, a case for a look."""

_REPEATS = 1.5
"""What any number of reads by one reader weigh at most, in sharp reads."""
_TRUST = {"easyocr": 0.15}
"""A reader that reads one plate in five right is welcome to agree (it seldom does by chance), but weighs little where it does not."""
_ONE_READER_ERR = 0.003
"""One reader's frames repeat its errors, which the single pictures that the confidence was fitted to cannot show."""
_UNTHOUGHT = 0.002
"""Probability of a character that a read did not think of."""
_LOST, _ADDED = 0.02, 0.001
"""Probability that a read missed a character, and that it saw one that is not there. Readers lose the slashed O; they invent little."""
_JUNK = -8.0
"""Logarithm of the least that any read gives any text: it may be of a sticker or the neighbour's plate, and must not decide by nonsense."""
_FULL_WIDTH_PX = 90.0
"""Plates from this width read as well as wider ones; narrower ones lose with the square."""
_TEXTS_PER_READ = 8
_ALTERNATIVES = 5
_EXPIRY_YEARS = (-10, 5)


@dataclass(frozen=True, slots=True)
class Vote:
    read: PlateRead
    weight: float
    width: float
    """Of the plate, in pixels."""
    contrast: float
    sequence: int


def vote(sightings: Sequence[PlateSighting], vehicle: VehicleClass, at: datetime) -> Plate:
    """The plate that the reads of one track add up to. `at` is the moment of the violation: area codes and series are of their time."""
    votes = _votes([s for s in sightings if s.read.text])
    ranked = _ranked(votes)
    colour, expiry = _colour(votes), _expiry(votes, at)
    if not ranked or ranked[0][1] < READABLE_FROM:
        return _unreadable(sightings, ranked, colour, expiry)
    text, probability = ranked[0]
    notes = tuple(str(note) for note in notes_on(parse(text), vehicle, at))
    return Plate(
        text=text,
        characters=_characters(votes, text),
        probability=probability,
        certainty=_certainty(votes, text, probability, notes),
        colour=colour,
        expiry=expiry,
        alternatives=tuple(ranked[1 : 1 + _ALTERNATIVES]),
        notes=notes,
        sightings=tuple(sightings),
    )


def _unreadable(sightings: Sequence[PlateSighting], ranked: list[tuple[str, float]], colour: PlateColour, expiry: str | None) -> Plate:
    """No text, but what was thought of is kept."""
    return Plate(
        text=None,
        characters=(),
        probability=0.0,
        certainty=Certainty.UNREADABLE,
        colour=colour,
        expiry=expiry,
        alternatives=tuple(ranked[:_ALTERNATIVES]),
        notes=(),
        sightings=tuple(sightings),
    )


def _certainty(votes: Sequence[Vote], text: str, probability: float, notes: tuple[str, ...]) -> Certainty:
    against = sum(v.weight for v in votes if v.read.text != text)
    agreed = against <= DISSENT * sum(v.weight for v in votes)
    frames_enough = len({(v.read.reader, v.sequence) for v in votes if v.read.text == text}) >= LEAST_READS
    stands_out = max((v.contrast for v in votes if v.read.text == text), default=0.0) >= LEAST_CONTRAST
    certain_from = shipped_confidence().certain_from
    certain = agreed and frames_enough and stands_out and not notes and probability >= certain_from
    return Certainty.CERTAIN if certain else Certainty.CHECK


def _votes(legible: Sequence[PlateSighting]) -> tuple[Vote, ...]:
    """Reads with their weights; those of one reader are scaled down to its limit."""
    sharpest = max((s.sharpness for s in legible), default=0.0)
    raw = [Vote(s.read, _weight(s, sharpest), s.plate.box.width, s.contrast or 0.0, s.sequence) for s in legible]
    of_reader: dict[str, float] = defaultdict(float)
    for v in raw:
        of_reader[v.read.reader] += v.weight
    return tuple(replace(v, weight=v.weight * min(1.0, _REPEATS / of_reader[v.read.reader])) for v in raw)


def _weight(sighting: PlateSighting, sharpest: float) -> float:
    """Of a trusted reader between 0.05 and 1: pixels first, sharpness against the track's best."""
    size = min(1.0, sighting.plate.box.width / _FULL_WIDTH_PX) ** 2
    sharp = sighting.sharpness / sharpest if sharpest > 0 else 1.0
    return max(0.05, size * (0.25 + 0.75 * sharp)) * _TRUST.get(sighting.read.reader, 1.0)


def _ranked(votes: Sequence[Vote]) -> list[tuple[str, float]]:
    """Candidates with their probabilities, best first: the best one's as measured on real plates, the others share what it leaves."""
    shares = _shares(votes)
    if not shares:
        return []
    best, share = shares[0]
    alone = len({v.read.reader for v in votes if v.read.text == best}) < LEAST_READS
    probability = shipped_confidence().probability(_signs(votes, best, share)) * (1 - _ONE_READER_ERR * alone)
    left = (1 - probability) / (1 - share) if share < 1 else 0.0
    return [(best, probability), *((text, min(probability, other * left)) for text, other in shares[1:])]


def best_text(sightings: Sequence[PlateSighting]) -> tuple[str, ConfidenceFeatures] | None:
    """The likeliest text of these reads, and what speaks for it; None if nothing was read. For fitting the confidence."""
    votes = _votes([s for s in sightings if s.read.text])
    shares = _shares(votes)
    return (shares[0][0], _signs(votes, *shares[0])) if shares else None


def _shares(votes: Sequence[Vote]) -> list[tuple[str, float]]:
    """Of each candidate in the probability of all, best first."""
    rarity = plate_automaton().weight
    scores = {
        text: (rarity(text) or 0.0) + sum(v.weight * _log_likelihood(v.read.characters, text) for v in votes) for text in _candidates(votes)
    }
    return sorted(_softmax(scores).items(), key=lambda item: (-item[1], item[0]))


def _signs(votes: Sequence[Vote], text: str, share: float) -> ConfidenceFeatures:
    """What speaks for this text, which has this share of the candidates' probability."""
    weight = sum(v.weight for v in votes)
    return ConfidenceFeatures(
        margin=log_odds(share),
        weakest=log_odds(min(character.probability for character in _characters(votes, text))),
        agreement=sum(v.weight for v in votes if v.read.text == text) / weight,
        witnesses=float(sum(said == text for said in _words(votes).values()) > 1),
        width=math.log2(min(180.0, max(22.5, max(v.width for v in votes))) / _FULL_WIDTH_PX),
    )


def _words(votes: Sequence[Vote]) -> dict[str, str]:
    """What each reader says by most of the weight of its reads."""
    said: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for v in votes:
        said[v.read.reader][v.read.text] += v.weight
    return {reader: max(sorted(texts), key=texts.__getitem__) for reader, texts in said.items()}


def _softmax(scores: Mapping[str, float]) -> dict[str, float]:
    best = max(scores.values(), default=0.0)
    parts = {key: math.exp(score - best) for key, score in scores.items()}
    total = sum(parts.values())
    return {key: part / total for key, part in parts.items()}


def _candidates(votes: Sequence[Vote]) -> list[str]:
    """In one order: sums of their shares must not differ in the last digit from one process to the next."""
    texts = {text for v in votes for text in _likely_texts(v.read.characters)}
    texts |= {v.read.text for v in votes}
    texts |= {_spelled(votes, length) for length in {len(v.read.text) for v in votes}}
    return sorted(text for text in texts if is_plate(text))


def _likely_texts(characters: Sequence[CharacterRead]) -> list[str]:
    """The most probable texts of one read."""
    texts: list[tuple[float, str]] = [(0.0, "")]
    for read in characters:
        grown = [(score + math.log(max(p, 1e-9)), text + c) for score, text in texts for c, p in _distribution(read).items()]
        texts = sorted(grown, reverse=True)[:_TEXTS_PER_READ]
    return [text for _, text in texts]


def _spelled(votes: Sequence[Vote], length: int) -> str:
    """The text of that length that all reads of that length spell together, place by place."""
    same = [v for v in votes if len(v.read.text) == length]
    places = [_fused((v.read.characters[i], v.weight) for v in same) for i in range(length)]
    return "".join(max(sorted(place), key=place.__getitem__) for place in places)


def _distribution(read: CharacterRead) -> dict[str, float]:
    return {read.character: read.probability, **dict(read.alternatives)}


def _log_likelihood(read: Sequence[CharacterRead], text: str) -> float:
    """Of the read, if the plate says `text`: best alignment, with characters lost or added at a price."""
    lost, added = math.log(_LOST), math.log(_ADDED)
    row = [j * lost for j in range(len(text) + 1)]
    for i, character in enumerate(read, 1):
        likely = _distribution(character)
        diagonal, row[0] = row[0], i * added
        for j, wanted in enumerate(text, 1):
            same = diagonal + math.log(max(likely.get(wanted, 0.0), _UNTHOUGHT))
            diagonal, row[j] = row[j], max(same, row[j] + added, row[j - 1] + lost)
    return max(row[-1], _JUNK)


def _fused(reads: Iterable[tuple[CharacterRead, float]]) -> dict[str, float]:
    """One character's distribution over several reads: weighted sum of logarithms, normalised."""
    pairs = [(_distribution(read), weight) for read, weight in reads]
    thought_of = sorted({c for likely, _ in pairs for c in likely})
    return _softmax({c: sum(w * math.log(max(likely.get(c, 0.0), _UNTHOUGHT)) for likely, w in pairs) for c in thought_of})


def _characters(votes: Sequence[Vote], text: str) -> tuple[CharacterRead, ...]:
    """Each character as the reads of this length see it; the text itself may be spelled by no single one of them."""
    same = [v for v in votes if len(v.read.text) == len(text)]
    return tuple(_character(text[i], _fused([(v.read.characters[i], v.weight) for v in same])) for i in range(len(text)))


def _character(character: str, shares: Mapping[str, float]) -> CharacterRead:
    others = sorted(((c, p) for c, p in shares.items() if c != character), key=lambda item: (-item[1], item[0]))
    return CharacterRead(character=character, probability=shares.get(character, 0.0), alternatives=tuple(others[:3]))


def _colour(votes: Sequence[Vote]) -> PlateColour:
    """What most of the weight saw; doubtful reads keep out of it."""
    seen = ((str(v.read.colour), v.weight) for v in votes if v.read.colour is not PlateColour.UNKNOWN)
    return PlateColour(_majority(seen, PlateColour.UNKNOWN))


def _expiry(votes: Sequence[Vote], at: datetime) -> str | None:
    """None unless most of the weight agrees on a month that a plate on the road can show."""
    first, last = (at.year + years for years in _EXPIRY_YEARS)
    read = ((v.read.expiry, v.weight) for v in votes if v.read.expiry is not None)
    return _majority(((e, weight) for e, weight in read if first <= 2000 + int(e[-2:]) <= last), "") or None


def _majority(weighted: Iterable[tuple[str, float]], otherwise: str) -> str:
    totals: dict[str, float] = defaultdict(float)
    for value, weight in weighted:
        totals[value] += weight
    if not totals:
        return otherwise
    value, weight = max(totals.items(), key=lambda item: (item[1], item[0]))
    return value if weight > 0.6 * sum(totals.values()) else otherwise
