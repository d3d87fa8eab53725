"""Waits on one task and on many: when they end, with what, at which second."""

from __future__ import annotations

import asyncio
import contextlib
from itertools import pairwise

import pytest

import aiotasks
from aiotasks.errors import (
    InvalidArgument,
    NetworkError,
    RateLimited,
    SchedulerClosed,
    ServerError,
    TaskCancelled,
    TaskFailed,
    TaskNotFound,
    WaitTimeout,
)
from aiotasks.models import Response, State
from aiotasks.testing import FakeClient, FakePlatform
from tests.runtime.support import assert_forgotten, later, least_gap, now, outcome, passes, start

pytestmark = pytest.mark.looptime


# --- one task ---------------------------------------------------------------------------------------------


async def test_await_gives_the_finished_task(client: FakeClient, platform: FakePlatform):
    """`await task` gives that very task once the job has ended: asked after W, then every two seconds."""
    task = client.start("a")
    start(later(3.0, lambda: platform.set("a", "done")))
    assert await task is task
    assert (task.state, task.status, task.is_done, now()) == (State.SUCCEEDED, "done", True, 4.5)
    assert platform.asked("a") == [0.5, 2.5, 4.5]


@pytest.mark.covers("F-27")
@pytest.mark.parametrize(("word", "error"), [("failed", TaskFailed), ("cancelled", TaskCancelled)])
async def test_job_that_ends_badly_raises_from_await_only(client: FakeClient, word: str, error: type[Exception]):
    """The verdict is what `await task` raises; `wait_till_done` returns, for the job has ended."""
    task = client.start("a", word)
    await task.wait_till_done()
    with pytest.raises(error, match=f"fake task a ended as {word}"):
        await task


@pytest.mark.covers("F-76")
async def test_await_after_the_end_asks_nothing_and_gives_fresh_errors(client: FakeClient, platform: FakePlatform):
    """Each await of an ended task gives an equal error of its own, and sends nothing."""
    task = client.start("a", "failed")
    first = await outcome(start(task._outcome()))
    second = await outcome(start(task._outcome()))
    assert first is not second
    assert (type(first), str(first)) == (type(second), str(second))
    await task.wait_till_done(timeout_seconds=0)
    await task.refresh()
    assert len(platform.queries) == 1


@pytest.mark.covers("F-36")
async def test_time_out_tells_what_is_known_and_the_task_goes_on(client: FakeClient, platform: FakePlatform):
    """`WaitTimeout` comes at its second, with status, age and token; the task may be awaited again."""
    task = client.start("a")
    with pytest.raises(WaitTimeout) as caught:
        await task.wait_till_done(timeout_seconds=4.0)
    assert now() == 4.0
    error = caught.value
    assert (error.status, error.age, error.last_error, error.timeout_seconds) == ("running", 1.5, None, 4.0)
    assert client.from_token(error.token or "").id == "a"
    assert list(error.pending) == [task]
    platform.set("a", "done")
    assert await task is task


@pytest.mark.covers("B-03")
async def test_timeout_of_zero_tells_what_is_known_without_a_request(client: FakeClient, platform: FakePlatform):
    """A time-out of 0 asks nothing: it returns for what has ended, and raises for the rest."""
    task = client.start("a", "done")
    with pytest.raises(WaitTimeout, match="after 0 s"):
        await task.wait_till_done(timeout_seconds=0)
    with pytest.raises(WaitTimeout, match="had not ended after 0 s"):
        await aiotasks.wait_all([task], timeout_seconds=0)
    with pytest.raises(WaitTimeout):
        [each async for each in aiotasks.as_completed([task], timeout_seconds=0)]
    assert platform.queries == []
    await task
    assert await aiotasks.wait_all([task], timeout_seconds=0) == [task]
    assert [each async for each in aiotasks.as_completed([task], timeout_seconds=0)] == [task]


async def test_wait_for_ends_at_a_word_that_is_not_final(client: FakeClient, platform: FakePlatform):
    """`wait_for` gives the word it waited for, closes nothing, and ends at the job's end as well."""
    task = client.start("a")
    start(later(1.0, lambda: platform.set("a", "deployed")))
    assert await task.wait_for("deployed", "stopped") == "deployed"
    assert (now(), task.is_done) == (2.5, False)
    start(later(1.0, lambda: platform.set("a", "done")))
    assert await task.wait_for("stopped") == "done"
    assert task.is_done


