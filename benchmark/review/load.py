"""The office at work: officers sign in all at once and decide case after case, while a supervisor searches and bare routes are timed."""

import asyncio
import itertools
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeVar

from benchmark.review.browser import HttpAnswer, ScriptedBrowser
from benchmark.review.fill import PASSWORD, FilledCases

BARE_CLIENTS: Final = 4
BARE_PAUSE_S: Final = 0.1
SEARCH_PAUSE_S: Final = 0.3
T = TypeVar("T")


@dataclass(slots=True)
class Timings:
    """Seconds of each kind of request, and the cases in the order in which they were assigned."""

    seconds: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    assigned: list[str] = field(default_factory=list)
    decided: list[str] = field(default_factory=list)
    refused: int = 0
    """Answers with status 503."""

    async def timed(self, kind: str, request: Awaitable[T]) -> T:
        started = time.perf_counter()
        result = await request
        self.seconds[kind].append(time.perf_counter() - started)
        return result


async def work(port: int, filling: FilledCases, *, reviewers: int, seconds: float, think_s: float, seed: int) -> Timings:
    """All sign in at the same moment; then each works until the time is over, thinking `think_s` on average about a case."""
    timings = Timings()
    browsers = [ScriptedBrowser(port) for _ in range(reviewers)]
    supervisor = ScriptedBrowser(port)
    await _sign_in(supervisor, "pengawas")
    forms = [(await browser.get("/sign-in")).field("csrf") for browser in browsers]
    await asyncio.gather(
        *(
            timings.timed("sign-in", _sign_in(browser, f"petugas-{number}", csrf))
            for number, (browser, csrf) in enumerate(zip(browsers, forms, strict=True))
        )
    )
    first_cases = await asyncio.gather(*(_take_from_home(browser, timings, "first ") for browser in browsers))
    stop_at = time.monotonic() + seconds
    officers = [
        _officer(browser, first, filling, timings, stop_at, think_s, random.Random(f"{seed} {number}"))
        for number, (browser, first) in enumerate(zip(browsers, first_cases, strict=True))
    ]
    await asyncio.gather(
        *officers, _search(supervisor, timings, stop_at, seed), *(_bare(port, timings, stop_at) for _ in range(BARE_CLIENTS))
    )
    return timings


async def _sign_in(browser: ScriptedBrowser, name: str, csrf: str | None = None) -> None:
    csrf = csrf or (await browser.get("/sign-in")).field("csrf")
    answer = await browser.post("/sign-in", name=name, password=PASSWORD, csrf=csrf)
    if answer.status != 303:
        raise AssertionError(f"{name} could not sign in: {answer.status}")


async def _officer(
    browser: ScriptedBrowser,
    answer: HttpAnswer,
    filling: FilledCases,
    timings: Timings,
    stop_at: float,
    think_s: float,
    randomness: random.Random,
) -> None:
    """Decides the case that `answer` leads to, and those after it. What the server is too busy for (503) is counted and asked again."""
    mine: set[str] = set()
    await asyncio.sleep(randomness.random() * think_s)
    while time.monotonic() < stop_at:
        if answer.status == 503:
            timings.refused += 1
            answer = await _take_from_home(browser, timings)
            continue
        if not answer.location.startswith("/cases/"):
            raise AssertionError(f"no case was assigned: {answer.status}, {answer.location!r}, {answer.body[-300:]!r}")
        case = answer.location.partition("?")[0]
        if case not in mine:
            timings.assigned.append(case)
            mine.add(case)
        page = await timings.timed("case page", browser.get(answer.location))
        if page.status == 503:
            timings.refused += 1
            continue
        for name in filling.pictures:
            range_ = {"Range": "bytes=0-262143"} if name.endswith(".mp4") else {}
            await timings.timed("picture", browser.get(f"{case}/evidence/{name}", **range_))
        await asyncio.sleep(randomness.expovariate(1 / think_s))
        form = {name: page.field(name) for name in ("csrf", "opened", "known_decisions")}
        plate = page.field("plate")
        answer = await timings.timed("verdict", browser.post(f"{case}/verdict", answer="confirm", plate=plate, **form))
        if answer.status == 503:
            continue
        if answer.status != 303:
            raise AssertionError(f"a verdict got {answer.status}")
        timings.decided.append(case)
        if randomness.random() < 0.25:  # back to the home page, and the next case from there
            answer = await _take_from_home(browser, timings)


async def _take_from_home(browser: ScriptedBrowser, timings: Timings, kind: str = "") -> HttpAnswer:
    csrf = (await timings.timed(f"{kind}home", browser.get("/"))).field("csrf")
    return await timings.timed(f"{kind}next", browser.post("/next", csrf=csrf))


async def _search(browser: ScriptedBrowser, timings: Timings, stop_at: float, seed: int) -> None:
    """Parts of plates of two to six characters, most of which few cases or none have; and the list without a filter."""
    randomness = random.Random(f"search {seed}")
    await _until(stop_at, SEARCH_PAUSE_S, lambda: _search_once(browser, timings, randomness))


async def _search_once(browser: ScriptedBrowser, timings: Timings, randomness: random.Random) -> HttpAnswer:
    plate = f"B{randomness.randrange(1000, 10000)}{randomness.choice('ABCDEF')}{randomness.choice('GHJK')}"
    start = randomness.randrange(0, 4)
    part = plate[start : start + randomness.randrange(2, 6)]
    await timings.timed("list", browser.get("/cases"))
    return await timings.timed("search", browser.get(f"/cases?plate={part}"))


async def _bare(port: int, timings: Timings, stop_at: float) -> None:
    numbers = itertools.count()
    async with ScriptedBrowser(port) as browser:

        async def both() -> None:
            case = timings.assigned[next(numbers) % len(timings.assigned)] if timings.assigned else None
            if case:
                await timings.timed("bare SELECT", browser.get(f"/bare/select/{case.removeprefix('/cases/')}"))
                await timings.timed("bare INSERT", browser.get(f"/bare/insert/{case.removeprefix('/cases/')}"))

        await _until(stop_at, BARE_PAUSE_S, both)


async def _until(stop_at: float, pause_s: float, action: Callable[[], Awaitable[object]]) -> None:
    while time.monotonic() < stop_at:
        await action()
        await asyncio.sleep(pause_s)
