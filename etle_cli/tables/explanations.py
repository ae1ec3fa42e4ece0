"""Explanations as a table on the terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from models.tracking.vehicle_class import vehicle_class_of
from pipeline.explain.record import ExplainedVehicle
from pipeline.explain.sentences import TextLanguage, sentence, time_text

if TYPE_CHECKING:
    from rich.table import Table


def table_of(vehicles: Sequence[ExplainedVehicle], zone: ZoneInfo, language: TextLanguage) -> "Table":
    """One row per vehicle and rule: track, class, plate, first seen, rule, why."""
    from rich import box
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("track", "vehicle", "seen", "rule", "why"):
        table.add_column(heading, no_wrap=heading != "why", overflow="fold")
    for vehicle in vehicles:
        plates = [violation.plate.text for violation in vehicle.violations if violation.plate.text]
        kind = " ".join([vehicle_class_of(vehicle.track).value, *plates[:1]])
        for decision in vehicle.decisions:
            seen = time_text(vehicle.track.first.captured_at, zone)
            table.add_row(vehicle.track.id, kind, seen, decision.judgement.rule, escape(sentence(decision, zone, language)))
    return table
