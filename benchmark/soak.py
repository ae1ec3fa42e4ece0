"""Does any role grow? Live cameras are streamed for long, and each role's memory and open files are looked at all the time.

    python -m benchmark.soak --minutes 30 --json FILE

The demo's two films are played by RTSP cameras, again and again: each end is a camera that hangs up and is called anew. A real Kafka and a
real PostgreSQL stand between ingest, detect and write. After a warm-up, the median of the first quarter is held against that of the last:
`growth` is the largest of any role's memory, `growth_files` that of its open files. Memory is what of a role and its children is resident
and theirs alone (`Private` of smaps_rollup): programs' pages that processes share would only hide what grows.
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
"""A third of what one core works off, so that nothing queues up."""
QUARTER: Final = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceSample:
    """At one role and its children."""

    private_mb: float
    open_files: int


def look_at(pid: int) -> ResourceSample:
    family = [pid, *_descendants(pid)]
    return ResourceSample(private_mb=sum(map(_private_mb, family)), open_files=sum(map(_open_files, family)))


def _descendants(pid: int) -> Iterator[int]:
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                yield child
                yield from _descendants(child)


def _private_mb(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended since
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
        series = _watched(roles, minutes, warm_up)
        for role in reversed(roles):
            role.stop()
        return {"roles": series, **_done(connection, postgres.address), "crashes": [each for role in roles for each in role.crashes]}


def _site_file(folder: Path, document: dict[str, Any], kafka: str, addresses: Sequence[str]) -> Path:
    (folder / "box.pem").write_bytes(Signer.from_file(folder / "data" / "keys" / "ingest.pem").public_pem)
    for camera, address in zip(document["cameras"], addresses, strict=True):
        camera["source"] = {"rtsp": address, "fps": FPS}
    document["broker"] = {"servers": [kafka]}
    document["ingest"] = {"devices": [{"id": "box", "public_key": str(folder / "box.pem")}]}
    path = folder / "site.yaml"
    path.write_text(json.dumps(document))  # JSON is YAML
    return path


def _watched(roles: Sequence[ProcessRole], minutes: float, warm_up: float) -> dict[str, list[ResourceSample]]:
    """What was seen of each role after the warm-up."""
    series: dict[str, list[ResourceSample]] = {role.name: [] for role in roles}
    began = told = time.monotonic()
    while (now := time.monotonic() - began) < (warm_up + minutes) * 60:
        time.sleep(EVERY_S)
        for role in roles:
            role.look()
            if now >= warm_up * 60 and role.pid is not None:
                series[role.name].append(look_at(role.pid))
        if time.monotonic() - told > 60:
            told = time.monotonic()
            last = {name: f"{looks[-1].private_mb:.0f} MB, {looks[-1].open_files} files" for name, looks in series.items() if looks}
            sys.stderr.write(f"minute {now / 60:.0f}: {last or 'warming up'}\n")
    return series


def _done(connection: BrokerConnection, address: str) -> dict[str, int]:
    """Frames that went through Kafka, and cases that are in the database."""
    subscriber, database = KafkaSubscriber(connection, "soak", TopicNames().frames, "soak"), Database(address)
    try:
        frames = sum(subscriber.end(partition) for partition in range(connection.broker.frames.partitions))
        return {"frames": frames, "cases": len(violations_in(database))}
    finally:
        subscriber.close()
        database.close()


def _row(name: str, looks: Sequence[ResourceSample]) -> dict[str, Any]:
    some = max(1, round(QUARTER * len(looks)))
    first, last = looks[:some], looks[-some:]
    row: dict[str, Any] = {"role": name, "looks": len(looks)}
    for what, of in (("MB", "private_mb"), ("files", "open_files")):
        before, after = (float(statistics.median(getattr(look, of) for look in part)) for part in (first, last))
        row |= {f"{what}, first": before, f"{what}, last": after, f"{what} +": f"{after / before - 1:+.1%}"}
    return row


def main() -> int:
    arguments = report.parser("soak", __doc__)
    arguments.add_argument("--minutes", type=float, default=30, metavar="N", help="after the warm-up (default: %(default)s)")
    arguments.add_argument("--warm-up", type=float, default=5, metavar="N", help="minutes (default: %(default)s)")
    args = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="etle-soak-") as folder:
        try:
            went = soak(Path(folder), args.minutes, args.warm_up)
        except EtleError as error:
            sys.stderr.write(f"benchmark.soak: {error}\n")
            return 2
    rows = [_row(name, looks) for name, looks in went["roles"].items()]
    report.show(f"{args.minutes:g} minutes, {went['frames']} frames, {went['cases']} cases", rows)
    figures = {
        "minutes": args.minutes,
        "growth": _most(rows, "MB"),
        "growth_files": _most(rows, "files"),
        "frames": went["frames"],
        "cases": went["cases"],
        "crashes": went["crashes"],
        "roles": rows,
    }
    report.save(args.json, figures)
    print(f"largest growth: memory {figures['growth']:+.1%}, open files {figures['growth_files']:+.1%}", *went["crashes"], sep="\n")
    return 1 if went["crashes"] else 0


def _most(rows: Sequence[dict[str, Any]], what: str) -> float:
    return max(float(row[f"{what}, last"]) / float(row[f"{what}, first"]) - 1 for row in rows)


if __name__ == "__main__":
    sys.exit(main())
