"""How many queries it takes: the bound of DESIGN 5.1, under churn, after thinning, and while things fail (I-05)."""

from __future__ import annotations

import gc
import math
import random
import sys
import tracemalloc
from typing import TYPE_CHECKING

import pytest

from aiotasks._core import events
from aiotasks._core.waits import Wait
from aiotasks.models import Answer
from tests.core.model import World, world
from tests.core.test_machine import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL = 2.0


def bound(tasks: int, batch_limit: int) -> float:
    return 1.1 * math.ceil(tasks / batch_limit) + 1


def crowd(batch_limit: int, **options) -> World:
    return world(batch_limit=batch_limit, is_thorough=False, latency=lambda: 0.02, **options)


def rate(it: World, seconds: float) -> float:
    """Queries per interval over the next `seconds`."""
    before, start = len(it.sent), it.now
    it.run(start + seconds)
    # An interval is that from the end of a query to the next: latency and window come on top.
    return (len(it.sent) - before) * INTERVAL / seconds


def register(it: World, tasks: int, *, in_one_call: bool, over: float = 0.0) -> list[Wait]:
    records = it.tasks(tasks)
    if in_one_call:
        return [it.wait(*records)]
    waits = []
    for number, record in enumerate(records):
        it.run(over * number / tasks)
        wait = Wait((record,), interval=INTERVAL)
        it.planner.feed(events.Watched(wait.tasks, wait), it.now)
        waits.append(wait)
    it.step()
    return waits


@pytest.mark.covers("I-05")
@pytest.mark.parametrize("over", [None, 0.0, 7.0], ids=["one call", "one by one", "over 7 s"])
@pytest.mark.parametrize(
    ("tasks", "batch_limit"), [(1, 50), (7, 3), (49, 50), (51, 50), (500, 1), (1_000, 7), (2_000, 50), (5_000, 1_000)]
)
def test_steady_state_keeps_the_bound(tasks, batch_limit, over):
    """However the tasks came: in one call, one by one, or one by one over some seconds."""
    it = crowd(batch_limit)
    register(it, tasks, in_one_call=over is None, over=over or 0.0)
    it.run(it.now + 10.0)
    assert rate(it, 20.0) <= bound(tasks, batch_limit)
    assert len({id for at, ids in it.sent if at > it.now - INTERVAL - 0.6 for id in ids}) == tasks


@pytest.mark.covers("I-05")
@pytest.mark.parametrize("share", [0.6, 0.35, 0.02])
@pytest.mark.parametrize("way", ["at random", "the first of each"])
@pytest.mark.parametrize(("tasks", "batch_limit"), [(1_000, 7), (2_000, 50)])
def test_bound_holds_after_thinning(tasks, batch_limit, share, way):
    """Whoever goes: those who stay are gathered in few queries again, within half a minute."""
    it = crowd(batch_limit)
    waits = register(it, tasks, in_one_call=False)
    it.run(5.0)
    chance = random.Random(tasks)
    for number, wait in enumerate(waits):
        goes = chance.random() >= share if way == "at random" else number % batch_limit >= share * batch_limit
        if goes:
            it.planner.feed(events.Ended(wait), it.now)
    it.step()
    left = sum(wait.is_open for wait in waits)
    it.run(it.now + 30.0)
    assert rate(it, 20.0) <= bound(left, batch_limit)


