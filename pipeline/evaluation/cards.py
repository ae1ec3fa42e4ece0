"""One error as a card of the page: picture, truth, what was read with the differing characters marked, how sure, where from."""

from base64 import b64encode
from collections.abc import Iterator
from difflib import SequenceMatcher
from html import escape

from etle.plates import formatted, normalise
from etle.types import Plate
from pipeline.evaluation.contact_sheet import Card


def card(shown: Card) -> str:
    picture = b64encode(shown.jpeg).decode()
    lines = "".join(f"<dt>{escape(name)}</dt><dd>{value}</dd>" for name, value in _lines(shown))
    notes = "".join(f"<span>{escape(note)}</span>" for note in (shown.remark, shown.picture, shown.source) if note)
    image = f'<img src="data:image/jpeg;base64,{picture}" alt="" loading="lazy">'
    return f'<article class="card"><div class="shot">{image}</div><dl>{lines}</dl><footer>{notes}</footer></article>'


def _lines(shown: Card) -> Iterator[tuple[str, str]]:
    """Names, and values as HTML."""
    yield "true", f'<span class="text">{escape(shown.truth)}</span>' if shown.truth else '<span class="none">not known</span>'
    if shown.plate is None:
        return
    plate = shown.plate
    yield "read", _text(plate, shown.truth)
    sure = f"{100 * plate.probability:.1f} % " if plate.text else ""
    yield "sure", f'{sure}<span class="tag {plate.certainty}">{plate.certainty}</span>'
    if plate.text and plate.alternatives:
        text, probability = plate.alternatives[0]
        yield "or", f'<span class="none">{escape(formatted(text))} ({probability:.0%})</span>'
    reads: dict[str, str] = {}
    for sighting in plate.sightings:
        reads.setdefault(sighting.read.reader, sighting.read.text)  # its first cut
    for reader, text in reads.items() if len(reads) > 1 else ():
        yield reader, f'<span class="none">{escape(formatted(text)) or "nothing"}</span>'


def _text(plate: Plate, truth: str) -> str:
    if plate.text is None:
        best = plate.alternatives[0] if plate.alternatives else None
        thought = f", thought of {formatted(best[0])} ({best[1]:.0%})" if best else ""
        return f'<span class="none">nothing{escape(thought)}</span>'
    return f'<span class="text">{marked(formatted(plate.text), truth)}</span>'


def marked(text: str, truth: str) -> str:
    """As HTML, the characters marked that are not those of the truth. Spaces do not count."""
    same = SequenceMatcher(None, normalise(truth), normalise(text), autojunk=False).get_matching_blocks()
    right = {block.b + i for block in same for i in range(block.size)}
    place, parts = 0, []
    for character in text:
        wrong = truth and character != " " and place not in right
        parts.append(f"<mark>{escape(character)}</mark>" if wrong else escape(character))
        place += character != " "
    return "".join(parts)
