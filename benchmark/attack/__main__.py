"""Whether one client can stop the others: a signed-in officer's page and another vendor's frame under attack, relative to idle.

    python -m benchmark.attack --json FILE
    python -m benchmark.attack --seconds 5 --mutations 500

Bounded, and on loopback only: the review application and the push API run as processes of their own, and the attacker has an address of its
own. Each attack lasts `--seconds`: 64 idle connections to each server, 64 slow heads, 64 slow bodies, 60 bad sign-ins at once, again and
again, and hostile JPEGs from one vendor. Meanwhile an officer opens a case and another vendor sends frames, one after the other. `page` and
`frame` are the largest medians under attack relative to those without one. Then `--mutations` randomly mutated requests go to each server:
`server_errors` counts the answers with a status 5xx (503 names a time to come back and is counted apart).
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from benchmark import report
from benchmark.attack.attacks import ATTACKS
from benchmark.attack.mutations import both, review_requests, server_errors
from benchmark.attack.servers import CAMERAS, FRAME_SIZE, SECRETS, AttackedServers, running_servers
from benchmark.review.browser import ScriptedBrowser
from benchmark.review.fill import PASSWORD
from etle.clock import SystemClock
from ingest.push_api.samples import RequestSamples

PAUSE_S: Final = 0.1
SETTLE_S: Final = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    parser = report.parser("attack", __doc__)
    parser.add_argument("--seconds", type=float, default=15, metavar="SECONDS", help="time of each attack (default: %(default)s)")
    parser.add_argument("--mutations", type=int, default=5000, metavar="N", help="mutated requests to each server (default: %(default)s)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="etle-attack-") as folder, running_servers(Path(folder)) as servers:
        figures = asyncio.run(_measure(servers, options.seconds, options.mutations, options.seed))
    report.show("under attack", figures["attacks"])
    for name, found in figures["mutated"].items():
        report.show(f"answers to mutated requests: {name}", [found])
    report.show("worst", [{key: figures[key] for key in ("page", "frame", "server_errors")}])
    report.save(options.json, figures)
    return 0


async def _measure(servers: AttackedServers, seconds: float, mutations: int, seed: int) -> dict[str, Any]:
    async with ScriptedBrowser(servers.review_port) as officer, ScriptedBrowser(servers.push_port) as vendor:
        case, csrf = await _take_case(officer)
        samples = RequestSamples(CAMERAS["lain"], FRAME_SIZE, SECRETS["lain"], SystemClock())
        samples.sequence = int(SystemClock().now().timestamp() * 1000) - 100_000_000
        idle = await _times(officer, case, vendor, samples, seconds)
        rows = []
        for name, attack in ATTACKS.items():
            attacking = asyncio.ensure_future(attack(servers))
            await asyncio.sleep(SETTLE_S)
            times = await _times(officer, case, vendor, samples, seconds)
            attacking.cancel()
            with suppress(asyncio.CancelledError):
                await attacking
            rows.append(_row(name, times, idle))
            await asyncio.sleep(SETTLE_S)
        cookies = "; ".join(f"{name}={value}" for name, value in officer.cookies.items())
        mutated = await both(servers, review_requests(csrf, cookies, case, servers.filling.pictures), mutations, seed)
    return {
        "page": max(row["page"] for row in rows),
        "frame": max(row["frame"] for row in rows),
        "server_errors": sum(map(server_errors, mutated.values())),
        "idle_ms": {kind: 1000 * statistics.median(values) for kind, values in idle.items()},
        "attacks": rows,
        "mutated": {name: dict(sorted(found.items())) for name, found in mutated.items()},
    }


async def _take_case(officer: ScriptedBrowser) -> tuple[str, str]:
    """Path of the case on the officer's screen, and the token of its forms."""
    form = (await officer.get("/sign-in")).field("csrf")
    await officer.post("/sign-in", name="petugas-1", password=PASSWORD, csrf=form)
    csrf = (await officer.get("/")).field("csrf")
    return (await officer.post("/next", csrf=csrf)).location, csrf


async def _times(
    officer: ScriptedBrowser, case: str, vendor: ScriptedBrowser, samples: RequestSamples, seconds: float
) -> dict[str, list[float]]:
    """Seconds of each page and each frame."""
    stop_at = time.monotonic() + seconds
    times: dict[str, list[float]] = {"page": [], "frame": []}
    while time.monotonic() < stop_at or not times["frame"]:
        started = time.perf_counter()
        page = await officer.get(case)
        times["page"].append(time.perf_counter() - started)
        request = samples.frame()
        started = time.perf_counter()
        frame = await vendor.send(request.method, request.path, request.headers, request.body)
        times["frame"].append(time.perf_counter() - started)
        if (page.status, frame.status) != (200, 201):
            raise AssertionError(f"the page got {page.status}, the frame {frame.status}: {frame.body[:200]!r}")
        await asyncio.sleep(PAUSE_S)
    return times


def _row(name: str, times: Mapping[str, list[float]], idle: Mapping[str, list[float]]) -> dict[str, Any]:
    return {
        "attack": name,
        **{kind: statistics.median(times[kind]) / statistics.median(idle[kind]) for kind in ("page", "frame")},
        **{f"{kind}_max": max(times[kind]) / statistics.median(idle[kind]) for kind in ("page", "frame")},
        **{f"{kind}_ms": 1000 * statistics.median(times[kind]) for kind in ("page", "frame")},
    }


if __name__ == "__main__":
    sys.exit(main())