@pytest.mark.covers("I-05")
@pytest.mark.parametrize(("per_second", "batch_limit"), [(1, 50), (1, 3), (10, 50), (10, 7), (100, 50), (100, 500)])
def test_bound_holds_under_churn(per_second, batch_limit):
    """Jobs of 5 to 15 s that come at random: few queries, well filled, and nobody waits long for the news."""
    it = crowd(batch_limit)
    chance = random.Random(per_second)
    ends: dict[Wait, float] = {}
    alive = checks = queries = needed = 0.0
    until = 60.0
    moments = sorted(chance.uniform(0.0, until) for _ in range(int(per_second * until)))
    jobs: list[tuple[float, str]] = []
    for number, moment in enumerate(moments):
        while jobs and jobs[0][0] <= moment:
            it.run(jobs[0][0])
            it.set(jobs.pop(0)[1], "done")
        it.run(moment)
        task = it.task(f"t{number}")
        wait = it.wait(task)
        ends[wait] = moment + chance.uniform(5.0, 15.0)
        jobs.append((ends[wait], task.id))
        jobs.sort()
        if moment > 30.0 and number % per_second == 0:
            alive = sum(wait.is_open for wait in ends)
            needed += bound(alive, batch_limit) / INTERVAL
    steady = [ids for at, ids in it.sent if at > 30.0]
    queries, checks = len(steady), sum(map(len, steady))
    assert queries <= needed * 1.05  # a sample a second
    if alive > 5 * batch_limit:
        assert checks / queries >= 0.8 * batch_limit
    late = [at - ends[wait] for wait, at in it.settled.items()]
    assert max(late) <= INTERVAL + 0.5 + 0.1


@pytest.mark.covers("I-05", "F-22", "F-23")
@pytest.mark.parametrize("seed", range(3))
def test_bound_holds_again_after_two_bad_minutes(seed):
    """Faults of every kind leave crumbs: cohorts of one, cut and acquitted. They are swept up."""
    chance = random.Random(seed)
    mild = [fault for fault in FAULTS if type(fault).__name__ not in {"AuthError", "QueryTooLarge", "AnswerTooLarge"}]

    def respond(it: World, flight):
        if it.now < 120.0 and chance.random() < 0.2:
            return chance.choice(mild)
        return it.answer(flight)

    it = crowd(25, respond=respond, jitter=chance.random)
    register(it, 300, in_one_call=True)
    it.run(240.0)
    [lane] = [lane for _, book in it.planner.books() for lane in book.lanes.values()]
    left = sum(group.tasks for group in lane.groups.values())
    assert rate(it, 20.0) <= bound(left, lane.source.batch_limit)


def _blocks(turn: Callable[[], None], rounds: int) -> int:
    for _ in range(3):
        turn()
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(rounds):
        turn()
    gc.collect()
    return sys.getallocatedblocks() - before


@pytest.mark.covers("I-05")
@pytest.mark.parametrize("is_read", [False, True], ids=["not decoded", "compared"])
def test_unchanged_check_allocates_nothing_per_task(is_read):
    """A round over 5,000 tasks that says nothing new costs what its five queries cost, and keeps nothing of it."""
    it = world(batch_limit=1_000, is_thorough=False)
    it.wait(*it.tasks(5_000))
    planner, now = it.planner, 0.0
    rows = {}

    def turn() -> None:
        nonlocal now
        while True:
            flights = [effect.flight for effect in planner.due(now) if isinstance(effect, events.Send)]
            if not flights:
                break
            for flight in flights:
                if is_read or flight.cohort.digest is None:
                    answer = rows.get(flight.query) or rows.setdefault(
                        flight.query, Answer(rows=[it.words[id] for id in flight.query.ids])
                    )
                    planner.feed(events.Answered(flight, answer), now)
                    planner.feed(events.Landed(flight, now, 7), now)
                else:
                    planner.feed(events.Landed(flight, now, 7, is_unchanged=True), now)
        now += 2.0

    assert _blocks(turn, 50) < 500  # and not 50 x 5,000: what was learnt on the way, a few lists
    tracemalloc.start()
    try:
        turn()
        tracemalloc.reset_peak()
        base = tracemalloc.get_traced_memory()[0]
        turn()
        peak = tracemalloc.get_traced_memory()[1] - base
    finally:
        tracemalloc.stop()
    # Slices of the member list, 8 bytes a task and query, are the only thing that grows with the tasks.
    assert peak < 1_000 * 8 * 3 + 30_000
