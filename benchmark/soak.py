"""Growth of memory and open files of each role under a long load of live cameras.

    python -m benchmark.soak --minutes 30 --json FILE

RTSP servers play the two demo clips repeatedly; at the end of a clip the server disconnects and ingest reconnects. Ingest, detect and write
use a real Kafka and a real PostgreSQL. After a warm-up, the median of the first quarter is compared with that of the last: `growth` is the
largest growth of any role's memory, `growth_files` of its open files. Memory is the private resident memory of a role and its children
(`Private` of smaps_rollup), because shared pages would hide growth.
"""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from benchmark import report
from benchmark.faults.footage import DEMO
from benchmark.faults.roles import ProcessRole
from benchmark.faults.verification import violations_in
from etle.config.site import load_site
from etle.errors import EtleError
from etle.kafka.admin import KafkaTopicAdmin
from etle.kafka.client import KafkaSubscriber
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames, create_topics, required_topics
from etle.signing import Signer
from etle.storage.database import Database
from services import running_kafka, running_postgres, running_rtsp

EVERY_S: Final = 5.0
FPS: Final = 2.0
"""Per camera; a third of the capacity of one core, so that no backlog builds up."""
QUARTER: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """One sample of a role and its child processes."""

    private_mb: float
    open_files: int


def take_sample(pid: int) -> ResourceSample:
    pids = [pid, *_descendants(pid)]
    return ResourceSample(private_mb=sum(map(_private_mb, pids)), open_files=sum(map(_open_files, pids)))


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from _descendants(child)


def _private_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # the process has ended
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024


def _open_files(pid: int) -> int:
    try:
        return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    except OSError:
        return 0


def soak(folder: Path, minutes: float, warm_up: float) -> dict[str, Any]:
    with ExitStack() as opened:
        kafka, postgres = opened.enter_context(running_kafka()), opened.enter_context(running_postgres())
        document = yaml.safe_load(DEMO.read_text())
        cameras = [opened.enter_context(running_rtsp(DEMO.parent / camera["source"]["file"])) for camera in document["cameras"]]
        path = _site_file(folder, document, kafka.address, [camera.address for camera in cameras])
        connection = BrokerConnection(servers=(kafka.address,), broker=load_site(path, {}).broker)
        create_topics(required_topics(connection.broker), KafkaTopicAdmin(connection))
        names = {"ETLE_KAFKA": kafka.address, "ETLE_DATABASE": postgres.address, "ETLE_DATA": str(folder / "data")}
        roles = [ProcessRole(name, [name, path], names, folder) for name in ("write", "detect", "ingest")]
        for role in roles:
            opened.callback(role.stop)
            role.start()
        series = _collect_samples(roles, minutes, warm_up)
        for role in reversed(roles):
            role.stop()
        return {"roles": series, **_processed(connection, postgres.address), "crashes": [each for role in roles for each in role.crashes]}


def _site_file(folder: Path, document: dict[str, Any], kafka: str, addresses: Sequence[str]) -> Path:
    (folder / "box.pem").write_bytes(Signer.from_file(folder / "data" / "keys" / "ingest.pem").public_pem)
    for camera, address in zip(document["cameras"], addresses, strict=True):
        camera["source"] = {"rtsp": address, "fps": FPS}
    document["broker"] = {"servers": [kafka]}
    document["ingest"] = {"devices": [{"id": "box", "public_key": str(folder / "box.pem")}]}
    path = folder / "site.yaml"
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


def _collect_samples(roles: Sequence[ProcessRole], minutes: float, warm_up: float) -> dict[str, list[ResourceSample]]:
    """The samples of each role after the warm-up."""
    series: dict[str, list[ResourceSample]] = {role.name: [] for role in roles}
    started = logged_at = time.monotonic()
    while (now := time.monotonic() - started) < (warm_up + minutes) * 60:
        time.sleep(EVERY_S)
        for role in roles:
            role.restart_if_crashed()
            if now >= warm_up * 60 and role.pid is not None:
                series[role.name].append(take_sample(role.pid))
        if time.monotonic() - logged_at > 60:
            logged_at = time.monotonic()
            last = {name: f"{samples[-1].private_mb:.0f} MB, {samples[-1].open_files} files" for name, samples in series.items() if samples}
            sys.stderr.write(f"minute {now / 60:.0f}: {last or 'warming up'}\n")
    return series


def _processed(connection: BrokerConnection, address: str) -> dict[str, int]:
    """Number of frames in the topic and of cases in the database."""
    subscriber, database = KafkaSubscriber(connection, "soak", TopicNames().frames, "soak"), Database(address)
    try:
        frames = sum(subscriber.end(partition) for partition in range(connection.broker.frames.partitions))
        return {"frames": frames, "cases": len(violations_in(database))}
    finally:
        subscriber.close()
        database.close()


def _row(name: str, samples: Sequence[ResourceSample]) -> dict[str, Any]:
    count = max(1, round(QUARTER * len(samples)))
    first, last = samples[:count], samples[-count:]
    row: dict[str, Any] = {"role": name, "samples": len(samples)}
    for label, field in (("MB", "private_mb"), ("files", "open_files")):
        before, after = (float(statistics.median(getattr(sample, field) for sample in part)) for part in (first, last))
        row |= {f"{label}, first": before, f"{label}, last": after, f"{label} +": f"{after / before - 1:+.1%}"}
    return row


def main() -> int:
    arguments = report.parser("soak", __doc__)
    arguments.add_argument("--minutes", type=float, default=30, metavar="N", help="after the warm-up (default: %(default)s)")
    arguments.add_argument("--warm-up", type=float, default=5, metavar="N", help="minutes (default: %(default)s)")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="etle-soak-") as folder:
        try:
            result = soak(Path(folder), args.minutes, args.warm_up)
        except EtleError as error:
            sys.stderr.write(f"benchmark.soak: {error}\n")
            return 2
    rows = [_row(name, samples) for name, samples in result["roles"].items()]
    report.show(f"{args.minutes:g} minutes, {result['frames']} frames, {result['cases']} cases", rows)
    figures = {
        "minutes": args.minutes,
        "growth": _max_growth(rows, "MB"),
        "growth_files": _max_growth(rows, "files"),
        "frames": result["frames"],
        "cases": result["cases"],
        "crashes": result["crashes"],
        "roles": rows,
    }
    report.save(args.json, figures)
    print(f"largest growth: memory {figures['growth']:+.1%}, open files {figures['growth_files']:+.1%}", *result["crashes"], sep="\n")
    return 1 if result["crashes"] else 0


def _max_growth(rows: Sequence[dict[str, Any]], label: str) -> float:
    return max(float(row[f"{label}, last"]) / float(row[f"{label}, first"]) - 1 for row in rows)


if __name__ == "__main__":
    sys.exit(main())
