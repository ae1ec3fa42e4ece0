"""An evaluation as a self-contained HTML page: figures, diagrams, and every error with its picture."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template

from pipeline.evaluation.cards import card_html
from pipeline.evaluation.charts import coverage_diagram, reliability_diagram
from pipeline.evaluation.contact_sheet import ContactSheet
from pipeline.evaluation.report import Report, cost_ratio
from pipeline.evaluation.score import TARGET_ERROR, PlateScore
from pipeline.evaluation.statistics import Proportion

_TEMPLATE = Path(__file__).with_name("page.html")


def page(report: Report, sheets: Sequence[ContactSheet], name: str, at: datetime) -> str:
    """`name`: of the evaluated dataset; `at`: time of the evaluation."""
    engines = ", ".join(f"{escape(engine)} <code>{digest[:10]}</code>" for engine, digest in report.engines)
    return Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=f"Plates found and read: {escape(name)}",
        subtitle=f"{at:%d %B %Y, %H:%M} UTC, by {engines}",
        tiles="".join(_tiles(report)),
        links="".join(f'<a href="#{sheet.key}">{escape(sheet.title)} <b>{len(sheet.cards)}</b></a>' for sheet in sheets),
        diagrams="".join(_diagrams(report)),
        splits="".join(_panel(title, _splits(splits)) for title, splits in report.tables if any(splits.values())),
        costs="".join(_costs(report)),
        remarks="".join(f"<li>{escape(remark)}</li>" for remark in report.remarks),
        sheets="".join(_sheet(sheet) for sheet in sheets),
    )


def percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _tiles(report: Report) -> Iterator[str]:
    plates, crops, foreign = report.plates, report.crops, report.foreign
    if plates:
        yield _tile("found", plates.found)
        yield _tile("precision of detection", report.precision)
        yield _tile("read right in the given box", plates.exact)
        yield _tile("found and read right", plates.end_to_end)
        yield _figure("coverage at 1 % error", percent(plates.coverage), f"of {plates.exact.total} given boxes")
        yield _certain(plates, "given boxes")
        yield _tile("expiry right", plates.expiry)
        yield _tile("colour right", plates.colour)
    if crops:
        yield _tile("crops read right", crops.exact)
        yield _figure("coverage at 1 % error, crops", percent(crops.coverage), f"of {crops.exact.total} crops")
        yield _certain(crops, "crops")
    if foreign:
        details = f"of {foreign.photos} photos; any text: {foreign.photos_with_text}"
        yield _figure("foreign, certain to be Indonesian", str(foreign.certain), details)


def _tile(label: str, share: Proportion | None) -> str:
    if share is None or share.interval is None:
        return ""
    low, high = share.interval
    return _figure(label, percent(share.value), f"{share.count} of {share.total}; 95 %: {100 * low:.1f} to {100 * high:.1f}")


def _certain(score: PlateScore, label: str) -> str:
    wrong = score.certain_wrong
    bound = f"; 95 %: at most {percent(wrong.interval[1])}" if wrong.interval else ""
    return _figure(
        f"certain and wrong, {label}",
        str(wrong.count),
        f"of {wrong.total} certain ({percent(Proportion(wrong.total, score.exact.total).value)}){bound}",
    )


def _figure(label: str, value: str, details: str) -> str:
    return f'<div class="tile"><span>{escape(label)}</span><b>{escape(value)}</b><small>{escape(details)}</small></div>'


def _diagrams(report: Report) -> Iterator[str]:
    for label, score in (("given boxes", report.plates), ("crops", report.crops)):
        if score and score.curve:
            error = 100 * (score.calibration_error or 0.0)
            yield _panel(f"{label}: calibration error {error:.1f} points", reliability_diagram(score.bins))
            yield _panel(f"{label}: error and coverage", coverage_diagram(score.curve, TARGET_ERROR))


def _splits(splits: Mapping[str, Mapping[str, PlateScore]]) -> str:
    rows: list[str] = []
    for name, groups in splits.items():
        if not groups:
            continue
        rows += [f'<tr class="of"><td colspan="6">{escape(name)}</td></tr>', *_groups(groups)]
    return _table(("", "plates", "found", "read", "end to end", "at 1 % error"), rows)


def _groups(groups: Mapping[str, PlateScore]) -> Iterator[str]:
    for value, score in groups.items():
        shares = (score.found.value, score.exact.value, score.end_to_end.value, score.coverage)
        yield _row(value, str(max(score.found.total, score.exact.total)), *(percent(share) for share in shares))


def _costs(report: Report) -> Iterator[str]:
    costs = report.costs
    detection = [
        _row("vehicle detector, per photo", _ms(costs.detector_per_photo)),
        _row("plate detector, per photo", _ms(costs.finder_per_photo)),
        _row("plate detector, per vehicle", _ms(costs.finder_per_vehicle)),
    ]
    reading = [_row(f"reader {name}, per plate", _ms(ms)) for name, ms in costs.readers_per_plate.items()]
    rows = [*detection, *reading, _row("one frame: plate detector on a vehicle and all readers", _ms(costs.per_look))]
    track = report.peers.track if report.peers else None
    if track:
        rows.append(_row(f"one vehicle's track, {track.frames:.1f} frames read on average", _ms(track.cpu_ms)))
        rows.append(_row("of which plate detector and readers", _ms(track.models_cpu_ms)))
    ratio = cost_ratio(report)
    if ratio is not None:
        rows.append(_row("one track / one EasyOCR read of a crop", f"{ratio:.2f}"))
    yield _panel("CPU-ms", _table(("", ""), rows))
    if report.peers:
        peers = (report.peers.ours, *report.peers.others)
        peer_rows = [_row(peer.name, _counted(peer.given), _counted(peer.crops), _ms(peer.cpu_ms)) for peer in peers]
        yield _panel("the same plates in the same run", _table(("", "given boxes", "crops", "CPU-ms"), peer_rows))


def _counted(share: Proportion) -> str:
    return f"{percent(share.value)} ({share.count}/{share.total})" if share.total else "–"


def _ms(ms: float | None) -> str:
    return "–" if ms is None else f"{ms:.0f}"


def _sheet(sheet: ContactSheet) -> str:
    cards = "".join(card_html(card) for card in sheet.cards) or '<p class="good">None.</p>'
    heading = f'<h2 id="{sheet.key}">{escape(sheet.title)}<span class="n">{len(sheet.cards)}</span></h2><p>{escape(sheet.description)}</p>'
    return f'<section>{heading}<div class="sheet">{cards}</div></section>'


def _panel(title: str, content: str) -> str:
    return f'<div class="panel"><h3>{escape(title)}</h3>{content}</div>'


def _table(headings: Iterable[str], rows: Iterable[str]) -> str:
    heads = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
