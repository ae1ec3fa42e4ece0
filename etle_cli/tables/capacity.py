"""Tables of `etle capacity`."""

from dataclasses import fields
from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from pipeline.capacity.plan import Assumptions, CapacityPlan, MeasuredCosts, Workload


def plan_table(load: "Workload", plan: "CapacityPlan") -> Table:
    table = Table(title=f"{load.cameras:,} cameras at {load.fps:g} frames per second", title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    rows = {
        "detect workers, of one core each": f"{plan.detect_workers:,}",
        "  of which busy in the busiest hour": _number(plan.detect_cores),
        "archive workers": f"{plan.archive_workers:,}",
        "writers": f"{plan.writers:,}",
        "cores behind Kafka": f"{plan.cores:,}",
        "cores of all edge devices": _number(plan.ingest_cores),
        "partitions of the frames' topic": f"{plan.partitions:,}",
        "deployments": f"{plan.deployments:,}",
        "Kafka brokers": f"{plan.brokers:,}",
        "network into Kafka, MB/s": _number(plan.network_in_mb_s),
        "between brokers, MB/s": _number(plan.network_replication_mb_s),
        "out of Kafka, MB/s": _number(plan.network_out_mb_s),
        "Kafka's disks, replicas included, TB": _number(plan.kafka_tb),
        "archive, TB": _number(plan.archive_tb),
        "evidence, TB": _number(plan.evidence_tb),
    }
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def values_table(title: str, values: "MeasuredCosts | Assumptions") -> Table:
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column()
    for each in fields(values):
        table.add_row(each.name, _number(getattr(values, each.name)), each.metadata["means"])
    return table


def _number(value: float) -> str:
    if value == round(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
