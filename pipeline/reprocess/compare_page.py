"""A comparison as a self-contained HTML page: what differs, with the pictures side by side. In Indonesian or English."""

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import cv2
import numpy as np

from etle.errors import EvidenceCorrupt
from etle.runs.compare import ComparedPair, ComparedViolation, Difference, RunComparison, VerdictScore
from etle.types import Digest
from pipeline.explain.sentences import TextLanguage

if TYPE_CHECKING:
    from etle.types import Image

ReadPicture = Callable[[str, Digest], bytes]
"""The JPEG with the digest, of the run with the name. Raises KeyError, EvidenceCorrupt."""
_WIDTH: Final = 460
_MARGIN: Final = 0.6
"""Around the vehicle, in its own size."""
_TEXTS: Final[Mapping[TextLanguage, Mapping[str, str]]] = {
    TextLanguage.ID: {
        "title": "Perbandingan {a} dan {b}", "only": "Hanya di {name}", "changed": "Berbeda", "same": "Sama", "none": "Tidak ada.",
        "plate": "nomor polisi", "measurement": "pengukuran", "certainty": "kepastian nomor", "verdict": "putusan", "run": "proses",
        "precision": "presisi terhadap putusan", "recall": "cakupan kasus yang dikonfirmasi", "plates": "nomor benar",
        "no_picture": "gambar tidak tersedia", "more": "Gambar hanya untuk {count} yang pertama.",
    },
    TextLanguage.EN: {
        "title": "Comparison of {a} and {b}", "only": "Only in {name}", "changed": "Different", "same": "Same", "none": "None.",
        "plate": "plate", "measurement": "measurement", "certainty": "certainty of the plate", "verdict": "verdict", "run": "run",
        "precision": "precision against verdicts", "recall": "recall of confirmed cases", "plates": "plates right",
        "no_picture": "no picture", "more": "Pictures of the first {count} only.",
    },
}  # fmt: skip
_STYLE: Final = (
    "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:1000px;padding:0 1rem;color:#1b1f24}h2{margin-top:2rem}"
    ".pair{display:flex;gap:12px;flex-wrap:wrap;border-top:1px solid #d5dae0;padding:12px 0}.side{flex:1 1 300px}"
    "img{max-width:100%;border-radius:4px}.diff{background:#fff2c6;padding:0 4px;border-radius:3px}small{color:#59636e}"
    "table{border-collapse:collapse}td,th{padding:3px 12px 3px 0;text-align:left}"
)


def comparison_page(comparison: RunComparison, read: ReadPicture, language: TextLanguage, zone: ZoneInfo, pictures: int = 200) -> str:
    """`pictures`: so many of the differing violations are shown with pictures; all are listed."""
    return _ComparisonPage(comparison, read, language, zone, pictures).html()