@pytest.mark.looptime
@pytest.mark.covers("I-02")
@pytest.mark.parametrize("idle", [0.5, 5.0])
async def test_a_word_that_was_said_already_ends_the_wait_when_it_is_said_again(idle):
    """Heard within the interval it counts at once; an older word is asked about, and an unchanged row answers."""
    platform = FakePlatform()
    async with platform.client() as client:
        task = client.start("a", "deployed")
        await task.refresh()
        await asyncio.sleep(idle)
        begun = asyncio.get_running_loop().time()
        assert await task.wait_for("deployed", timeout_seconds=10) == "deployed"
        assert asyncio.get_running_loop().time() - begun == pytest.approx(0.0 if idle < 2 else 0.5, abs=0.01)


@pytest.mark.covers("F-33")
async def test_smallest_interval_of_several_waits_counts(client: FakeClient, platform: FakePlatform):
    """A second, more impatient wait quickens the checks at once; when it leaves they slow down again."""
    task = client.start("a")
    patient = start(task.wait_till_done(timeout_seconds=None, check_frequency=10))
    await asyncio.sleep(3.0)
    with contextlib.suppress(WaitTimeout):
        await task.wait_till_done(timeout_seconds=6.0, check_frequency=2)
    patient_from = now()
    await asyncio.sleep(21)
    platform.set("a", "done")
    await patient
    asked = platform.asked("a")
    assert [at for at in asked if at <= patient_from] == [0.5, 3.5, 5.5, 7.5]
    assert [b - a for a, b in pairwise(asked[3:])] == [10.5, 10.0, 10.0]


# --- refresh ----------------------------------------------------------------------------------------------


async def test_refresh_is_the_answer_to_a_query_that_starts_after_it(client: FakeClient, platform: FakePlatform):
    """A query under way when `refresh` is called does not count: the next one does, two seconds later."""
    platform.latency = 0.5
    task = client.start("a")
    first = start(task.refresh())
    await asyncio.sleep(0.7)  # the first query is in flight since 0.5
    assert task.next_check_at is None
    platform.set("a", "running", 50)
    second = start(task.refresh())
    await first
    assert (now(), task.status) == (1.0, "running")
    await second
    assert (now(), task.progress) == (3.5, 50)
    assert platform.asked("a") == [0.5, 3.0]


async def test_refresh_gives_up_after_five_failures(client: FakeClient, platform: FakePlatform):
    """Five failed queries in a row end a refresh with the last fault; waits on the same task go on (I-10)."""
    task = client.start("a")
    wait = start(task.wait_till_done(timeout_seconds=None))
    platform.script = [NetworkError(f"fault {n}") for n in range(5)]
    with pytest.raises(NetworkError, match="fault 4"):
        await task.refresh()
    assert len(platform.queries) == 5
    assert not wait.done()
    platform.set("a", "done")
    await wait
    assert client.scheduler.statistics().errors == {"NetworkError": 5}


@pytest.mark.covers("F-14", "F-15")
async def test_faults_lengthen_a_wait_and_say_nothing_about_the_job(client: FakeClient, platform: FakePlatform):
    """5xx and `Retry-After` are waited out; `last_error` tells meanwhile, and is gone when heard of again."""
    task = client.start("a")
    platform.script = [ServerError("bad gateway", http_status=502), RateLimited("slow down", retry_after=30)]
    wait = start(task.wait_till_done(timeout_seconds=None))
    await asyncio.sleep(1.0)
    assert isinstance(task.last_error, ServerError)
    assert task.observed_at is None
    await asyncio.sleep(8)
    assert isinstance(task.last_error, RateLimited)
    second = platform.asked("a")[1]
    assert task.next_check_at is not None
    assert task.next_check_at >= second + 30
    platform.set("a", "done")
    await wait
    third = platform.asked("a")[2]
    assert second + 30 <= third <= second + 34
    assert task.observed_at == third
    assert task.last_error is None


# --- unknown ids ------------------------------------------------------------------------------------------


