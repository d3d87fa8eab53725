"""Waits: each ends exactly once, for its own reason, and tells its caller what it asked for."""

from __future__ import annotations

import pytest

from aiotasks._core import events
from aiotasks._core.cohorts import RECENTLY
from aiotasks._core.waits import Wait
from aiotasks.errors import AuthError, SchedulerClosed, ServerError, WaitTimeout
from aiotasks.limits import ENDINGS
from aiotasks.models import Answer
from tests.core.model import ModelSource, World, account, world

NO_LATENCY = {"latency": lambda: 0.0}


@pytest.mark.covers("I-02", "F-27", "F-76")
def test_every_wait_on_a_task_ends_with_it_once():
    """Ten waits, one query; whoever comes after the end is served without one."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    waits = [it.wait(task, interval=2.0 + number % 3) for number in range(10)]
    it.set("t0", "failed")
    it.run(5.0)
    assert [it.settled[wait] for wait in waits] == [0.5] * 10
    assert all(wait.outcome is None for wait in waits)
    late = it.wait(task)
    assert it.settled[late] == 5.0
    assert len(it.sent) == 1
    assert it.planner.is_idle


@pytest.mark.covers("I-07", "F-33")
def test_cancelled_wait_leaves_the_others_alone():
    """Nor does its time-out, and the last one to go parks the task."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    stays, leaves, times_out = it.wait(task), it.wait(task), it.wait(task, timeout=1.0)
    it.run(0.7)
    it.cancel(leaves)
    it.cancel(leaves)
    it.run(2.6)
    assert leaves not in it.settled
    assert isinstance(times_out.outcome, WaitTimeout)
    assert it.settled == {times_out: 1.0}
    assert it.asked("t0") == [0.5, 2.5]
    it.cancel(stays)
    it.run(60.0)
    assert it.asked("t0") == [0.5, 2.5]


@pytest.mark.covers("F-35")
def test_wait_that_was_given_up_before_it_began_stays_closed():
    """The caller went between two slices of a long registration."""
    it = world(**NO_LATENCY)
    tasks = it.tasks(2)
    for wait in (Wait(tasks, interval=2.0), Wait(tasks[:1], interval=2.0)):
        it.planner.feed(events.Ended(wait), 0.0)
        it.planner.feed(events.Watched(wait.tasks, wait), 0.0)
        it.step()
        assert it.planner.is_idle
        assert it.planner.tasks == 0
    wait = Wait(tasks, interval=2.0)
    it.planner.feed(events.Watched(tasks[:1], wait), 0.0)
    it.planner.feed(events.Ended(wait), 0.0)
    it.planner.feed(events.Watched(tasks[1:], wait), 0.0)
    it.run(9.0)
    assert it.sent == []
    assert it.planner.is_idle


@pytest.mark.covers("F-36")
def test_time_out_in_the_moment_of_the_query_comes_first():
    """No query names a task whose last wait ends in the same call."""
    it = world(**NO_LATENCY)
    it.wait(*it.tasks(2), timeout=0.5)
    it.run(9.0)
    assert it.sent == []


@pytest.mark.covers("F-36", "I-05")
def test_mass_time_out_comes_in_slices_and_before_any_query():
    """A slice per call, nothing else meanwhile; those who remain are asked after the last."""
    it = world(batch_limit=5000, **NO_LATENCY)
    tasks = it.tasks(3 * ENDINGS + 2)
    waits = [Wait((task,), interval=2.0, deadline=None if task is tasks[0] else 0.5) for task in tasks]
    for wait in waits:
        it.planner.feed(events.Watched(wait.tasks, wait), 0.0)
    counts = []
    for _ in range(4):
        assert it.planner.next_wakeup() == 0.5
        effects = it.planner.due(0.5)
        counts.append([sum(isinstance(e, kind) for e in effects) for kind in (events.Settle, events.Send)])
    assert counts == [[ENDINGS, 0]] * 3 + [[1, 1]]
    assert it.planner.desk.timeouts == 3 * ENDINGS + 1


