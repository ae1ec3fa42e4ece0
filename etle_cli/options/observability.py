"""How a role is watched: the options that every role has, and what they open."""

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
class ObservabilityContext:
    """What a role tells of itself; counted whether or not somebody asks."""

    metrics: "Metrics"
    health: "Health"


def add_observe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics",
        metavar="PORT",
        type=_port,
        help="serve /metrics (Prometheus) and /healthz on it; 0: any free port (default: none)",
    )
    parser.add_argument("--log", choices=("text", "json"), default="text", help="form of the log on standard error (default: text)")


@contextmanager
def open_observation(args: argparse.Namespace) -> Iterator[ObservabilityContext]:
    """Raises ConfigError if the port is taken, MissingExtra."""
    from etle.observability.health import Health
    from etle.observability.metrics import Metrics
    from etle.observability.server import serve

    seen = ObservabilityContext(metrics=Metrics(), health=Health())
    if args.metrics is None:
        yield seen
        return
    with serve(args.metrics, seen.metrics, seen.health) as port:
        log.info("metrics on port %d: /metrics and /healthz", port)
        yield seen


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; a port is a number from 0 to 65535")
    return int(text)
