"""`python detect_worker_process.py KAFKA PREFIX CAMERAS`: a detect worker as a process. Prints the number of processed frames."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "pipeline"))

from workers import DrawnStages

from etle.clock import SystemClock
from etle.config.deployment import BrokerSettings
from etle.kafka.security import BrokerConnection
from etle.kafka.topics import TopicNames
from etle.observability.metrics import Metrics
from pipeline.workers.detect import DetectSettings, open_detect_worker


def main() -> None:
    kafka, prefix, cameras = sys.argv[1:]
    connection = BrokerConnection(servers=(kafka,), broker=BrokerSettings(prefix=prefix, timeout_s=20, session_s=3))
    settings = DetectSettings(names=TopicNames(prefix), verify=None, idle_timeout_s=8)
    with open_detect_worker(connection, DrawnStages(*cameras.split(",")), settings, SystemClock(), Metrics()) as worker:
        processed = 0
        while True:
            processed += worker.step(0.3)
            sys.stdout.write(f"{processed}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
