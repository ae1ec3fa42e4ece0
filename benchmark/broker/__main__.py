"""`python -m benchmark.broker [--kafka HOST:PORT] [--frames N] [--rounds N] [--json FILE]`.

Each round measures the same jobs on one broker, each with a new topic of four partitions: in (until the broker has acknowledged all
frames), out (from the first to the last frame of a full topic), and through (both at once, from the first frame sent to the last received).
The table shows the median of the rounds; ratios are computed within a round. `ratio` is the throughput of etle / bare client for through:
etle computes and checks digests and signs frames; signatures are checked if the site names its devices, which is a separate row.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmark import report
from benchmark.broker.load import FrameLoad
from etle.signing import Signer
from services import running_kafka
from services.kafka import java, kafka_jars

ROOT = Path(__file__).parents[2]
PARTITIONS = 4
CPU = ", CPU"


class BrokerBenchmark:
    """Measures on one broker with one load; each job runs in its own process."""

    def __init__(self, kafka: str, folder: Path, frames: int, frame_bytes: int) -> None:
        self._folder = folder
        self._load = FrameLoad(kafka=kafka, topic="", frames=frames, frame_bytes=frame_bytes)
        Signer.from_file(folder / "box.pem")

    def round(self) -> dict[str, float]:
        """MB/s of each job, and microseconds of the client's CPU time per frame."""
        results: dict[str, float] = {}
        for kind in ("bare", "ours"):
            with self._topic() as load:
                for direction in ("in", "out") if kind == "bare" else ("in", "out", "out, signatures checked"):
                    result = _result(self._job(f"{kind} {direction}", load))
                    results[f"{kind} {direction}"] = result["frames"] * load.frame_bytes / 1e6 / (result["ended_at"] - result["began_at"])
                    results[f"{kind} {direction}{CPU}"] = result["cpu_s"] / result["frames"] * 1e6
            with self._topic() as load:
                results[f"{kind} through"] = self._through(kind, load)
        with self._topic() as load:
            results["perf-test in"] = _perf_test(load)
        return results

    def _through(self, kind: str, load: FrameLoad) -> float:
        reader, writer = self._job(f"{kind} out", load), self._job(f"{kind} in", load)
        sent, received = _result(writer), _result(reader)
        return load.megabytes / float(received["ended_at"] - sent["began_at"])

    def _job(self, name: str, load: FrameLoad) -> "subprocess.Popen[str]":
        command = [sys.executable, "-W", "ignore", "-m", "benchmark.broker.jobs", name]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        job = subprocess.Popen(command, cwd=self._folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert job.stdin is not None
        job.stdin.write(json.dumps(asdict(load)))
        job.stdin.close()
        job.stdin = None
        return job

    @contextmanager
    def _topic(self) -> Iterator[FrameLoad]:
        from kafka.admin import KafkaAdminClient, NewTopic

        name = f"benchmark-{uuid4().hex[:12]}"
        load = FrameLoad(**{**asdict(self._load), "topic": name})
        settings = {"max.message.bytes": "8388608"}
        admin = KafkaAdminClient(bootstrap_servers=load.kafka)
        try:
            admin.create_topics([NewTopic(name=name, num_partitions=PARTITIONS, replication_factor=1, topic_configs=settings)])
            admin.wait_for_topics([name], timeout_ms=20_000)
            yield load
        finally:
            admin.delete_topics([name])
            admin.close()


def _result(job: "subprocess.Popen[str]") -> Mapping[str, Any]:
    output, _ = job.communicate()
    if job.returncode:
        raise SystemExit(f"{job.args!r}: failed with exit code {job.returncode}")
    result: Mapping[str, Any] = json.loads(output)
    return result


def _perf_test(load: FrameLoad) -> float:
    """MB/s of Kafka's own benchmark: acks=all, batches of 1 MB, unlimited rate."""
    test = [str(java()), "-cp", f"{kafka_jars()}/*", "org.apache.kafka.tools.ProducerPerformance", "--topic", load.topic]
    amount = ["--num-records", str(load.frames), "--record-size", str(load.frame_bytes), "--throughput", "-1"]
    settings = [f"bootstrap.servers={load.kafka}", "acks=all", "max.request.size=8388608", "batch.size=1048576"]
    completed = subprocess.run([*test, *amount, "--producer-props", *settings], capture_output=True, text=True, check=True)
    summary = next(line for line in reversed(completed.stdout.splitlines()) if "MB/sec" in line)
    mebibytes = float(summary.split("(")[1].split(" MB/sec")[0])
    return mebibytes * 1.048576


def main() -> None:
    parser = report.parser("broker", __doc__)
    parser.add_argument("--kafka", metavar="HOST:PORT", help="a running broker (default: start one)")
    parser.add_argument("--frames", type=int, default=2000, metavar="N", help="frames per job (default: %(default)s)")
    parser.add_argument("--frame-kb", type=int, default=150, metavar="KB", help="size of a frame (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="default: %(default)s")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _broker(args.kafka) as kafka:
        benchmark = BrokerBenchmark(kafka, Path(folder), args.frames, args.frame_kb * 1000)
        rounds = [benchmark.round() for _ in range(args.rounds)]
    _print_result(rounds, args.frame_kb * 1000, args.json)


@contextmanager
def _broker(given: str | None) -> Iterator[str]:
    if given:
        yield given
        return
    with running_kafka(heap_mb=1024) as server:
        yield server.address


def _print_result(rounds: list[dict[str, float]], frame_bytes: int, file: Path | None) -> None:
    medians = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    rows = [_row(name, rounds, medians, frame_bytes) for name in medians if not name.endswith(CPU)]
    report.show(f"Frames of {frame_bytes // 1000} kB, {len(rounds)} rounds on one broker", rows)
    ratios = {
        "ratio": _ratio(rounds, "ours through", "bare through"),
        "ratio_in_to_bare": _ratio(rounds, "ours in", "bare in"),
        "ratio_out_to_bare": _ratio(rounds, "ours out", "bare out"),
        "ratio_in_to_perf_test": _ratio(rounds, "ours in", "perf-test in"),
        "ratio_cpu_in_to_bare": _ratio(rounds, "bare in" + CPU, "ours in" + CPU),
        "ratio_cpu_out_to_bare": _ratio(rounds, "bare out" + CPU, "ours out" + CPU),
    }
    for name, value in ratios.items():
        print(f"{name.replace('_', ' ')}: {value:.2f}")
    report.save(file, {**ratios, "frame_bytes": frame_bytes, "median": medians, "rounds": rounds})


def _row(name: str, rounds: list[dict[str, float]], medians: dict[str, float], frame_bytes: int) -> dict[str, Any]:
    rates = [each[name] for each in rounds]
    return {
        "job": name,
        "MB/s": medians[name],
        "min to max": f"{min(rates):.0f} to {max(rates):.0f}",
        "frames/s": medians[name] * 1e6 / frame_bytes,
        "client's CPU, µs per frame": f"{medians[name + CPU]:.0f}" if name + CPU in medians else "",
    }


def _ratio(rounds: list[dict[str, float]], ours: str, other: str) -> float:
    return statistics.median(each[ours] / each[other] for each in rounds)


if __name__ == "__main__":
    main()