@pytest.mark.covers("F-19")
async def test_unknown_id_ends_its_own_waits_only(client: FakeClient, platform: FakePlatform):
    """An id denied twice is `TaskNotFound` for that task alone; its siblings keep their cadence."""
    tasks = [client.start(f"t{n}") for n in range(5)]
    waits = [start(task.wait_till_done()) for task in tasks]
    nobody = client.open("nobody")
    with pytest.raises(TaskNotFound, match="fake knows no task 'nobody'"):
        await nobody
    assert now() == 2.5
    assert isinstance(nobody.last_error, TaskNotFound)
    for task in tasks:
        platform.set(task.id, "done")
    await asyncio.gather(*waits)
    assert now() == 4.5
    assert all(platform.asked(task.id) == [0.5, 2.5, 4.5] for task in tasks)


# --- changes ----------------------------------------------------------------------------------------------


async def test_changes_tells_each_change_and_the_end_last(client: FakeClient, platform: FakePlatform):
    """State and progress changes come as they are seen; equal answers give nothing; the end is the last one."""
    task = client.start("a", "queued")
    for at, word, progress in [(1, "running", 10), (5, "running", 60), (7, "done", 100)]:
        start(later(at, lambda word=word, progress=progress: platform.set("a", word, progress)))
    seen = [(now(), change.word, change.progress) async for change in task.changes()]
    assert seen == [(0.5, "queued", None), (2.5, "running", 10), (6.5, "running", 60), (8.5, "done", 100)]
    assert [change.word async for change in task.changes()] == ["done"]


async def test_slow_consumer_of_changes_gets_the_latest_and_the_end(client: FakeClient, platform: FakePlatform):
    """What came between two looks is skipped, never the end."""
    task = client.start("a")
    for at in range(1, 12):
        start(later(at, lambda at=at: platform.set("a", "running", at)))
    start(later(12, lambda: platform.set("a", "done", 12)))
    seen = []
    async for change in task.changes():
        seen.append(change.progress)
        await asyncio.sleep(5)
    assert seen == [None, 4, 8, 12]


@pytest.mark.covers("F-33")
async def test_leaving_changes_early_ends_that_wait(client: FakeClient, platform: FakePlatform):
    """After `break` nothing is asked any more, and nothing stays."""
    task = client.start("a")
    async for _ in task.changes():
        break
    await passes()
    assert client.scheduler.statistics().waits == 0
    await assert_forgotten(client)
    assert len(platform.queries) == 1


async def test_changes_of_an_unknown_task_raise(client: FakeClient):
    """An id that cannot be asked about ends the iteration with the error."""
    with pytest.raises(TaskNotFound):
        [change async for change in client.open("nobody").changes()]


# --- sets -------------------------------------------------------------------------------------------------


async def test_wait_all_gives_the_tasks_in_the_order_given(client: FakeClient, platform: FakePlatform):
    """The list that comes back is the one that was given: failures, doubles and unknown ids in their places."""
    good, bad, nobody = client.start("good"), client.start("bad"), client.open("nobody")
    start(later(1, lambda: platform.set("bad", "failed")))
    start(later(5, lambda: platform.set("good", "done")))
    given = [bad, good, nobody, good, bad]
    assert await aiotasks.wait_all(given) == given
    assert now() == 6.5
    assert [task.state for task in given[:2]] == [State.FAILED, State.SUCCEEDED]
    assert isinstance(nobody.last_error, TaskNotFound)
    assert client.scheduler.statistics().waits_begun == 1


@pytest.mark.covers("B-08", "B-16")
async def test_wait_all_takes_any_iterable_and_copies_it(client: FakeClient, platform: FakePlatform):
    """Nothing gives nothing without a request; a generator will do; the list may change while it is waited for."""
    assert await aiotasks.wait_all([]) == []
    assert [each async for each in aiotasks.as_completed(())] == []
    assert platform.queries == []
    tasks = [client.start(f"t{n}", "done") for n in range(3)]
    given = list(tasks)
    wait = start(aiotasks.wait_all(given))
    iterator = aiotasks.as_completed(given)
    await asyncio.sleep(0)
    given.clear()
    assert await wait == tasks
    assert [each async for each in iterator] == tasks
    assert await aiotasks.wait_all(task for task in tasks) == tasks


async def test_wait_all_times_out_with_those_that_had_not_ended(client: FakeClient, platform: FakePlatform):
    """`pending` has who is still open: neither those that ended nor those that cannot be asked about."""
    tasks = [client.start(f"t{n}") for n in range(4)]
    platform.set("t1", "done")
    nobody = client.open("nobody")
    with pytest.raises(WaitTimeout, match="3 of 5 tasks had not ended after 5 s") as caught:
        await aiotasks.wait_all([*tasks, nobody], timeout_seconds=5)
    assert now() == 5.0
    assert list(caught.value.pending) == [tasks[0], tasks[2], tasks[3]]
    assert caught.value.token is None


