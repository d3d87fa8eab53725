"""Cancellation is local: at every await of every call, in crowds, and in the same turn as a result."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import anyio
import attrs
import pytest

import aiotasks
from aiotasks.errors import SchedulerClosed, WaitTimeout
from aiotasks.models import Page, Request, Response
from tests.runtime.support import assert_forgotten, cancelled_at, least_gap, now, outcome, passes, start, waits_alive

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from aiotasks.testing import FakeClient, FakePlatform

pytestmark = pytest.mark.looptime


@attrs.frozen
class Numbers:
    """Three pages of two rows, from the fake platform's answers."""

    def request(self, cursor: str | None) -> Request:
        return Request(url="https://fake.invalid:443/rows", body=b"[]", is_repeatable=True)

    def read(self, cursor: str | None, response: Response) -> Iterator[Page[int]]:
        number = int(cursor or 0)
        yield Page(rows=[number * 2, number * 2 + 1], cursor=str(number + 1) if number < 2 else None)


async def _drained(iterator: Any) -> list[Any]:
    return [each async for each in iterator]


async def _numbers(client: FakeClient) -> list[int]:
    async def opened() -> Numbers:
        return Numbers()

    return await client.results(opened)


async def _outcome_of(task: aiotasks.Task) -> aiotasks.Task:
    return await task


CALLS: dict[str, Callable[[FakeClient, aiotasks.Task], Coroutine[Any, Any, Any]]] = {
    "await": lambda client, task: _outcome_of(task),
    "wait_till_done": lambda client, task: task.wait_till_done(timeout_seconds=60),
    "wait_for": lambda client, task: task.wait_for("done"),
    "refresh": lambda client, task: task.refresh(),
    "changes": lambda client, task: _drained(task.changes()),
    "wait_all": lambda client, task: aiotasks.wait_all([task, client.open("b")], timeout_seconds=60),
    "as_completed": lambda client, task: _drained(aiotasks.as_completed([task, client.open("b")])),
    "find_task": lambda client, task: client.find("b"),
    "results": lambda client, task: _numbers(client),
    "once": lambda client, task: client.once("name", lambda: asyncio.sleep(0.1)),
}


@pytest.mark.covers("F-34", "I-07", "I-09")
@pytest.mark.parametrize("name", CALLS)
async def test_cancelled_at_every_await_leaves_nothing(client: FakeClient, platform: FakePlatform, name: str):
    """Each call, cancelled at its 1st, 2nd, ... await until it completes: no wait, task, query or record stays."""
    platform.latency = 0.1
    step = 0
    while True:
        step += 1
        platform.set("a", "running")
        platform.set("b", "running")
        neighbour = start(client.open("n").wait_till_done()) if step % 2 else None
        platform.set("n", "running")
        task = client.open("a")
        call = start(cancelled_at(step, CALLS[name](client, task)))
        await asyncio.sleep(1.0)
        for id in ("a", "b", "n"):
            platform.set(id, "done")
        end = await outcome(call)
        if neighbour is not None:
            assert await outcome(neighbour) is None
        await assert_forgotten(client)
        if not isinstance(end, asyncio.CancelledError):
            assert end == step - 1, "it came to its end before the cancellation"
            break
    assert step > 1
    assert least_gap(platform) >= 2.1 or name in ("results", "once")
    assert waits_alive() == 0


@pytest.mark.covers("F-34")
async def test_closing_cancelled_at_every_await(platform: FakePlatform):
    """`aclose` of a scheduler with work in flight, cancelled at each await: every wait ends all the same."""
    platform.latency = 1.0
    for step in range(1, 6):
        scheduler = aiotasks.Scheduler()
        async with platform.client(scheduler) as client:
            wait = start(client.start("a").wait_till_done())
            await asyncio.sleep(1.0)
            await outcome(start(cancelled_at(step, scheduler.aclose())))
            assert isinstance(await outcome(wait), SchedulerClosed)
            await asyncio.sleep(2.0)


@pytest.mark.covers("F-33", "I-02", "I-09")
async def test_ten_thousand_waits_cancelled_at_random_harm_no_other(platform: FakePlatform):
    """Of 20,000 waits half are cancelled at random moments: the others all end well, and nothing is left."""
    platform.batch_limit = 500
    chance = random.Random(7)
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        tasks = [client.start(f"t{n}") for n in range(2_000)]
        waits = [start(task.wait_till_done(timeout_seconds=None)) for task in tasks for _ in range(10)]
        chance.shuffle(waits)
        doomed, others = waits[:10_000], waits[10_000:]
        for some in range(0, 10_000, 500):
            await asyncio.sleep(chance.random())
            for wait in doomed[some : some + 500]:
                wait.cancel()
            await passes(3)
        assert scheduler.statistics().waits == 10_000
        assert not any(wait.done() for wait in others)
        for task in tasks:
            platform.set(task.id, "done")
        assert await asyncio.gather(*others) == [None] * 10_000
        ends = await asyncio.gather(*doomed, return_exceptions=True)
        assert all(isinstance(end, asyncio.CancelledError) for end in ends)
        assert least_gap(platform) >= 2.0
        del waits, doomed, others, ends, wait
        await assert_forgotten(client)
        assert waits_alive() == 0
        assert len(asyncio.all_tasks()) == 1