@pytest.mark.covers("I-05")
@pytest.mark.parametrize("is_closed", [True, False], ids=["client closed", "credential refused"])
def test_mass_ending_comes_in_slices_and_before_any_query(is_closed):
    """Thousands of waits end with their account; no query is sent while they do."""
    it = world(batch_limit=50, **NO_LATENCY)
    waits = [it.wait(task) for task in it.tasks(3 * ENDINGS)]
    it.run(1.0)
    if is_closed:
        it.planner.feed(events.Closed(SchedulerClosed("closed"), it.source.account), it.now)
    else:
        it.respond = lambda it, flight: AuthError("401")
        while it.settled == {}:
            it.run(it.planner.next_wakeup() or it.now)
    sent = len(it.sent)
    calls = 0
    while any(wait.is_open for wait in waits):
        assert it.planner.next_wakeup() == it.now
        it.step()
        calls += 1
    assert calls <= 3
    it.run(60.0)
    assert len(it.sent) == sent
    assert it.planner.is_idle


def test_things_say_what_they_are():
    """One line each, for whoever debugs."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    wait = it.wait(task, timeout=1.0)
    assert repr(wait) == "<Wait on 1 tasks, 1 remaining, open>"
    assert repr(task.cohort).endswith(" of 1, due 0.500>")
    it.run(1.0)
    assert repr(wait) == "<Wait on 1 tasks, 1 remaining, ended: time is up>"


def test_wait_for_words_ends_with_one_of_them_and_closes_nothing():
    """The word ends that wait alone; the task is asked about for the others."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    for_word = it.wait(task, words=frozenset({"queued"}))
    to_end = it.wait(task)
    it.run(1.0)
    it.set("t0", "queued")
    it.run(3.0)
    assert it.settled == {for_word: 2.5}
    at_once = it.wait(task, words=frozenset({"queued"}))
    assert it.settled[at_once] == 3.0
    it.set("t0", "done")
    it.run(5.0)
    assert to_end in it.settled
    by_end = it.wait(task, words=frozenset({"never"}))
    assert by_end in it.settled


def test_word_that_was_heard_long_ago_is_asked_about():
    """What a parked task said last may not hold any more."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    it.set("t0", "queued")
    it.wait(task, words=frozenset({"queued"}))
    it.run(10.0)
    it.set("t0", "running")
    wait = it.wait(task, words=frozenset({"queued"}))
    it.run(20.0)
    assert wait.is_open


@pytest.mark.covers("I-01")
def test_refresh_is_the_answer_to_the_next_query_that_starts_after_the_call():
    """One in flight does not count; the two seconds hold; an unchanged answer is one."""
    it = world(latency=lambda: 1.0)
    [task] = it.tasks(1)
    it.wait(task, interval=10.0)
    it.run(0.7)
    refresh = it.wait(task, is_fresh=True)
    it.run(1.6)
    assert refresh.is_open
    it.run(8.0)
    assert it.asked("t0")[1] == pytest.approx(4.0)  # 1.5 + 2, and a window to be joined in
    assert it.settled[refresh] == pytest.approx(5.0)
    assert it.planner.desk.fresh == {}


def test_refresh_ends_after_five_failures_in_a_row():
    """With the last error; other waits go on."""
    it = world(respond=lambda it, flight: ServerError("no"), **NO_LATENCY)
    [task] = it.tasks(1)
    refresh, wait = it.wait(task, is_fresh=True), it.wait(task)
    it.run(300.0)
    assert isinstance(refresh.outcome, ServerError)
    assert wait.is_open


def test_refresh_ends_after_five_errors_about_its_entry():
    """The answer as a whole was good each time."""
    it = world(respond=lambda it, flight: Answer(refused={"t0": ServerError("no")}), **NO_LATENCY)
    refresh = it.wait(*it.tasks(1), is_fresh=True)
    it.run(60.0)
    assert isinstance(refresh.outcome, ServerError)
    assert len(it.sent) == 5


def test_refreshes_of_a_task_end_together_and_apart_from_a_cancelled_one():
    """Each is counted: the first to go leaves the others' wish standing."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    waits = [it.wait(task, is_fresh=True) for _ in range(3)]
    it.cancel(waits[0])
    assert it.planner.desk.fresh == {task: 2}
    it.run(1.0)
    assert set(it.settled) == set(waits[1:])
    assert it.planner.desk.fresh == {}


def test_listener_is_told_of_changes_and_of_the_end():
    """State or progress; not of an answer that says the same."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    wait = it.wait(task, is_listening=True)
    for progress in (None, 10.0, 10.0, 20.0):
        it.set("t0", "running", progress)
        it.run(it.now + 2.0)
    assert len(it.told) == 3
    it.set("t0", "done")
    it.run(it.now + 2.0)
    assert len(it.told) == 3
    assert wait in it.settled


def test_slow_listener_is_told_once():
    """Until it has looked, more changes tell it nothing more."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    wait = it.wait(task, is_listening=True)
    it.run(0.5)
    wait.is_told = True
    it.set("t0", "queued")
    told = len(it.told)
    it.run(3.0)
    assert len(it.told) == told