async def test_as_completed_gives_each_task_once_as_it_ends(client: FakeClient, platform: FakePlatform):
    """The same objects, each once, in the order of their ends; doubles count once, unknown ids too."""
    tasks = [client.start(f"t{n}") for n in range(4)]
    for n, task in enumerate(reversed(tasks)):
        start(later(1 + 2 * n, lambda task=task: platform.set(task.id, "done")))
    nobody = client.open("nobody")
    ended = [(now(), task) async for task in aiotasks.as_completed([*tasks, nobody, *tasks])]
    # The answer of 2.5 tells both of t3's end and, for the second time, that it knows no "nobody".
    assert [at for at, _ in ended] == [2.5, 2.5, 4.5, 6.5, 8.5]
    assert {id(task) for _, task in ended[:2]} == {id(tasks[3]), id(nobody)}
    assert all(given is task for (_, given), task in zip(ended[2:], reversed(tasks[:3]), strict=True))


async def test_as_completed_gives_what_ended_before_its_time_is_up(client: FakeClient, platform: FakePlatform):
    """Tasks that ended come out first, then `WaitTimeout` tells the others."""
    tasks = [client.start(f"t{n}") for n in range(3)]
    platform.set("t1", "done")
    async with contextlib.aclosing(aiotasks.as_completed(tasks, timeout_seconds=3)) as iterator:
        assert await anext(iterator) is tasks[1]
        await asyncio.sleep(10)
        with pytest.raises(WaitTimeout) as caught:
            await anext(iterator)
    assert list(caught.value.pending) == [tasks[0], tasks[2]]


@pytest.mark.covers("F-33")
async def test_abandoned_as_completed_ends_its_wait(client: FakeClient, platform: FakePlatform):
    """Leaving the loop early, or closing the iterator, leaves nothing behind."""
    tasks = [client.start(f"t{n}", "done" if n == 1 else "running") for n in range(3)]
    async for task in aiotasks.as_completed(tasks):
        assert task is tasks[1]
        break
    async with contextlib.aclosing(aiotasks.as_completed(tasks)) as iterator:
        assert await anext(iterator) is tasks[1]
    await assert_forgotten(client)
    assert len(platform.queries) == 1


async def test_set_of_two_schedulers_is_refused(client: FakeClient, platform: FakePlatform):
    """One wait has one scheduler; the error says so before any request."""
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as other:
        tasks = [client.start("a"), other.start("b")]
        with pytest.raises(InvalidArgument, match="several schedulers"):
            await aiotasks.wait_all(tasks)
    assert platform.queries == []


async def test_set_with_a_task_of_a_closed_client_is_refused(client: FakeClient):
    """Nobody could ask about it: an error at once, not a wait without end."""
    other = FakePlatform(name="other")
    async with other.client() as gone:
        orphan = gone.start("x")
    with pytest.raises(SchedulerClosed, match="the client is closed"):
        await aiotasks.wait_all([client.start("a"), orphan])


# --- two seconds ------------------------------------------------------------------------------------------


@pytest.mark.covers("I-01", "F-10")
async def test_two_seconds_hold_under_everything_callers_do(client: FakeClient, platform: FakePlatform):
    """Ten waits per task, refreshes, cancelled and timed-out waits, a slow platform: 2.0 s from answer to query."""
    platform.latency = 0.5
    tasks = [client.start(f"t{n}") for n in range(40)]
    waits = [start(task.wait_till_done(timeout_seconds=None)) for task in tasks for _ in range(10)]
    noise = []
    for second in range(20):
        await asyncio.sleep(0.37)
        for n in range(second % 3, 40, 3):
            noise.append(start(tasks[n].refresh()))
            noise.append(start(tasks[n].wait_till_done(timeout_seconds=0.25, check_frequency=2 + n % 3)))
        for doomed in noise[:: 2 + second % 4]:
            doomed.cancel()
    await asyncio.sleep(10)
    for task in tasks:
        platform.set(task.id, "done")
    assert await asyncio.gather(*waits) == [None] * 400
    await asyncio.gather(*noise, return_exceptions=True)
    assert least_gap(platform) >= 2.5
    await assert_forgotten(client)


