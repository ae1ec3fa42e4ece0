"""Votes one plate from the reads of a track.

A read is a distribution over texts: for each position its character and the alternatives. Candidates are the likely texts of each read
and the consensus of all reads, position by position. Each candidate is scored by the sum of the reads' log likelihoods, computed with an
alignment so that a read that missed a character still counts for the others. Reads of large and sharp crops have more weight.

A reader repeats its own errors: a character of an unusual typeface is misread in every frame. So the total weight of one reader's reads is
limited, and agreement of a reader with itself counts less than agreement of two readers.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from etle.plates import is_plate, parse, warnings_for
from etle.plates.fsm import plate_fsm
from etle.types import Certainty, CharacterRead, Plate, PlateColour, PlateRead, PlateSighting, VehicleClass
from models.plates.readers import trust_of
from pipeline.plates.confidence import ConfidenceFeatures, log_odds, packaged_confidence_model

MIN_READABLE_PROBABILITY = 0.3
"""Below it the best text is wrong more often than right and would mislead the reviewer."""
MIN_READS = 2
"""Minimum number of reads (different frames or different readers) of a certain plate: the reads of one view share its glare and shadows.
A second crop of the same frame does not count as another read."""
MIN_CHARACTER_PROBABILITY = 0.4
"""Minimum probability of each character in a read that counts for `MIN_READS`. Below it the reader's own choice is another character of the
same kind, which the plate grammar or the neighbours outweighed: K 9214 LD was read by both readers where a 7 is worn."""
MIN_BEST_CHARACTER_PROBABILITY = 0.8
"""The same in the best of the reads that agree: where the paint of a 7 is worn off, all of them read a 1, and none of them clearly. 4 of
1,550 development plates, all of them right, are not certain for it."""
MAX_DISSENT = 0.1
"""Maximum share of the weight that reads another text on a certain plate: one distant, blurred frame may, a sharp one may not."""
MIN_CONTRAST = 80.0
"""Grey levels between characters and background, a third of the range. Below it both readers confuse 8 with 0, 8 with 9 and K with W at
high scores, so a plate this dark is certain only if one reader reads it clearly."""
MIN_CLEAR_CONTRAST = 24.0
"""The same for a plate that one reader reads clearly. 56 of 1,888 development plates are certain between the two, none of them wrong."""
MIN_CLEAR_PROBABILITY = 0.975
"""Minimum probability of each character in all reads of a reader that reads a plate clearly. Of 1,888 development plates 1,540 are read so
in two crops; the clear read that is wrong with the highest probability and is not refused for another reason has 0.968."""
MIN_CLEAR_READS = 2
MAX_OBJECTION = 2.0
"""Maximum log-likelihood ratio, in nats, of a read's own text to the plate's for the read not to contradict the plate. `ppocr` reads an
Indonesian Q as O with 0.6 and 4 as 6 with 0.5, and has the right character among its alternatives; a confident read of another text
objects with 2.6 and more."""

_MAX_READER_WEIGHT = 1.5
"""Maximum total weight of the reads of one reader; 1 is one sharp read."""
_ONE_READER_ERR = 0.003
"""Error probability added if a single reader supports the text: its frames repeat its errors, which the single photos that the
confidence model was fitted to cannot show."""
_OOV_PROB = 0.002
"""Probability of a character that is not among a read's alternatives."""
_DELETION_PROB, _INSERTION_PROB = 0.02, 0.001
"""Probability that a read misses a character (often a slashed O) and that it adds one."""
_FLOOR_LOGP = -8.0
"""Minimum log likelihood of a text for one read: a read of a sticker or of another plate must not decide the vote."""
_FULL_WIDTH_PX = 90.0
"""Plate width from which reads are equally accurate; below it the weight falls with the square of the width."""
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
    whole: bool
    """Whether no character can have been cut off."""
    sequence: int


def vote(sightings: Sequence[PlateSighting], vehicle: VehicleClass | None, at: datetime) -> Plate:
    """The plate voted by the reads of one track. `at`: time of the violation, because area codes and series are valid for a period.

    With `vehicle` None the number range is not checked.
    """
    votes = _votes([s for s in sightings if s.read.text])
    ranked = _ranked(votes)
    colour, expiry = _colour(votes), _expiry(votes, at)
    if not ranked or ranked[0][1] < MIN_READABLE_PROBABILITY:
        return _unreadable(sightings, ranked, colour, expiry)
    text, probability = ranked[0]
    notes = tuple(str(note) for note in warnings_for(parse(text), vehicle, at))
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


