"""Options for metrics, health and logs that every role has."""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from etle_cli.options.listen import LOOPBACK

if TYPE_CHECKING:
    from etle.observability.health import Health
    from etle.observability.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsAddress:
    """Where metrics are served; `host` 0.0.0.0 is every address of the machine."""

    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Observability:
    """The metrics and health state of one process. Updated whether or not they are served."""

    metrics: "Metrics"
    health: "Health"


def add_observability_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics",
        metavar="[ADDRESS:]PORT",
        type=_metrics_address,
        help="serve /metrics (Prometheus) and /healthz on this port, to this machine only unless an address is given; 0: any free port "
        "(default: do not serve)",
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="log format on standard error (default: text)")


@contextmanager
def open_observability(address: MetricsAddress | None) -> Iterator[Observability]:
    """Serves metrics and health on `address`, if it is not None. Raises ConfigError if the port is in use, MissingExtra."""
    from etle.observability.health import Health
    from etle.observability.metrics import Metrics
    from etle.observability.server import serve

    observability = Observability(metrics=Metrics(), health=Health())
    if address is None:
        yield observability
        return
    with serve(address.port, observability.metrics, observability.health, address.host) as bound_port:
        log.info("metrics on %s, port %d: /metrics and /healthz", address.host, bound_port)
        yield observability


def _metrics_address(text: str) -> MetricsAddress:
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or len(port) > 5 or int(port) > 65535:
        raise argparse.ArgumentTypeError(f"{port!r} is not a port; a port is a number from 0 to 65535")
    return MetricsAddress(host=host.strip("[]") or LOOPBACK, port=int(port))