@pytest.mark.covers("I-01")
async def test_two_seconds_hold_across_parking_and_new_handles(client: FakeClient, platform: FakePlatform):
    """A task nobody waits for keeps its last-asked time for two seconds, whoever opens it again."""
    for _ in range(5):
        task = client.start("a")
        with contextlib.suppress(WaitTimeout):
            await task.wait_till_done(timeout_seconds=0.7)
        handle = client.open("a")
        with contextlib.suppress(WaitTimeout):
            await handle.wait_till_done(timeout_seconds=1.0)
        async with platform.client() as other:
            with contextlib.suppress(WaitTimeout):
                await other.open("a").wait_till_done(timeout_seconds=0.9)
    assert least_gap(platform) >= 2.0


@pytest.mark.covers("F-24")
async def test_answer_that_makes_no_sense_is_asked_again(client: FakeClient, platform: FakePlatform):
    """A body that is no JSON says nothing about the job."""
    task = client.start("a", "done")
    platform.script = [Response(status=200, body=b"<html>"), Response(status=500)]
    await task
    assert task.state is State.SUCCEEDED
    assert len(platform.queries) == 3


@pytest.mark.looptime
@pytest.mark.covers("I-02", "F-75")
async def test_words_of_a_handle_end_its_waits_and_close_nothing():
    """Alone and in a set; waited for again after the job went on, the task is asked about before its end counts."""
    platform = FakePlatform()
    async with platform.client() as client:
        tasks = [client.start(name) for name in "ab"]
        for task in tasks:
            task.end_words = frozenset({"deployed"})
        platform.set("a", "deployed")
        platform.set("b", "done")
        assert await aiotasks.wait_all(tasks, timeout_seconds=10) == tasks
        assert [task.is_done for task in tasks] == [True, True]
        await tasks[0].wait_till_done(timeout_seconds=0)

        await asyncio.sleep(5)
        platform.set("a", "running")  # sent back to work
        again = asyncio.get_running_loop().create_task(tasks[0].wait_till_done(timeout_seconds=20))
        await asyncio.sleep(3)
        assert not again.done()
        platform.set("a", "deployed")
        await again

        await asyncio.sleep(5)
        assert [task async for task in aiotasks.as_completed(tasks, timeout_seconds=10)] == [tasks[1], tasks[0]]
        await asyncio.sleep(5)
        other = client.open("a")
        assert other is not tasks[0]
        with pytest.raises(aiotasks.WaitTimeout):
            await other.wait_till_done(timeout_seconds=5)


# --- one fresh status of many -----------------------------------------------------------------------------


@pytest.mark.covers("I-04")
async def test_refresh_all_takes_in_one_status_of_each(client: FakeClient, platform: FakePlatform):
    """Asked together and once; what cannot be found is told of in its place; what has ended is not asked about."""
    ended = client.start("ended", "done")
    await ended
    queries = len(platform.queries)
    first, gone = client.start("first"), client.open("gone")
    assert await aiotasks.refresh_all([first, gone, ended, first]) == [first, gone, ended, first]
    assert (first.status, first.last_error) == ("running", None)
    assert isinstance(gone.last_error, TaskNotFound)
    assert platform.asked("first")[:1] == platform.asked("gone")[:1]
    assert len(platform.queries) - queries <= 3
    assert least_gap(platform) >= 2.0
    assert await aiotasks.refresh_all([ended]) == [ended]
    assert await aiotasks.refresh_all([]) == []


async def test_cancelled_refresh_of_many_leaves_nothing_behind(client: FakeClient, platform: FakePlatform):
    """The call ends, and nobody is asked about any more."""
    tasks = [client.start(f"t{n}") for n in range(3)]
    refresh = start(aiotasks.refresh_all(tasks))
    await passes()
    refresh.cancel()
    assert isinstance(await outcome(refresh), asyncio.CancelledError)
    await asyncio.sleep(10)
    assert platform.queries == []


async def test_refresh_of_many_ends_with_its_client(client: FakeClient):
    """A closed client is an error of the call, not of one task."""
    refresh = start(aiotasks.refresh_all([client.start("a"), client.start("b")]))
    await passes()
    await client.aclose()
    assert isinstance(await outcome(refresh), SchedulerClosed)
