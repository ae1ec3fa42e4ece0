"""`etle review`: serve the review web application."""

import argparse
import secrets
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from etle.clock import SystemClock
from etle.errors import ConfigError
from etle.files import write_atomic
from etle_cli.options.law import add_deadlines_option, open_law
from etle_cli.options.listen import LOOPBACK, warn_of_plain_http
from etle_cli.options.observability import add_observability_options, open_observability
from etle_cli.options.storage import add_storage_options, data_folder, open_stores

if TYPE_CHECKING:
    from etle.config.law import Law
    from etle.observability.metrics import Metrics
    from etle.storage.stores import Stores

DEMO_NAME: Final = "peninjau"
"""Indonesian for reviewer."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser("review", help="serve the review web application")
    parser.add_argument("--host", default=LOOPBACK, help="address to listen on (default: %(default)s, this machine only)")
    parser.add_argument("--port", type=int, default=8080, help="port to listen on (default: %(default)s)")
    parser.add_argument("--behind-proxy", metavar="ADDRESS", help="address of the TLS proxy whose X-Forwarded headers are trusted")
    add_deadlines_option(parser)
    add_storage_options(parser)
    add_observability_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    from rich.console import Console

    from etle.storage.users import Users

    if args.behind_proxy is None:
        warn_of_plain_http("the review application", args.host, "Put a TLS proxy in front and name it with --behind-proxy.")
    console, law = Console(), open_law(args.deadlines)
    with open_observability(args.metrics) as observability, open_stores(args) as stores:
        if not Users(stores.database).users():
            console.print(f"No accounts yet. Add one: etle users add NAME --role reviewer --data {data_folder(args.data)}", soft_wrap=True)

        def started() -> None:
            console.print(f"Review application: http://{args.host}:{args.port}/   (Ctrl-C stops it)")

        serve_review(stores, args.host, args.port, behind_proxy=args.behind_proxy, metrics=observability.metrics, started=started, law=law)
    return 0


def serve_review(
    stores: "Stores",
    host: str,
    port: int,
    *,
    behind_proxy: str | None = None,
    metrics: "Metrics | None" = None,
    started: Callable[[], None] | None = None,
    law: "Law | None" = None,
) -> None:
    """Serve until interrupted; call `started` once it accepts connections. Raises ConfigError if the port is not available."""
    from etle.observability.metrics import EvidenceError
    from etle.storage.campaigns import PostgresCampaigns
    from etle.storage.cases import PostgresCases
    from etle.storage.evidence.backend import open_evidence
    from etle.storage.runs import PostgresRuns
    from etle.storage.users import Users
    from review.app import create_app
    from review.comparisons import RunComparisons
    from review.serve import serve

    check_port(host, port)
    signer, clock = stores.row_signer, SystemClock()
    users = Users(stores.database, signer)
    app = create_app(
        cases=PostgresCases(stores.database, signer=signer),
        evidence=stores.evidence,
        users=users,
        campaigns=PostgresCampaigns(stores.database),
        secret=users.form_secret(),
        law=law or open_law(),
        clock=clock,
        metrics=metrics,
        comparisons=RunComparisons(
            PostgresRuns(stores.database),
            stores.cases,
            lambda run: open_evidence(stores.options.results_address(run), read_only=True),
            clock,
        ),
    )
    on_failure = partial(metrics.evidence_error, EvidenceError.HEADS) if metrics else None
    with stores.exporting_heads(signer, on_failure):
        serve(app, host, port, behind_proxy=behind_proxy, started=started)


def demo_account(stores: "Stores") -> tuple[str, str]:
    """Name and password of a demo supervisor. Created on the first call; the password is stored in the data folder."""
    from etle.storage.users import UserRole, Users
    from review.passwords import Passwords

    users, file = Users(stores.database, stores.row_signer), stores.data / "demo-password"
    known = any(user.name == DEMO_NAME for user in users.users())
    if known and file.exists():
        return DEMO_NAME, file.read_text().strip()
    password = "-".join(secrets.token_hex(2) for _ in range(3))
    write_atomic(file, f"{password}\n".encode(), mode=0o600)
    hashed, now = Passwords().hash(password), SystemClock().now()
    if known:
        users.set_password(DEMO_NAME, hashed, now, by="etle demo")
    else:
        users.add(DEMO_NAME, UserRole.SUPERVISOR, hashed, now, by="etle demo")
    return DEMO_NAME, password


def check_port(host: str, port: int) -> None:
    """Try to bind first: the web server would only log the failure."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port.") from error