# --- scopes of others ---------------------------------------------------------------------------------------


@pytest.mark.covers("F-33")
async def test_timeouts_of_asyncio_and_anyio_end_one_wait(client: FakeClient, platform: FakePlatform):
    """`asyncio.timeout`, `asyncio.wait_for` and anyio's scopes end the wait inside at their second, and no other."""
    task = client.start("a")
    other = start(task.wait_till_done(timeout_seconds=None))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1.25):
            await task
    assert now() == 1.25
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(task.wait_till_done(), 1.0)
    assert now() == 2.25
    with anyio.move_on_after(1.0) as scope:
        await task.refresh()
        await task.wait_till_done()
    assert (scope.cancelled_caught, now()) == (True, 3.25)
    with pytest.raises(TimeoutError), anyio.fail_after(1.0):
        await aiotasks.wait_all([task])
    assert now() == 4.25
    assert client.scheduler.statistics().waits == 1
    assert not other.done()
    platform.set("a", "done")
    await other
    assert least_gap(platform) >= 2.0


@pytest.mark.covers("F-33", "I-04")
async def test_failing_sibling_of_a_task_group_cancels_its_waits_only(client: FakeClient, platform: FakePlatform):
    """A task group of asyncio or anyio that fails takes its own waits along."""
    task = client.start("a")
    outside = start(task.wait_till_done())
    with pytest.raises(ExceptionGroup):  # noqa: PT012 - the group is what raises
        async with asyncio.TaskGroup() as group:
            group.create_task(task.wait_till_done())
            group.create_task(_fail_after(1.0))
    with pytest.raises(ExceptionGroup):  # noqa: PT012 - the group is what raises
        async with anyio.create_task_group() as scope:
            scope.start_soon(task.wait_till_done)
            scope.start_soon(_fail_after, 1.0)
    assert client.scheduler.statistics().waits == 1
    platform.set("a", "done")
    await outside


async def _fail_after(seconds: float) -> None:
    await asyncio.sleep(seconds)
    raise ValueError("a sibling")


async def test_anyio_scope_around_an_iteration_may_be_left(client: FakeClient, platform: FakePlatform):
    """No scope of ours is open across a `yield`: the caller's own may close in any order."""
    tasks = [client.start(f"t{n}", "done" if n == 0 else "running") for n in range(3)]
    seen = []
    with anyio.move_on_after(5.0):
        async for task in aiotasks.as_completed(tasks):
            seen.append(task)  # noqa: PERF401 - what came before the scope closed counts
    assert seen == [tasks[0]]
    assert now() == 5.0
    await assert_forgotten(client)


# --- the same turn ------------------------------------------------------------------------------------------


@pytest.mark.covers("F-35")
async def test_cancelled_and_settled_in_the_same_turn(client: FakeClient, platform: FakePlatform):
    """Either outcome, never both and never neither; the result stays readable from the task."""
    for passes_before in range(12):
        id = f"a{passes_before}"
        task = client.start(id)
        wait = start(task.wait_till_done())
        await asyncio.sleep(1.0)
        platform.set(id, "done")
        while not task.is_done:  # noqa: ASYNC110 - the very pass in which the answer is taken in
            await asyncio.sleep(0.01)
        await passes(passes_before)
        wait.cancel()
        assert type(await outcome(wait)) in (type(None), asyncio.CancelledError)
        assert task.is_done
        await assert_forgotten(client)


@pytest.mark.covers("F-35")
async def test_cancelled_in_the_pass_of_its_time_out(client: FakeClient):
    """A wait cancelled as its own time-out strikes ends once."""
    task = client.start("a")
    for order in range(4):
        wait = start(task.wait_till_done(timeout_seconds=3.0))
        await asyncio.sleep(3.0)
        await passes(order)
        wait.cancel()
        assert type(await outcome(wait)) in (WaitTimeout, asyncio.CancelledError)
    await assert_forgotten(client)


@pytest.mark.covers("I-02")
async def test_abandoned_wait_of_one_caller_keeps_the_query_for_the_other(client: FakeClient, platform: FakePlatform):
    """A caller cancelled while the query flies changes nothing for it: its answer serves the other."""
    platform.latency = 1.0
    task = client.start("a", "done")
    first, second = start(task.wait_till_done()), start(task.wait_till_done())
    await asyncio.sleep(1.0)
    first.cancel()
    await second
    assert now() == 1.5
    assert len(platform.queries) == 1
