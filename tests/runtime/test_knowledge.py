"""What is known of a task and since when, and what that ends: nothing is believed that was not heard of that task."""

from __future__ import annotations

import asyncio

import pytest

import aiotasks
from aiotasks.errors import ProtocolError, TaskNotFound
from aiotasks.testing import FakePlatform, FakeSource, FakeTask
from tests.runtime.support import now, start

pytestmark = pytest.mark.looptime


@pytest.mark.covers("I-02")
async def test_word_said_again_ends_a_wait_though_the_whole_answer_is_the_last_one():
    """Answers equal to the last are not read, unless somebody waits for a word to be said again."""
    platform = FakePlatform()
    async with platform.client() as client:
        task = client.start("a", "deployed")
        other = start(task.wait_till_done(None))
        await asyncio.sleep(11)
        begun = now()
        assert await task.wait_for("deployed", timeout_seconds=10) == "deployed"
        assert now() - begun <= 2.5
        other.cancel()


@pytest.mark.covers("I-05")
async def test_task_whose_word_ended_it_is_asked_no_more_while_its_set_goes_on():
    """Of a hundred tasks the one that is still open is asked about alone."""
    platform = FakePlatform()
    async with platform.client() as client:
        tasks = [client.start(f"t{n}") for n in range(100)]
        for task in tasks:
            task.end_words = frozenset({"deployed"})
        wait = start(aiotasks.wait_all(tasks))
        await asyncio.sleep(1)
        for task in tasks[1:]:
            platform.set(task.id, "deployed")
        await asyncio.sleep(30)
        assert platform.queries[-1][1] == ["t0"]
        platform.set("t0", "done")
        await wait


@pytest.mark.covers("I-05", "F-38")
async def test_wait_that_ends_at_once_leaves_nothing_registered():
    """A word heard within the interval needs no query, and no place in the registry."""
    platform = FakePlatform()
    async with platform.client() as client:
        task = client.start("a", "deployed")
        await task.wait_for("deployed", check_frequency=30)
        await asyncio.sleep(5)
        await task.wait_for("deployed", check_frequency=30)
        await asyncio.sleep(3)
        assert client.scheduler.statistics().tasks == 0


async def test_joining_a_cohort_brings_none_of_its_knowledge():
    """Neither when it was heard, nor its faults; so no word counts as heard that was said long ago."""
    platform = FakePlatform()
    async with platform.client() as client:
        busy, idle = client.start("a"), client.start("b", "deployed")
        await idle.refresh()
        heard = idle.observed_at
        wait = start(busy.wait_till_done(None))
        await asyncio.sleep(60.2)
        platform.set("b", "running")
        fresh = client.open("n")
        joined = [start(task.wait_till_done(None)) for task in (idle, fresh)]
        await asyncio.sleep(0.01)
        assert (fresh.observed_at, fresh.last_error) == (None, None)
        assert idle.observed_at == heard
        for join in joined:
            join.cancel()
        await asyncio.sleep(0.01)
        with pytest.raises(aiotasks.WaitTimeout):
            await idle.wait_for("deployed", timeout_seconds=10)
        wait.cancel()


@pytest.mark.covers("F-39", "I-04")
@pytest.mark.parametrize("fault", ["request", "learn"])
async def test_source_that_breaks_harms_its_own_tasks_alone(fault):
    """Whoever wrote it: its tasks end with an error or go on, and another platform's never notice."""

    class Broken(FakeSource):
        def request(self, query):
            if fault == "request":
                raise ValueError("a bug of somebody else")
            return super().request(query)

        def learn(self, fact):
            raise ValueError("a bug of somebody else")

    good, bad = FakePlatform(name="good"), FakePlatform(name="bad")
    bad.script = [aiotasks.QueryTooLarge("too many")]
    async with aiotasks.Scheduler() as scheduler, good.client(scheduler) as ours, bad.client(scheduler) as theirs:
        wait = start(ours.start("x").wait_till_done(None))
        for name in "uv":
            bad.set(name, "running")
        broken = [theirs.open_task(FakeTask, name, Broken(bad.account)) for name in "uv"]
        doomed = [start(task.wait_till_done(60)) for task in broken]
        await asyncio.sleep(20)
        for name in "uv":
            bad.set(name, "done")
        ended = await asyncio.gather(*doomed, return_exceptions=True)
        if fault == "request":
            assert all(isinstance(end, ProtocolError) for end in ended)
        else:
            assert ended == [None, None]
        assert not wait.done()
        good.set("x", "done")
        await wait


async def test_set_of_one_counts_a_task_that_cannot_be_asked_as_ended():
    """As a set of two does: the error is in `last_error`, and raised by no set."""
    platform = FakePlatform()
    async with platform.client() as client:
        (task,) = await aiotasks.wait_all([client.open("nobody")])
        assert isinstance(task.last_error, TaskNotFound)
        assert [each.id async for each in aiotasks.as_completed([client.open("neither")])] == ["neither"]


@pytest.mark.covers("I-04")
async def test_many_endings_of_one_account_keep_no_other_waiting():
    """While one account's waits time out by the thousand, the other's task is asked about within its window."""
    crowd, few = FakePlatform(name="crowd", batch_limit=1_000), FakePlatform(name="few")
    async with aiotasks.Scheduler() as scheduler, crowd.client(scheduler) as theirs, few.client(scheduler) as ours:
        wait = start(ours.start("x").wait_till_done(None))
        tasks = [theirs.start(f"t{n}") for n in range(5_000)]
        waits = [start(task.wait_till_done(timeout_seconds=20)) for task in tasks]
        await asyncio.gather(*waits, return_exceptions=True)
        await asyncio.sleep(10)
        assert max(few.gaps) <= 2.6
        wait.cancel()
