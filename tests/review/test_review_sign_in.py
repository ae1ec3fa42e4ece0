"""The waits after failed sign-ins, and the pool that verifies passwords."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from review_app import FAST_PASSWORDS, PASSWORDS, RunningReview

from etle.storage.users import SignInFailures
from review.passwords import PasswordPool, PasswordsBusy
from review.sign_in_attempts import MAX_RECENT_FAILURES, MAX_WAITING, SignInAttempts, SignInQueueFull, wait_s

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "both, account, address, known, pending, ago_s, expected",
    [
        pytest.param(0, 0, 0, False, 0, 0, 0, id="the first attempt"),
        pytest.param(4, 4, 4, False, 0, 0, 0, id="the last free attempt"),
        pytest.param(5, 5, 5, False, 0, 0, 2, id="after five failures two seconds"),
        pytest.param(5, 5, 5, False, 0, 2, 0, id="two seconds later"),
        pytest.param(7, 7, 7, False, 0, 0, 8, id="twice as long after each"),
        pytest.param(500, 500, 500, False, 0, 0, 60, id="at most a minute"),
        pytest.param(0, 0, 0, False, 5, 0, 2, id="parallel guesses count"),
        pytest.param(0, 5000, 0, False, 0, 0, 0, id="guesses from everywhere lock nobody out"),
        pytest.param(1, 50, 1, False, 0, 0, 2, id="but leave a new address a single free failure"),
        pytest.param(1, 1, 100, False, 0, 0, 2, id="as do guesses of many names from one address"),
        pytest.param(19, 500, 500, True, 0, 0, 0, id="an address that signed in before is exempt"),
        pytest.param(400, 500, 500, True, 0, 0, 2, id="and waits two seconds after many of its own"),
    ],
)
def test_the_wait_before_an_attempt(both: int, account: int, address: int, known: bool, pending: int, ago_s: int, expected: int) -> None:
    failures = SignInFailures(
        of_both=both, of_account=account, of_address=address, last_at=NOW - timedelta(seconds=ago_s) if both else None, known_address=known
    )
    assert wait_s(failures, pending, NOW) == expected


def test_fifty_guesses_from_ten_addresses_do_not_lock_the_owner_out(review: RunningReview) -> None:
    for number in range(10):
        with review.browser(address=f"10.9.0.{number}") as guesser:
            assert {review.sign_in(guesser, "bayu", f"guess {n}").status_code for n in range(5)} == {401}
    for address in ("10.9.1.1", "10.9.0.3"):  # a new one, and one that guessed
        with review.browser(address=address) as owner:
            review.clock.advance(61)
            assert review.sign_in(owner, "bayu", PASSWORDS["bayu"]).status_code == 303


def test_of_many_guesses_at_once_few_are_verified(review: RunningReview) -> None:
    with ThreadPoolExecutor(12) as threads, review.browser(address="10.9.2.1") as browser:
        token = review.csrf_token(browser, "/sign-in")
        data = {"name": "dewi", "password": "a wrong guess", "csrf": token}
        answers = [*threads.map(lambda _: browser.post("/sign-in", data=data), range(30))]
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {401, 429} and statuses.count(401) <= 6
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)


def test_a_full_pool_refuses_at_once() -> None:
    async def hash_all() -> list[str | BaseException]:
        pool = PasswordPool(FAST_PASSWORDS, workers=1, max_waiting=2)
        return await asyncio.gather(*(pool.hash_like("wrong", None) for _ in range(6)), return_exceptions=True)

    results = asyncio.run(hash_all())
    assert all(isinstance(each, str) for each in results[:3])
    assert all(isinstance(each, PasswordsBusy) and each.retry_after_s > 0 for each in results[3:])


def test_the_event_loop_goes_on_while_passwords_are_verified() -> None:
    async def longest_pause() -> float:
        pool = PasswordPool(FAST_PASSWORDS, workers=4)
        verified = asyncio.gather(*(pool.hash_like("wrong", None) for _ in range(40)))
        pauses, last = [], time.perf_counter()
        while not verified.done():
            await asyncio.sleep(0.001)
            pauses.append(time.perf_counter() - last)
            last = time.perf_counter()
        return max(pauses)

    assert asyncio.run(longest_pause()) < 0.5


class TestTheTurnOfAnAddress:
    """The attempts of an address that failed often are made one after another."""

    @pytest.mark.parametrize(
        "failures, address, at_once",
        [
            pytest.param(0, "10.9.4.1", 6, id="an office that signs in at once"),
            pytest.param(MAX_RECENT_FAILURES - 1, "10.9.4.1", 6, id="a few typing errors"),
            pytest.param(MAX_RECENT_FAILURES, "10.9.4.1", 1, id="one that guesses"),
            pytest.param(MAX_RECENT_FAILURES, "10.9.4.2", 6, id="the neighbour of one that guesses"),
        ],
    )
    def test_how_many_are_verified_at_once(self, failures: int, address: str, at_once: int) -> None:
        assert asyncio.run(_most_at_once(failures, address, attempts=6)) == at_once

    def test_beyond_the_longest_queue_they_are_refused(self) -> None:
        async def refused() -> int:
            attempts = SignInAttempts()
            _fail(attempts, "10.9.4.1", MAX_RECENT_FAILURES)
            async with attempts.turn("10.9.4.1"):
                waiting = [asyncio.ensure_future(_take_turn(attempts, "10.9.4.1")) for _ in range(MAX_WAITING + 3)]
                done, pending = await asyncio.wait(waiting, timeout=0.1)
                for task in pending:
                    task.cancel()
                return sum(isinstance(task.exception(), SignInQueueFull) for task in done)

        assert asyncio.run(refused()) == 3

    def test_failures_are_forgotten(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("review.sign_in_attempts.RECENT_S", 0.05)

        async def most_at_once_later() -> int:
            attempts = SignInAttempts()
            _fail(attempts, "10.9.4.1", MAX_RECENT_FAILURES)
            await asyncio.sleep(0.1)
            return await _most_of(attempts, "10.9.4.1", 6)

        assert asyncio.run(most_at_once_later()) == 6

    def test_an_attempt_that_was_cancelled_while_it_waited_leaves_its_place(self) -> None:
        async def next_one() -> bool:
            attempts = SignInAttempts()
            _fail(attempts, "10.9.4.1", MAX_RECENT_FAILURES)
            async with attempts.turn("10.9.4.1"):
                gone = asyncio.ensure_future(_take_turn(attempts, "10.9.4.1"))
                await asyncio.sleep(0)
                gone.cancel()
            await asyncio.wait_for(_take_turn(attempts, "10.9.4.1"), 10)
            return gone.cancelled()

        assert asyncio.run(next_one())

    def test_guesses_of_many_names_take_turns_on_the_page(self, review: RunningReview, monkeypatch: pytest.MonkeyPatch) -> None:
        """And a right password among them still opens the door."""
        at_once, most = 0, 0
        hash_like = PasswordPool.hash_like

        async def counted(pool: PasswordPool, password: str, parameters: str | None) -> str:
            nonlocal at_once, most
            at_once += 1
            most = max(most, at_once)
            try:
                return await hash_like(pool, password, parameters)
            finally:
                at_once -= 1

        with ThreadPoolExecutor(12) as threads, review.browser(address="10.9.5.1") as browser:
            token = review.csrf_token(browser, "/sign-in")

            def guess(number: int) -> int:
                return browser.post("/sign-in", data={"name": f"nama-{number}", "password": "a wrong guess", "csrf": token}).status_code

            assert {*threads.map(guess, range(MAX_RECENT_FAILURES))} == {401}
            monkeypatch.setattr(PasswordPool, "hash_like", counted)
            assert {*threads.map(guess, range(100, 112))} == {401}
            assert most == 1
            assert review.sign_in(browser, "tono", PASSWORDS["tono"]).status_code == 303


def _fail(attempts: SignInAttempts, address: str, times: int) -> None:
    for _ in range(times):
        attempts.failed(address)


async def _take_turn(attempts: SignInAttempts, address: str) -> None:
    async with attempts.turn(address):
        pass


async def _most_at_once(failures: int, address: str, attempts: int) -> int:
    turns = SignInAttempts()
    _fail(turns, "10.9.4.1", failures)
    return await _most_of(turns, address, attempts)


async def _most_of(turns: SignInAttempts, address: str, attempts: int) -> int:
    at_once, most = 0, 0

    async def attempt() -> None:
        nonlocal at_once, most
        async with turns.turn(address):
            at_once += 1
            most = max(most, at_once)
            await asyncio.sleep(0.01)
            at_once -= 1

    await asyncio.gather(*(attempt() for _ in range(attempts)))
    return most
