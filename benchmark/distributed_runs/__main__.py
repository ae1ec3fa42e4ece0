"""`python -m benchmark.distributed_runs throughput|live-lag|hour`: distributed runs on a real Kafka and a real PostgreSQL."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmark import report
from benchmark.distributed_runs import hour, live_lag, throughput
from etle.errors import EtleError


def main() -> int:
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="etle-runs-", dir=args.folder) as folder:
        try:
            if args.measurement == "throughput":
                figures = throughput.measure(Path(folder), args.cameras, args.seconds)
            elif args.measurement == "live-lag":
                figures = live_lag.measure(Path(folder), args.cameras, args.fps, args.seconds, args.footage)
            else:
                figures = hour.measure(Path(folder), args.cameras, args.fps, args.minutes, args.reader)
        except EtleError as error:
            print(f"benchmark.distributed_runs: {error}", file=sys.stderr)
            return 2
    report.save(args.json, {"measurement": args.measurement, **figures})
    return 0


def _arguments() -> argparse.Namespace:
    parser = report.parser("distributed_runs", __doc__)
    parser.add_argument("--folder", type=Path, help="where archive and topics have room (default: the temporary folder)")
    measurements = parser.add_subparsers(dest="measurement", required=True)
    rates = measurements.add_parser("throughput", help=throughput.__doc__)
    rates.add_argument("--cameras", type=int, default=8)
    rates.add_argument("--seconds", type=float, default=40, help="of footage of each camera (default: %(default)s)")
    lag = measurements.add_parser("live-lag", help=live_lag.__doc__)
    lag.add_argument("--cameras", type=int, default=4)
    lag.add_argument("--fps", type=float, default=2.0)
    lag.add_argument("--seconds", type=float, default=60, help="of each phase (default: %(default)s)")
    lag.add_argument("--footage", type=float, default=1200, help="seconds of each camera to process again (default: %(default)s)")
    compared = measurements.add_parser("hour", help=hour.__doc__)
    compared.add_argument("--cameras", type=int, default=8)
    compared.add_argument("--fps", type=float, default=2.0)
    compared.add_argument("--minutes", type=float, default=60)
    compared.add_argument("--reader", default="ppocr", help="the other plate reader (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
