"""Delays between retries."""

import pytest

from etle.backoff import RECONNECT_DELAYS_S, Backoff


def test_delays_grow_and_the_last_one_is_repeated() -> None:
    backoff = Backoff()
    assert [backoff.next_s() for _ in range(7)] == [1, 2, 5, 10, 30, 30, 30]


def test_a_success_starts_over() -> None:
    backoff = Backoff((1, 2))
    backoff.next_s()
    backoff.next_s()
    assert backoff.failures == 2
    backoff.reset()
    assert backoff.failures == 0
    assert backoff.next_s() == 1


@pytest.mark.parametrize(("random", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_jitter_gives_between_half_and_the_whole_delay(random: float, share: float) -> None:
    backoff = Backoff(RECONNECT_DELAYS_S, lambda: random)
    assert [backoff.next_s() for _ in RECONNECT_DELAYS_S] == [delay_s * share for delay_s in RECONNECT_DELAYS_S]