def vote_unclear(sightings: Sequence[PlateSighting], vehicle: VehicleClass | None, at: datetime) -> Plate:
    """As `vote`, but never certain: for a plate that was read again because its reads were unclear."""
    plate = vote(sightings, vehicle, at)
    return replace(plate, certainty=Certainty.CHECK) if plate.certainty is Certainty.CERTAIN else plate


def _unreadable(sightings: Sequence[PlateSighting], ranked: list[tuple[str, float]], colour: PlateColour, expiry: str | None) -> Plate:
    """No text; the candidates are kept as alternatives."""
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
    certain = not notes and probability >= packaged_confidence_model().certain_from and _is_corroborated(votes, text)
    return Certainty.CERTAIN if certain else Certainty.CHECK


def _is_corroborated(votes: Sequence[Vote], text: str) -> bool:
    """Whether at least two whole reads support the text, and none of weight contradicts it."""
    contrast = max((v.contrast for v in votes if v.read.text == text), default=0.0)
    return (contrast >= MIN_CONTRAST and _is_agreed(votes, text)) or (contrast >= MIN_CLEAR_CONTRAST and _is_clear(votes, text))


def _is_agreed(votes: Sequence[Vote], text: str) -> bool:
    """Whether two independent reads have this text, one of them clearly, and hardly any read has another."""
    supporting = [v for v in votes if v.read.text == text and v.whole and _weakest(v.read) >= MIN_CHARACTER_PROBABILITY]
    independent = {(v.read.reader, v.sequence) for v in supporting}
    is_clear_once = any(_weakest(v.read) >= MIN_BEST_CHARACTER_PROBABILITY for v in supporting)
    return is_clear_once and len(independent) >= MIN_READS and _share(votes, [v for v in votes if v.read.text != text]) <= MAX_DISSENT


def _is_clear(votes: Sequence[Vote], text: str) -> bool:
    """Whether a reader reads the text clearly, another read supports it, and none contradicts it."""
    contradicting = [v for v in votes if _objection(v, text) > MAX_OBJECTION]
    supporting = {(v.read.reader, v.sequence) for v in votes if v.whole and _objection(v, text) <= MAX_OBJECTION}
    return len(supporting) >= MIN_READS and _share(votes, contradicting) <= MAX_DISSENT and _has_clear_reader(votes, text)


def _has_clear_reader(votes: Sequence[Vote], text: str) -> bool:
    """Whether all reads of one reader, in two crops or frames at least, have this text with hardly a doubt about any character."""
    by_reader: dict[str, list[Vote]] = defaultdict(list)
    for v in votes:
        by_reader[v.read.reader].append(v)
    return any(
        len(own) >= MIN_CLEAR_READS and all(v.read.text == text and v.whole and _weakest(v.read) >= MIN_CLEAR_PROBABILITY for v in own)
        for own in by_reader.values()
    )


def _objection(vote: Vote, text: str) -> float:
    """How much more likely the read finds its own text than this one, in nats; 0 if it is the same."""
    characters = vote.read.characters
    return _log_likelihood(characters, vote.read.text) - _log_likelihood(characters, text) if vote.read.text != text else 0.0


def _weakest(read: PlateRead) -> float:
    return min(character.probability for character in read.characters)


def _share(votes: Sequence[Vote], selected: Sequence[Vote]) -> float:
    return sum(v.weight for v in selected) / sum(v.weight for v in votes)


def _votes(legible: Sequence[PlateSighting]) -> tuple[Vote, ...]:
    """Reads with their weights; the total weight of one reader is limited to `_MAX_READER_WEIGHT`."""
    sharpest = max((s.sharpness for s in legible), default=0.0)
    raw = [Vote(s.read, _weight(s, sharpest), s.plate.box.width, s.contrast or 0.0, s.whole is not False, s.sequence) for s in legible]
    reader_weights: dict[str, float] = defaultdict(float)
    for v in raw:
        reader_weights[v.read.reader] += v.weight
    return tuple(replace(v, weight=v.weight * min(1.0, _MAX_READER_WEIGHT / reader_weights[v.read.reader])) for v in raw)