def test_set_counts_down_to_its_last_task():
    """It ends when all have, whether well, badly, or not to be asked about; those are named."""
    it = world(**NO_LATENCY)
    tasks = it.tasks(3)
    it.words.pop("t2")
    wait = it.wait(*tasks)
    it.set("t0", "done")
    it.run(3.0)
    it.set("t1", "failed")
    it.run(30.0)
    assert wait in it.settled
    assert wait.outcome is None
    assert wait.lost == [tasks[2]]


def test_empty_set_ends_at_once():
    """There is nothing to wait for."""
    it = world()
    wait = it.wait()
    assert it.settled == {wait: 0.0}
    assert it.planner.next_wakeup() is None or it.planner.due(0.0) == []


def test_as_completed_gives_each_task_once_in_the_order_of_their_ends():
    """The same objects; those that had ended come first."""
    it = world(batch_limit=50, **NO_LATENCY)
    tasks = it.tasks(5)
    it.set("t3", "done")
    it.wait(tasks[3])
    it.run(3.0)
    wait = it.wait(*tasks, is_each=True)
    for id in ("t4", "t0", "t2", "t1"):
        it.set(id, "done")
        it.run(it.now + 3.0)
    assert [record.id for record in wait.ready] == ["t3", "t4", "t0", "t2", "t1"]
    assert wait in it.settled


# --- a second handle ----------------------------------------------------------------------------------------


@pytest.mark.covers("F-75")
@pytest.mark.parametrize("kind", [{}, {"words": frozenset({"done"})}, {"is_fresh": True}, {"is_each": True}])
def test_second_handle_waits_without_a_query_of_its_own(kind):
    """Both see the end; the job is asked about once per interval."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    twin = it.task("t0")
    first, second = it.wait(task), it.wait(twin, **kind)
    it.set("t0", "done")
    it.run(3.0)
    assert set(it.settled) == {first, second}
    assert twin.word == "done"
    assert twin.is_final
    assert len(it.sent) == 1
    assert it.planner.tasks <= 1


@pytest.mark.covers("F-75")
def test_set_of_handles_on_one_task_is_one_query():
    """Ten handles in one set count ten, and are asked about once."""
    it = world(**NO_LATENCY)
    handles = [it.task("t0") for _ in range(10)]
    wait = it.wait(*handles, is_listening=True)
    it.run(0.6)
    assert {handle.word for handle in handles} == {"running"}
    it.set("t0", "done")
    it.run(3.0)
    assert wait in it.settled
    assert all(handle.is_final for handle in handles)
    assert len(it.sent) == 2


@pytest.mark.covers("F-75", "F-33")
def test_cancelled_wait_on_a_second_handle_ends_its_stand_in():
    """The registered handle's own wait goes on."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    twin = it.task("t0")
    first = it.wait(task)
    second = it.wait(twin, interval=2.0)
    it.cancel(second)
    assert it.planner.desk.open == 1
    it.set("t0", "done")
    it.run(3.0)
    assert set(it.settled) == {first}


