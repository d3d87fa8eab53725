"""One budget of work per pass of the loop, fairly shared."""

from __future__ import annotations

import asyncio

import pytest

from aiotasks._runtime.turns import Turns
from aiotasks.limits import TURN_BUDGET
from tests.runtime.support import outcome, passes, start


class Clock:
    """A loop's clock that stands still unless somebody works."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: self.now)

    def work(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_budget_begins_with_the_first_to_ask_and_is_shared(clock: Clock):
    """Whoever works in a pass works on the same half millisecond; the next pass has a new one."""
    turns = Turns(asyncio.get_running_loop())
    assert not turns.is_over
    clock.work(TURN_BUDGET * 0.6)
    assert not turns.is_over
    clock.work(TURN_BUDGET * 0.6)
    assert turns.is_over
    assert turns.is_over
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not turns.is_over


@pytest.mark.covers("I-04")
async def test_workers_go_on_one_per_pass_in_turn(clock: Clock):
    """Three workers with much to do: no pass sees more than one of them at work, and none gets ahead."""
    turns = Turns(asyncio.get_running_loop())
    log: list[str] = []

    async def worker(name: str) -> None:
        for _ in range(4):
            log.append(name)
            clock.work(TURN_BUDGET)
            if turns.is_over:
                await turns.next()

    workers = [start(worker(name)) for name in "abc"]
    await asyncio.sleep(0)
    at_work = []
    while not all(worker.done() for worker in workers):
        before = len(log)
        await asyncio.sleep(0)
        at_work.append(len(log) - before)
    assert max(at_work) == 1
    assert "".join(log) == "a" + "abc" * 3 + "bc"  # a's first piece came before anybody asked for the time


async def test_cancelled_turn_is_given_up(clock: Clock):
    """A worker cancelled in the queue loses its place; the others go on."""
    turns = Turns(asyncio.get_running_loop())
    waiting = [start(turns.next()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await passes()
    assert isinstance(await outcome(waiting[1]), asyncio.CancelledError)
    assert waiting[0].done()
    assert waiting[2].done()


@pytest.mark.covers("I-05")
async def test_idle_turns_cost_no_pass():
    """When nobody works, nothing is scheduled: the loop sleeps."""
    loop = asyncio.get_running_loop()
    turns = Turns(loop)
    assert not turns.is_over
    await turns.next()
    await passes(3)
    scheduled = []
    call_soon = loop.call_soon
    loop.call_soon = lambda *args, **kwargs: scheduled.append(args) or call_soon(*args, **kwargs)  # type: ignore[method-assign, assignment, func-returns-value]
    try:
        await asyncio.sleep(0.01)
    finally:
        del loop.call_soon  # type: ignore[misc]
    assert not any("_begin" in repr(args) for args in scheduled)


@pytest.mark.covers("I-04")
async def test_neighbour_waits_for_one_budget_however_many_work(clock: Clock):
    """Eight workers with 50 ms of work each keep a neighbour for one budget and one piece at a time."""
    turns = Turns(asyncio.get_running_loop())
    piece = TURN_BUDGET / 5

    async def worker() -> None:
        for _ in range(500):
            if turns.is_over:
                await turns.next()
            clock.work(piece)

    workers = [start(worker()) for _ in range(8)]
    waited = []
    await asyncio.sleep(0)  # they all begin in one pass
    while not all(worker.done() for worker in workers):
        before = clock.now
        await asyncio.sleep(0)
        waited.append(clock.now - before)
    assert max(waited) <= TURN_BUDGET + piece * 1.01
    assert sum(waited) > 0.3, "it is the work that was watched"
