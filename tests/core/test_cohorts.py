"""Who is asked together: joining, filling up, thinning, merging, cutting, and coming back."""

from __future__ import annotations

import pytest

from aiotasks.errors import QueryTooLarge
from tests.core.model import ModelSource, World, account, world

NO_LATENCY = {"latency": lambda: 0.0}


def sizes(it: World) -> list[int]:
    """Of the cohorts, in the order they were made."""
    lanes = [lane for _, book in it.planner.books() for lane in book.lanes.values()]
    return [len(cohort.members) for lane in lanes for group in lane.groups.values() for cohort in group.cohorts]


def queries(it: World) -> list[tuple[float, int]]:
    return [(at, len(ids)) for at, ids in it.sent]


def test_full_cohort_is_asked_at_once_and_the_rest_at_the_end_of_the_window():
    """Nobody can join a full one; the other waits for company, half a second."""
    it = world(batch_limit=5)
    it.wait(*it.tasks(12))
    it.run(1.0)
    assert queries(it) == [(0.0, 5), (0.0, 5), (0.5, 2)]


def test_newcomers_join_who_is_due_soonest_within_one_interval():
    """Of two cohorts with room, the one whose turn comes first."""
    it = world(batch_limit=3, **NO_LATENCY)
    it.wait(*it.tasks(2, "a"))
    it.run(0.5)
    it.wait(*it.tasks(3, "b"))  # one fills up the first cohort, due at 2.5: it goes on waiting for that
    assert sizes(it) == [3, 2]
    it.run(1.2)
    it.wait(*it.tasks(1, "c"))
    assert sizes(it) == [3, 3]
    it.run(2.5)
    assert [ids for _, ids in it.sent][-1] == ("a0", "a1", "b0")


def test_cohort_that_fills_up_is_due_at_once():
    """There is nobody left to wait for."""
    it = world(batch_limit=3)
    it.wait(*it.tasks(2, "a"))
    it.run(0.2)
    it.wait(*it.tasks(1, "b"))
    assert queries(it) == [(0.2, 3)]


def test_cohort_that_fills_up_keeps_its_two_seconds():
    """Not before the earliest time of those who were asked already."""
    it = world(batch_limit=3, **NO_LATENCY)
    it.wait(*it.tasks(2, "a"))
    it.run(0.6)
    it.wait(*it.tasks(1, "b"))
    it.run(3.0)
    assert queries(it) == [(0.5, 2), (2.5, 3)]


@pytest.mark.covers("F-33", "I-01")
@pytest.mark.parametrize(("away", "at"), [(0.1, 3.0), (1.9, 3.0), (2.1, 3.1), (60.0, 61.0)])
def test_task_waited_for_again_keeps_its_two_seconds_and_comes_within_its_window(away, at):
    """Parked tasks know when they were asked for as long as that matters; alone, they wait for company."""
    it = world(batch_limit=5, **NO_LATENCY)
    [task] = it.tasks(1)
    first = it.wait(task)
    it.run(0.5)
    it.cancel(first)
    it.run(0.5 + away)
    it.wait(task)
    it.run(at)
    assert it.asked("t0") == [0.5, pytest.approx(at)]


def test_task_waited_for_again_joins_within_its_window():
    """Its place is with whom can wait for it: the floor rises, the latest time never moves."""
    it = world(batch_limit=5, **NO_LATENCY)
    a, b = it.tasks(2)
    it.wait(a)
    it.run(0.4)
    wait = it.wait(b)
    it.run(0.5)  # both asked at 0.5
    it.cancel(wait)
    it.run(0.7)
    it.wait(b)
    it.run(2.6)
    assert [ids for _, ids in it.sent] == [("t0", "t1"), ("t0", "t1")]


def test_shorter_interval_counts_at_once_and_a_longer_one_when_alone():
    """Of several waits on a task the smallest interval counts; it ends with its wait."""
    it = world(batch_limit=5, **NO_LATENCY)
    [task] = it.tasks(1)
    it.wait(task, interval=10.0)
    it.run(3.0)
    assert it.asked("t0") == [0.5]
    hasty = it.wait(task, interval=2.0)
    it.run(6.9)
    assert it.asked("t0") == [0.5, 3.5, 5.5]
    it.cancel(hasty)
    it.run(30.0)
    assert it.asked("t0")[3] >= 15.5
    assert it.asked("t0")[3] <= 16.0


def test_intervals_are_rounded_up_to_the_window():
    """2.0 and 2.5 are two groups; 2.1 and 2.4 one."""
    it = world(batch_limit=5)
    for number, interval in enumerate((2.0, 2.1, 2.4, 2.5)):
        it.wait(it.task(f"t{number}"), interval=interval)
    assert sizes(it) == [1, 3]


def test_thinned_cohorts_merge_into_the_oldest():
    """Three of ten left in each of ten: three or four queries per interval, within a few intervals."""
    it = world(batch_limit=10, **NO_LATENCY)
    tasks = it.tasks(100)
    waits = [it.wait(task) for task in tasks]
    it.run(3.0)
    for number, wait in enumerate(waits):
        if number % 10 >= 3:
            it.cancel(wait)
    it.run(30.0)
    assert sum(sizes(it)) == 30
    assert len(sizes(it)) <= 4


def test_cohorts_merge_in_surplus_only():
    """Twenty cohorts that each lost one of ten: 180 tasks need 18, and 20 are too many; 21 cohorts of 200 are not."""
    it = world(batch_limit=10, **NO_LATENCY)
    waits = [it.wait(task) for task in it.tasks(210)]
    it.run(3.0)
    for wait in waits[:10]:
        it.cancel(wait)  # one cohort is gone, the others are full
    it.run(10.0)
    assert sizes(it) == [10] * 20
    for wait in waits[10:20:2]:
        it.cancel(wait)
    it.run(20.0)
    assert sorted(sizes(it)) == [5] + [10] * 19