@pytest.mark.covers("F-75", "I-01")
@pytest.mark.parametrize("away", [0.3, 1.9])
def test_second_handle_takes_the_place_of_one_that_nobody_waits_for(away):
    """With its last-asked time and its news; the first one is forgotten."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    wait = it.wait(task)
    it.run(0.6)
    it.cancel(wait)
    it.run(0.6 + away)
    twin = it.task("t0")
    it.wait(twin)
    assert it.planner.known(task.source.account, "t0") is twin
    assert twin.word == "running"
    it.run(4.0)
    assert len(it.asked("t0")) == 2


@pytest.mark.covers("F-75")
def test_second_handle_of_one_in_flight_waits_on_that():
    """It cannot take over while a query names the first; it hears the answer of the next."""
    it = world(latency=lambda: 1.0)
    [task] = it.tasks(1)
    wait = it.wait(task)
    it.run(0.7)
    it.cancel(wait)
    twin = it.task("t0")
    second = it.wait(twin)
    assert it.planner.known(task.source.account, "t0") is task
    it.set("t0", "done")
    it.run(3.0)
    assert second in it.settled
    third = it.wait(it.task("t0"))
    assert third in it.settled


@pytest.mark.covers("F-56", "I-01")
def test_task_asked_at_an_unknown_time_waits_its_two_seconds():
    """By another process, or before a crash."""
    it = world(**NO_LATENCY)
    task = it.task("t0")
    task.asked_at = RECENTLY
    it.now = 100.0
    it.wait(task)
    it.run(110.0)
    assert it.asked("t0")[0] == 102.5


# --- the end ------------------------------------------------------------------------------------------------


@pytest.mark.covers("F-44", "I-04")
def test_closing_an_account_ends_its_waits_alone():
    """A set that reaches into it ends as well; other accounts go on; the book goes with the last task."""
    it = world(**NO_LATENCY)
    mine = it.tasks(3)
    theirs = it.task("x", ModelSource(account("b")))
    waits = [it.wait(mine[0]), it.wait(*mine), it.wait(mine[1], theirs)]
    other = it.wait(theirs)
    it.run(3.0)
    error = SchedulerClosed("closed")
    it.planner.feed(events.Closed(error, mine[0].source.account), it.now)
    it.step()
    assert all(wait.outcome is error for wait in waits)
    it.run(9.0)
    assert other.is_open
    assert [found.fingerprint for found, _ in it.planner.books()] == ["b"]
    it.planner.feed(events.Closed(error, mine[0].source.account), it.now)
    it.planner.feed(events.Closed(error), it.now)
    it.step()
    assert other.outcome is error
    assert it.planner.open_waits() == []


def test_account_that_is_opened_again_keeps_its_book():
    """And its pace: a new client does not get round a `Retry-After`."""
    it = world(**NO_LATENCY)
    [task] = it.tasks(1)
    it.wait(task)
    it.run(1.0)
    [(found, book)] = it.planner.books()
    book.throttle.throttled(it.now, 60.0)
    it.planner.feed(events.Closed(SchedulerClosed("closed"), found), it.now)
    it.step()
    it.run(10.0)
    it.planner.forget(it.now)
    assert it.planner.tasks == 0
    assert [each for _, each in it.planner.books()] == [book]
    it.wait(it.task("new"))
    it.run(61.0)
    assert it.asked("new") == []
    it.run(70.0)
    assert len(it.asked("new")) >= 3
    assert [each for _, each in it.planner.books()] == [book]


def test_query_of_a_closed_client_ends_the_waits_on_its_tasks():
    """Waits that began while it closed must not go on for ever."""
    it = world(respond=lambda it, flight: SchedulerClosed("closed"), **NO_LATENCY)
    waits = [it.wait(*it.tasks(1)), it.wait(*it.tasks(3, "s"))]
    it.run(3.0)
    assert all(isinstance(wait.outcome, SchedulerClosed) for wait in waits)


def test_held_planner_sends_nothing_and_ends_waits():
    """While the scheduler closes; there is nothing to wake up for but time-outs."""
    it = world(**NO_LATENCY)
    wait = it.wait(*it.tasks(1), timeout=5.0)
    it.planner.is_held = True
    assert it.planner.next_query() is None
    assert it.planner.next_wakeup() == 5.0
    it.run(9.0)
    assert it.sent == []
    assert wait in it.settled


@pytest.mark.covers("I-05")
def test_idle_planner_is_taken_apart():
    """Nothing in the timetable, the queues, or the register; a million tasks of a set are let go of."""
    it = World(ModelSource(account(), batch_limit=2), latency=lambda: 0.0)
    [wait] = [it.wait(*it.tasks(20))]
    it.run(1.0)
    [(_, book)] = it.planner.books()
    book.throttle.throttled(it.now, 100.0)
    it.run(4.0)
    it.planner.feed(events.Ended(wait), it.now)
    assert it.planner.is_idle
    while it.planner.tidy():
        pass
    assert not book.throttle.queue
    assert it.planner.forget(it.now + 2.0, most=1000) is None
    assert it.planner.tasks == 0
    assert it.planner.next_wakeup() is None


def test_tidying_stops_at_a_cohort_somebody_waits_for():
    """It is planned again, as it was."""
    it = world(batch_limit=2, **NO_LATENCY)
    it.wait(*it.tasks(2))
    it.run(1.0)
    assert it.planner.tidy()
    it.run(3.0)
    assert [at for at, _ in it.sent] == [0.0, 2.0]