class _ComparisonPage:
    def __init__(self, comparison: RunComparison, read: ReadPicture, language: TextLanguage, zone: ZoneInfo, pictures: int) -> None:
        self._comparison = comparison
        self._read = read
        self._language = language
        self._texts = _TEXTS[language]
        self._zone = zone
        self._pictures = self._left = pictures

    def html(self) -> str:
        a, b = self._comparison.a, self._comparison.b
        title = escape(self._texts["title"].format(a=a, b=b))
        sections = (
            self._section(self._texts["changed"], [self._pair(pair) for pair in self._comparison.changed]),
            self._section(self._texts["only"].format(name=a), [self._single(a, each) for each in self._comparison.only_a]),
            self._section(self._texts["only"].format(name=b), [self._single(b, each) for each in self._comparison.only_b]),
        )
        same = len(self._comparison.both) - len(self._comparison.changed)
        more = "" if self._left >= 0 else f"<p>{self._texts['more'].format(count=self._pictures)}</p>"
        return (
            f'<!doctype html><html lang="{self._language.value}"><meta charset="utf-8"><title>{title}</title><style>{_STYLE}</style>'
            f"<h1>{title}</h1><p>{self._texts['same']}: {same}</p>{self._scores()}{more}{''.join(sections)}</html>"
        )

    def _section(self, heading: str, rows: Sequence[str]) -> str:
        return f"<h2>{escape(heading)}: {len(rows)}</h2>{''.join(rows) or '<p>' + self._texts['none'] + '</p>'}"

    def _scores(self) -> str:
        if not self._comparison.scores:
            return ""
        heads = "".join(f"<th>{self._texts[key]}</th>" for key in ("run", "precision", "recall", "plates"))
        rows = "".join(f"<tr><td>{escape(name)}</td>{_score_cells(score)}</tr>" for name, score in self._comparison.scores)
        return f"<table><tr>{heads}</tr>{rows}</table>"

    def _pair(self, pair: ComparedPair) -> str:
        names = (self._comparison.a, self._comparison.b)
        sides = (self._side(name, each, pair.differences) for name, each in zip(names, (pair.a, pair.b), strict=True))
        return f'<div class="pair">{"".join(sides)}</div>'

    def _single(self, name: str, each: ComparedViolation) -> str:
        return f'<div class="pair">{self._side(name, each, ())}</div>'

    def _side(self, run: str, each: ComparedViolation, marked: Sequence[Difference]) -> str:
        local = each.occurred_at.astimezone(self._zone)
        facts = "<br>".join(self._facts(each, marked))
        head = f"<b>{escape(run)}</b> {escape(each.camera)}, {escape(each.rule)}, {local:%d-%m-%Y %H:%M:%S}"
        return f'<div class="side">{self._picture(run, each)}<p>{head}<br>{facts}<br><small>{each.id}</small></p></div>'

    def _facts(self, each: ComparedViolation, marked: Sequence[Difference]) -> Iterator[str]:
        plate = f"{each.plate or '–'} ({each.probability:.0%})"
        yield self._fact(Difference.PLATE, plate, marked)
        yield self._fact(Difference.CERTAINTY, each.certainty, marked)
        measured = ", ".join(f"{one.name.replace('_', ' ')} {one.value:.2f} {one.unit}" for one in each.measured)
        yield self._fact(Difference.MEASUREMENT, measured, marked)
        if each.verdict:
            yield f"{self._texts['verdict']}: {each.verdict.value} {escape(each.decided_plate or '')}"

    def _fact(self, kind: Difference, value: str, marked: Sequence[Difference]) -> str:
        css = ' class="diff"' if kind in marked else ""
        return f"{self._texts[kind.value]}: <span{css}>{escape(value)}</span>"

    def _picture(self, run: str, each: ComparedViolation) -> str:
        self._left -= 1
        if each.picture is None or self._left < 0:
            return ""
        try:
            image = vehicle_picture(self._read(run, each.picture), each)
        except (KeyError, EvidenceCorrupt):
            return f"<p>{self._texts['no_picture']}</p>"
        return f'<img src="data:image/jpeg;base64,{base64.b64encode(image).decode()}" alt="">'


def vehicle_picture(jpeg: bytes, each: ComparedViolation) -> bytes:
    """JPEG of the vehicle with its surroundings; of the whole frame if its box is not known."""
    image: Image = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION), np.uint8)
    height, width = image.shape[:2]
    if (box := each.vehicle_box) is not None:
        x, y = box.width * _MARGIN, box.height * _MARGIN
        columns = slice(round(max(0, box.x1 - x)), round(min(width, box.x2 + x)))
        image = image[round(max(0, box.y1 - y)) : round(min(height, box.y2 + y)), columns]
    scale = _WIDTH / image.shape[1]
    shown = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", shown, [cv2.IMWRITE_JPEG_QUALITY, 85])[1])


def _score_cells(score: VerdictScore) -> str:
    shares = (_percent(score.precision), _percent(score.recall), f"{score.plates_right}/{score.plates}")
    return "".join(f"<td>{share}</td>" for share in shares)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