def test_too_full_younger_pours_in_part():
    """6 and 6 of 8, and 6 more: two and a half cohorts' worth in three is no surplus; 4, 4, 4 is one."""
    it = world(batch_limit=8, **NO_LATENCY)
    waits = [it.wait(task) for task in it.tasks(24)]
    it.run(3.0)
    keep = {0: 6, 1: 5, 2: 5}
    for cohort, count in keep.items():
        for wait in waits[8 * cohort + count : 8 * cohort + 8]:
            it.cancel(wait)
    it.run(20.0)
    assert sorted(sizes(it)) == [8, 8]


@pytest.mark.covers("F-21")
def test_too_large_query_is_cut_and_the_limit_kept():
    """The same ids are asked again in halves, 2 s later, and no query is as large again."""
    limit = 12

    def respond(it, flight):
        return QueryTooLarge("no") if len(flight.query.ids) > limit else it.answer(flight)

    it = world(batch_limit=50, respond=respond, **NO_LATENCY)
    wait = it.wait(*it.tasks(50))
    it.run(20.0)
    assert queries(it)[:2] == [(0.0, 50), (2.0, 25)]
    for number in range(50):
        assert len([at for at in it.asked(f"t{number}") if at < 6.0]) >= 2
    assert max(size for at, size in queries(it)[2:]) == 12
    assert wait.is_open


@pytest.mark.covers("F-21", "I-05")
def test_limit_learnt_while_others_fly():
    """Those in flight land as they are; what fails among them does not halve the limit again."""
    refused = []

    def respond(it, flight):
        if len(flight.query.ids) > 10:
            refused.append(it.now)
            return QueryTooLarge("no")
        return it.answer(flight)

    latencies = iter([0.1, 1.5] + [0.1] * 1000)
    it = world(batch_limit=20, respond=respond, latency=lambda: next(latencies))
    it.wait(*it.tasks(40))
    it.run(20.0)
    assert refused == [0.1, 1.5]
    assert {size for at, size in queries(it) if at > 0.0} == {10}


def test_batch_limit_of_one_asks_each_alone_without_delay():
    """Nothing is gained by waiting for company that cannot come."""
    it = World(ModelSource(account(), batch_limit=1), latency=lambda: 0.0)
    it.wait(*it.tasks(3))
    it.run(0.0)
    assert queries(it) == [(0.0, 1)] * 3
    again = it.task("again")
    again.asked_at = -50.0
    it.wait(again)
    it.run(0.1)
    assert it.asked("again") == [0.0]


@pytest.mark.covers("F-41", "F-53")
def test_stalled_loop_is_followed_by_one_spread_round_and_no_burst():
    """A minute without a turn: each overdue cohort once, spread over one interval."""
    it = world(batch_limit=5, **NO_LATENCY)
    it.wait(*it.tasks(100))
    it.run(10.0)
    before = len(it.sent)
    it.now += 60.0
    it.step()
    resumed = it.now
    it.run(resumed + 1.99)
    starts = [at - resumed for at, _ in it.sent[before:]]
    assert len(starts) == 20
    assert max(sum(start <= at < start + 0.2 for at in starts) for start in starts) <= 4


@pytest.mark.covers("F-10")
def test_slow_answer_delays_the_next_query_of_the_same_tasks():
    """Never two in flight for one task, and the 2 s run from the end."""
    it = world(batch_limit=5, latency=lambda: 7.0)
    it.wait(*it.tasks(5))
    it.run(20.0)
    assert [at for at, _ in it.sent] == [0.0, 9.0, 18.0]


@pytest.mark.covers("S-35", "F-75")
def test_accounts_and_lanes_share_no_query():
    """The same id under another credential is another task."""
    it = World(ModelSource(account("a"), batch_limit=5), latency=lambda: 0.0)
    other = ModelSource(account("b"), batch_limit=5)
    lane = ModelSource(account("a"), lane="two", batch_limit=5)
    it.wait(it.task("x"), it.task("y", other), it.task("z", lane))
    it.run(1.0)
    assert sorted(ids for _, ids in it.sent) == [("x",), ("y",), ("z",)]


@pytest.mark.covers("I-05")
def test_leavers_go_though_their_cohort_is_due_in_an_hour():
    """At the latest when the greater part of their cohort has left, they are let go of."""
    it = world(batch_limit=1000, **NO_LATENCY)
    tasks = it.tasks(100)
    wait = it.wait(*tasks[:60], interval=3600.0)
    single = [it.wait(task, interval=3600.0) for task in tasks[60:]]
    it.run(10.0)
    it.cancel(wait)
    it.step()
    it.run(20.0)
    it.planner.due(it.now)
    assert it.planner.tasks == 40
    for each in single[:25]:
        it.cancel(each)
    it.run(30.0)
    it.planner.due(it.now)
    assert it.planner.tasks <= 2 * 15


@pytest.mark.covers("I-05", "F-15")
def test_leavers_go_though_their_account_is_blocked():
    """Queued cohorts that emptied leave the queue too."""
    it = world(batch_limit=2, **NO_LATENCY)
    it.wait(it.task("stays", ModelSource(account("b"))))
    waits = [it.wait(task) for task in it.tasks(20)]
    it.run(1.0)
    [book] = [book for found, book in it.planner.books() if found.fingerprint == "a"]
    book.throttle.throttled(it.now, 3600.0)
    it.run(5.0)
    assert len(book.throttle.queue) == 10
    for wait in waits:
        it.cancel(wait)
    it.run(9.0)
    assert it.planner.tasks == 1
    assert not book.throttle.queue
