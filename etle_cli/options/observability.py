"""Options for metrics, health and logs that every role has."""

import argparse
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from etle.observability.health import Health
    from etle.observability.metrics import Metrics

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observability:
    """The metrics and health state of one process. Updated whether or not they are served."""

    metrics: "Metrics"
    health: "Health"


def add_observability_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics",
        metavar="PORT",
        type=_port,
        help="serve /metrics (Prometheus) and /healthz on this port; 0: any free port (default: do not serve)",
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="log format on standard error (default: text)")


@contextmanager
def open_observability(port: int | None) -> Iterator[Observability]:
    """Serves metrics and health on `port`, if it is not None. Raises ConfigError if the port is in use, MissingExtra."""
    from etle.observability.health import Health
    from etle.observability.metrics import Metrics
    from etle.observability.server import serve

    observability = Observability(metrics=Metrics(), health=Health())
    if port is None:
        yield observability
        return
    with serve(port, observability.metrics, observability.health) as bound_port:
        log.info("metrics on port %d: /metrics and /healthz", bound_port)
        yield observability


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; a port is a number from 0 to 65535")
    return int(text)
