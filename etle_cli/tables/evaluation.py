"""Progress and results of an evaluation on the terminal."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.evaluation.peers import Comparison
    from pipeline.evaluation.report import Report
    from pipeline.evaluation.score import PlateScore
    from pipeline.evaluation.statistics import Proportion

T = TypeVar("T")


def progress(items: Sequence[T], description: str) -> Iterator[T]:
    """Yields the items with a progress bar on stderr; without a terminal, writes a line after each fifth."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield from _logged_in_fifths(items, description)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, refresh_per_second=2, transient=True) as bar:
        yield from bar.track(items, description=description)


def _logged_in_fifths(items: Sequence[T], description: str) -> Iterator[T]:
    for done, item in enumerate(items, 1):
        yield item
        if 5 * done // len(items) > 5 * (done - 1) // len(items):
            sys.stderr.write(f"{description}: {done} of {len(items)}\n")


def show(report: "Report") -> None:
    from rich.markup import escape

    from etle_cli.tables.violations import wide_console

    console = wide_console()
    console.print(_headline(report))
    for title, splits in report.tables:
        if any(len(groups) > 1 for groups in splits.values()):
            console.print(_split_table(splits, title))
    if report.peers:
        console.print(_peer_table(report.peers))
    for line in (*_sentences(report), *report.remarks):
        console.print(escape(line), highlight=False, soft_wrap=True)


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def _headline(report: "Report") -> "Table":
    table = _table("", "", "95 %", "of")
    plates, crops = report.plates, report.crops
    if plates:
        _add(table, "found (recall)", plates.found)
        _add(table, "precision of detection", report.precision)
        _add(table, "read right in the given box", plates.exact)
        table.add_row("characters right in it", percent(plates.characters), "", "")
        _add(table, "found and read right (end to end)", plates.end_to_end)
        table.add_row("coverage at 1 % error", percent(plates.coverage), "", str(plates.exact.total))
    if crops:
        _add(table, "crops read right", crops.exact)
        table.add_row("coverage at 1 % error, crops", percent(crops.coverage), "", str(crops.exact.total))
    for score in filter(None, (plates, crops)):
        _add(table, "expiry right", score.expiry)
        _add(table, "colour right", score.colour)
        _add(table, "certain but wrong", score.certain_wrong)
    return table


def _split_table(splits: "Mapping[str, Mapping[str, PlateScore]]", title: str) -> "Table":
    from rich.markup import escape

    table = _table(title, "plates", "found", "read", "end to end", "at 1 % error")
    for name, groups in splits.items():
        if len(groups) < 2:
            continue
        table.add_section()
        for value, score in groups.items():
            shares = map(percent, (score.found.value, score.exact.value, score.end_to_end.value, score.coverage))
            table.add_row(escape(f"{name}: {_short(value)}"), str(max(score.found.total, score.exact.total)), *shares)
    return table


def _peer_table(peers: "Comparison") -> "Table":
    table = _table("the same plates in the same run", "given boxes", "", "crops", "", "CPU-ms per plate")
    for peer in (peers.ours, *peers.others):
        shares = [text for share in (peer.given, peer.crops) for text in (percent(share.value), f"{share.count}/{share.total}")]
        table.add_row(peer.name, *shares, "-" if peer.cpu_ms is None else f"{peer.cpu_ms:.0f}")
    return table


def _sentences(report: "Report") -> Iterator[str]:
    from pipeline.evaluation.report import cost_ratio

    if foreign := report.foreign:
        yield (
            f"Foreign plates read as Indonesian and certain: {foreign.certain} of {foreign.photos} photos. With any text: "
            f"{foreign.photos_with_text} photos, {foreign.boxes_with_text} of {foreign.boxes} given boxes."
        )
    for name, score in (("photos", report.plates), ("crops", report.crops)):
        if score and score.calibration_error is not None:
            yield f"Mean calibration error: {100 * score.calibration_error:.1f} points ({name})."
    costs = report.costs
    cpu_ms = {
        "vehicle detector, per photo": costs.detector_per_photo,
        "plate detector, per photo": costs.finder_per_photo,
        "plate detector, per vehicle": costs.finder_per_vehicle,
        **{f"{name}, per plate": ms for name, ms in costs.readers_per_plate.items()},
    }
    yield "CPU-ms: " + "; ".join(f"{name} {ms:.0f}" for name, ms in cpu_ms.items() if ms is not None)
    track, ratio = report.peers.track if report.peers else None, cost_ratio(report)
    if track:
        relative = f", {ratio:.2f} of one EasyOCR read of a crop" if ratio is not None else ""
        cost = f"{track.cpu_ms:.0f} CPU-ms, {track.models_cpu_ms:.0f} of them in plate detector and readers{relative}"
        yield f"One plate over a track: {cost}; {track.frames:.1f} frames read ({track.vehicles} vehicles)."


def _table(*headings: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left", no_wrap=True)
    return table


def _add(table: "Table", label: str, share: "Proportion | None") -> None:
    """Adds no row for a share of nothing."""
    if share is not None and share.total:
        low, high = share.interval or (0.0, 1.0)
        table.add_row(label, percent(share.value), f"{100 * low:.1f} to {100 * high:.1f}", f"{share.count}/{share.total}")


def _short(name: str) -> str:
    return name if len(name) <= 48 else f"{name[:47]}…"
