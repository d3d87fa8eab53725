"""The pace of one account: AIMD, `Retry-After`, circuit, retry budget."""

from __future__ import annotations

import pytest

from aiotasks._core.throttle import Throttle


def throttle(jitter: float = 0.0) -> Throttle[str]:
    return Throttle(lambda: jitter)


def probe(it: Throttle[str], now: float, *, succeeds: bool) -> None:
    assert it.may_send(now)
    it.started()
    assert not it.may_send(now), "one probe at a time"
    it.ended()
    it.succeeded(now) if succeeds else it.failed(now)


@pytest.mark.covers("I-05")
def test_window_grows_by_one_per_clean_round_up_to_its_most():
    """L-12: from 2, one more after as many answers as it is wide; 16 and no more."""
    it = throttle()
    widths = [it.limit]
    now = 0.0
    for _ in range(300):
        now += 0.5
        it.succeeded(now)
        if it.limit != widths[-1]:
            widths.append(it.limit)
    assert widths == list(range(2, 17))


@pytest.mark.covers("F-23")
def test_window_at_most_doubles_in_a_second():
    """Answers within a millisecond are no reason to go from one to sixteen in one."""
    it = throttle()
    it.limit = 1
    seen = {}
    for tick in range(4_000):
        it.succeeded(tick / 1000)
        seen[tick // 1000] = it.limit
    assert seen == {0: 2, 1: 4, 2: 8, 3: 16}


@pytest.mark.covers("F-16")
def test_window_halves_at_most_once_in_two_seconds():
    """Sixteen queries that were in flight together and are all throttled count once, for the backoff too."""
    it = throttle(jitter=1.0)
    it.limit = 16
    for _ in range(16):
        it.throttled(100.0, None)
    assert it.limit == 8
    assert it.blocked_until == 104.0  # the first backoff: 2 + 2
    it.throttled(101.9, None)
    assert it.limit == 8
    it.throttled(110.0, None)
    assert (it.limit, it.blocked_until) == (4, 116.0)  # the second: 2 + 4
    for turn in range(9):
        it.throttled(200.0 + 100.0 * turn, None)
    assert it.limit == 1


@pytest.mark.covers("F-15")
def test_nothing_starts_before_retry_after_is_over():
    """The longest word counts; a shorter one that follows does not shorten it."""
    it = throttle()
    it.queue["x"] = None
    it.throttled(10.0, 7.5)
    it.throttled(11.0, 1.0)
    assert not it.may_send(17.4)
    assert it.may_send(17.5)
    assert it.next_slot() == 17.5


def test_slot_that_an_answer_has_to_free_has_no_time():
    """Nothing to wake up for: else the loop would be busy with waiting."""
    it = throttle()
    assert it.next_slot() is None
    it.queue["x"] = None
    it.started()
    it.started()
    assert not it.may_send(0.0)
    assert it.next_slot() is None
    it.ended()
    assert it.next_slot() is not None


@pytest.mark.covers("F-12", "F-14")
def test_circuit_opens_after_five_failures_in_a_row_and_doubles_with_each_probe_that_fails():
    """L-11: 5 s, 10, 20, ... 120; one probe at a time."""
    it = throttle()
    for _ in range(4):
        it.failed(0.0)
    assert not it.is_open
    it.failed(0.0)
    assert it.is_open
    stays = []
    now = 0.0
    for _ in range(7):
        stays.append(it.blocked_until - now)
        now = it.blocked_until
        probe(it, now, succeeds=False)
    assert stays == [5.0, 10.0, 20.0, 40.0, 80.0, 120.0, 120.0]
    now = it.blocked_until
    probe(it, now, succeeds=True)
    assert not it.is_open
    assert it.limit <= 2
    assert it.recovered_at == now


@pytest.mark.covers("F-23")
def test_only_the_probe_counts_while_the_circuit_is_open():
    """What was in flight when it opened neither lengthens it, sixteen times over, nor closes it."""
    it = throttle()
    it.limit = 16
    for _ in range(16):
        it.started()
    for _ in range(15):
        it.ended()
        it.failed(1.0)
    assert it.blocked_until == 6.0
    it.ended()
    it.succeeded(1.0)
    assert it.is_open
    probe(it, 6.0, succeeds=False)
    assert it.blocked_until == 16.0


@pytest.mark.covers("F-31")
@pytest.mark.parametrize(("every", "is_open"), [(3, False), (2, True)])
def test_circuit_opens_at_half_of_twenty_and_not_below(every, is_open):
    """One bad backend of three is worked around; of two it is not."""
    it = throttle()
    for turn in range(40):
        it.failed(turn * 0.1) if turn % every == 0 else it.succeeded(turn * 0.1)
    assert it.is_open is is_open


def test_failures_long_ago_do_not_count():
    """The share is that of the last 30 s."""
    it = throttle()
    for turn in range(19):
        it.failed(0.0) if turn % 2 else it.succeeded(0.0)
    it.failed(31.0)
    assert not it.is_open


@pytest.mark.covers("F-31")
def test_retry_budget_is_spent_earned_and_capped():
    """L-13: at most 20 saved, 0.5 a second, 0.2 per answer; without any, the time until there is one."""
    it = throttle()
    assert [it.retry_delay(0.0) for _ in range(20)] == [0.0] * 20
    assert it.retry_delay(0.0) == 2.0
    assert it.retry_delay(1.0) == 1.0
    assert it.retry_delay(2.0) == 0.0
    for _ in range(5):
        it.succeeded(2.0)
    assert it.retry_delay(2.0) == 0.0
    assert [it.retry_delay(1e6) for _ in range(21)] == [0.0] * 20 + [2.0]


def test_doubt_lets_one_query_tell():
    """After a refused credential: nothing until then, then a single query, whose success ends it."""
    it = throttle()
    it.doubt(12.0)
    assert not it.may_send(11.9)
    probe(it, 12.0, succeeds=True)
    assert not it.is_open
