"""CPU time of `etle run` as `etle capacity` predicts it from its measurement, relative to the CPU time that the run takes.

Costs are measured as the command does it. Then `etle run` processes a site of several cameras with an archive, and the kernel counts the
CPU time of that process. CPU times change little with other load on the machine. PostgreSQL, which runs beside it, is not counted.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from benchmark import report
from etle.config.packaged import configs_folder
from etle.config.site import load_site
from etle.storage.stores import StorageOptions, Stores, open_stores
from etle_cli.commands.capacity import measured_costs
from pipeline.capacity.plan import run_cpu_s


def main() -> None:
    args = _arguments()
    costs = measured_costs(load_site(args.footage / "site.yaml"), args.fps)
    with tempfile.TemporaryDirectory() as folder, open_stores(StorageOptions(data=Path(folder))) as stores:
        site = site_file(Path(folder), args.footage, args.cameras)
        base_s = cpu_of([sys.executable, "-m", "etle_cli.main", "--version"])
        measured_s = cpu_of([sys.executable, "-m", "etle_cli.main", "run", str(site), "--data", folder, "--database", stores.database_url])
        frames, violations = _processed(stores)
    predicted_s = base_s + run_cpu_s(costs, frames, violations, args.cameras)
    rows = [{"cameras": args.cameras, "frames": frames, "violations": violations, "predicted s": predicted_s, "measured s": measured_s}]
    report.show("CPU time of `etle run`", rows)
    print(f"predicted / measured: {predicted_s / measured_s:.3f}")
    report.save(args.json, {"ratio": predicted_s / measured_s, **rows[0]})


def site_file(folder: Path, footage: Path, cameras: int) -> Path:
    """The cameras of the footage again and again under new names, archived."""
    document: dict[str, Any] = yaml.safe_load((footage / "site.yaml").read_text())
    own = [camera | {"source": camera["source"] | {"file": str(footage / camera["source"]["file"])}} for camera in document["cameras"]]
    document["cameras"] = [own[number % len(own)] | {"id": f"cam-{number}"} for number in range(cameras)]
    document["archive"] = {"keep_free_mb": 0, "keep_days": 36_500}
    path = folder / "site.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def cpu_of(command: list[str]) -> float:
    """CPU seconds of the process and of those that it waited for."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, command
    return usage.ru_utime + usage.ru_stime


def _processed(stores: Stores) -> tuple[int, int]:
    """Frames in the archive, and cases."""
    from etle.storage.archive.files import FolderFiles
    from etle.storage.archive.reader import ArchiveReader

    site = load_site(stores.data / "site.yaml").site
    reader = ArchiveReader((FolderFiles(stores.data / "archive"),), site)
    return sum(reader.count(segment.name) for segment in reader.segments()), stores.cases.found(limit=10**6)


def _arguments() -> argparse.Namespace:
    parser = report.parser("capacity", __doc__)
    parser.add_argument("--cameras", type=int, default=4, help="cameras of the run (default: %(default)s)")
    parser.add_argument("--fps", type=float, default=10.0, help="frames per second (default: %(default)s)")
    parser.add_argument(
        "--footage", type=Path, metavar="DIR", default=configs_folder() / "demo", help="a site.yaml with clips (default: bundled)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
