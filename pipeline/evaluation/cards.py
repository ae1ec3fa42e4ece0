"""HTML of one error: picture, true text, text as read with the wrong characters marked, probability, certainty and source."""

from base64 import b64encode
from collections.abc import Iterator
from difflib import SequenceMatcher
from html import escape

from etle.plates import formatted, normalise
from etle.types import Plate
from pipeline.evaluation.contact_sheet import ErrorCard


def card_html(card: ErrorCard) -> str:
    picture = b64encode(card.jpeg).decode()
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in _lines(card))
    notes = "".join(f"<span>{escape(note)}</span>" for note in (card.remark, card.picture, card.source) if note)
    image = f'<img src="data:image/jpeg;base64,{picture}" alt="" loading="lazy">'
    return f'<article class="card"><div class="shot">{image}</div><dl>{lines}</dl><footer>{notes}</footer></article>'


def _lines(card: ErrorCard) -> Iterator[tuple[str, str]]:
    """Names and values; the values are HTML."""
    yield "true", f'<span class="text">{escape(card.truth)}</span>' if card.truth else '<span class="none">not known</span>'
    if card.plate is None:
        return
    plate = card.plate
    yield "read", _text(plate, card.truth)
    probability = f"{100 * plate.probability:.1f} % " if plate.text else ""
    yield "sure", f'{probability}<span class="tag {plate.certainty}">{plate.certainty}</span>'
    if plate.text and plate.alternatives:
        text, alternative = plate.alternatives[0]
        yield "or", f'<span class="none">{escape(formatted(text))} ({alternative:.0%})</span>'
    reads: dict[str, str] = {}
    for sighting in plate.sightings:
        reads.setdefault(sighting.read.reader, sighting.read.text)  # of the first crop
    for reader, text in reads.items() if len(reads) > 1 else ():
        yield reader, f'<span class="none">{escape(formatted(text)) or "nothing"}</span>'


def _text(plate: Plate, truth: str) -> str:
    if plate.text is None:
        best = plate.alternatives[0] if plate.alternatives else None
        alternative = f", best candidate {formatted(best[0])} ({best[1]:.0%})" if best else ""
        return f'<span class="none">nothing{escape(alternative)}</span>'
    return f'<span class="text">{mark_errors(formatted(plate.text), truth)}</span>'


def mark_errors(text: str, truth: str) -> str:
    """`text` as HTML with the characters marked that differ from `truth`. Spaces are ignored."""
    blocks = SequenceMatcher(None, normalise(truth), normalise(text), autojunk=False).get_matching_blocks()
    right = {block.b + i for block in blocks for i in range(block.size)}
    position, parts = 0, []
    for character in text:
        wrong = truth and character != " " and position not in right
        parts.append(f"<mark>{escape(character)}</mark>" if wrong else escape(character))
        position += character != " "
    return "".join(parts)