def _weight(sighting: PlateSighting, sharpest: float) -> float:
    """0.05 to 1, times the reader's trust: from the plate width, and from the sharpness relative to the sharpest read of the track."""
    size = min(1.0, sighting.plate.box.width / _FULL_WIDTH_PX) ** 2
    sharp = sighting.sharpness / sharpest if sharpest > 0 else 1.0
    return max(0.05, size * (0.25 + 0.75 * sharp)) * trust_of(sighting.read.reader)


def _ranked(votes: Sequence[Vote]) -> list[tuple[str, float]]:
    """Candidates with their probabilities, best first. The first one's is calibrated on real plates; the others share the rest."""
    posteriors = _posteriors(votes)
    if not posteriors:
        return []
    best, posterior = posteriors[0]
    one_reader = len({v.read.reader for v in votes if v.read.text == best}) < MIN_READS
    probability = packaged_confidence_model().probability(_features(votes, best, posterior)) * (1 - _ONE_READER_ERR * one_reader)
    scale = (1 - probability) / (1 - posterior) if posterior < 1 else 0.0
    return [(best, probability), *((text, min(probability, other * scale)) for text, other in posteriors[1:])]


@dataclass(frozen=True, slots=True)
class UncalibratedVote:
    """A vote without the confidence model, which is fitted to such votes."""

    text: str
    features: ConfidenceFeatures
    corroborated: bool
    """Whether the plate is certain if its probability is high enough."""


def vote_uncalibrated(sightings: Sequence[PlateSighting], at: datetime) -> UncalibratedVote | None:
    """The most probable text of these reads; None if nothing was read."""
    votes = _votes([s for s in sightings if s.read.text])
    posteriors = _posteriors(votes)
    if not posteriors:
        return None
    text, posterior = posteriors[0]
    corroborated = _is_corroborated(votes, text) and not warnings_for(parse(text), None, at)
    return UncalibratedVote(text, _features(votes, text, posterior), corroborated)


def _posteriors(votes: Sequence[Vote]) -> list[tuple[str, float]]:
    """Candidates with their posterior probabilities, which sum to 1, best first. The prior is the plate grammar's weight."""
    log_prior = plate_fsm().weight
    scores = {
        text: (log_prior(text) or 0.0) + sum(v.weight * _log_likelihood(v.read.characters, text) for v in votes)
        for text in _candidates(votes)
    }
    return sorted(_softmax(scores).items(), key=lambda item: (-item[1], item[0]))


def _features(votes: Sequence[Vote], text: str, posterior: float) -> ConfidenceFeatures:
    total_weight = sum(v.weight for v in votes)
    return ConfidenceFeatures(
        margin=log_odds(posterior),
        agreement=sum(v.weight for v in votes if v.read.text == text) / total_weight,
        witnesses=float(sum(reader_text == text for reader_text in _reader_texts(votes).values()) > 1),
        width=math.log2(min(180.0, max(22.5, max(v.width for v in votes))) / _FULL_WIDTH_PX),
        contrast=min(0.0, math.log2(max(8.0, max((v.contrast for v in votes if v.read.text == text), default=0.0)) / 64)),
        clear=float(_is_clear(votes, text)),
    )


def _reader_texts(votes: Sequence[Vote]) -> dict[str, str]:
    """For each reader the text with the largest weight among its reads."""
    weights: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for v in votes:
        weights[v.read.reader][v.read.text] += v.weight
    return {reader: max(sorted(texts), key=texts.__getitem__) for reader, texts in weights.items()}


def _softmax(scores: Mapping[str, float]) -> dict[str, float]:
    best = max(scores.values(), default=0.0)
    parts = {key: math.exp(score - best) for key, score in scores.items()}
    total = sum(parts.values())
    return {key: part / total for key, part in parts.items()}


def _candidates(votes: Sequence[Vote]) -> list[str]:
    """Sorted, so that floating-point sums over them are the same in every process."""
    texts = {text for v in votes for text in _likely_texts(v.read.characters)}
    texts |= {v.read.text for v in votes}
    texts |= {_consensus(votes, length) for length in {len(v.read.text) for v in votes}}
    return sorted(text for text in texts if is_plate(text))


def _likely_texts(characters: Sequence[CharacterRead]) -> list[str]:
    """The most probable texts of one read."""
    texts: list[tuple[float, str]] = [(0.0, "")]
    for read in characters:
        extended = [(score + math.log(max(p, 1e-9)), text + c) for score, text in texts for c, p in _distribution(read).items()]
        texts = sorted(extended, reverse=True)[:_TEXTS_PER_READ]
    return [text for _, text in texts]


def _consensus(votes: Sequence[Vote], length: int) -> str:
    """The text of the most probable character at each position, over all reads of that length."""
    same = [v for v in votes if len(v.read.text) == length]
    positions = [_fuse((v.read.characters[i], v.weight) for v in same) for i in range(length)]
    return "".join(max(sorted(position), key=position.__getitem__) for position in positions)


def _distribution(read: CharacterRead) -> dict[str, float]:
    return {read.character: read.probability, **dict(read.alternatives)}


def _log_likelihood(read: Sequence[CharacterRead], text: str) -> float:
    """Log likelihood of the read if the plate shows `text`, over the best alignment with deletions and insertions."""
    deletion, insertion = math.log(_DELETION_PROB), math.log(_INSERTION_PROB)
    row = [j * deletion for j in range(len(text) + 1)]
    for i, character in enumerate(read, 1):
        likely = _distribution(character)
        diagonal, row[0] = row[0], i * insertion
        for j, expected in enumerate(text, 1):
            match = diagonal + math.log(max(likely.get(expected, 0.0), _OOV_PROB))
            diagonal, row[j] = row[j], max(match, row[j] + insertion, row[j - 1] + deletion)
    return max(row[-1], _FLOOR_LOGP)


def _fuse(reads: Iterable[tuple[CharacterRead, float]]) -> dict[str, float]:
    """Distribution of one character over several reads: weighted sum of log probabilities, normalised."""
    pairs = [(_distribution(read), weight) for read, weight in reads]
    characters = sorted({c for likely, _ in pairs for c in likely})
    return _softmax({c: sum(w * math.log(max(likely.get(c, 0.0), _OOV_PROB)) for likely, w in pairs) for c in characters})


def _characters(votes: Sequence[Vote], text: str) -> tuple[CharacterRead, ...]:
    """The fused distribution of each character of `text` over the reads of its length; no single read needs to have this text."""
    same = [v for v in votes if len(v.read.text) == len(text)]
    return tuple(_character(text[i], _fuse([(v.read.characters[i], v.weight) for v in same])) for i in range(len(text)))


def _character(character: str, shares: Mapping[str, float]) -> CharacterRead:
    others = sorted(((c, p) for c, p in shares.items() if c != character), key=lambda item: (-item[1], item[0]))
    return CharacterRead(character=character, probability=shares.get(character, 0.0), alternatives=tuple(others[:3]))


def _colour(votes: Sequence[Vote]) -> PlateColour:
    """The colour with more than 60 % of the weight; reads without a colour are ignored."""
    colours = ((str(v.read.colour), v.weight) for v in votes if v.read.colour is not PlateColour.UNKNOWN)
    return PlateColour(_majority(colours, PlateColour.UNKNOWN))


def _expiry(votes: Sequence[Vote], at: datetime) -> str | None:
    """The expiry (month·year) with more than 60 % of the weight, among those that a valid plate can show; otherwise None."""
    first, last = (at.year + years for years in _EXPIRY_YEARS)
    read = ((v.read.expiry, v.weight) for v in votes if v.read.expiry is not None)
    return _majority(((e, weight) for e, weight in read if first <= 2000 + int(e[-2:]) <= last), "") or None


def _majority(weighted: Iterable[tuple[str, float]], default: str) -> str:
    totals: dict[str, float] = defaultdict(float)
    for value, weight in weighted:
        totals[value] += weight
    if not totals:
        return default
    value, weight = max(totals.items(), key=lambda item: (item[1], item[0]))
    return value if weight > 0.6 * sum(totals.values()) else default
