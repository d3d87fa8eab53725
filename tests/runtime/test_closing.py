"""Ends: `aclose` from anywhere, clients that come and go, loops that shut down, crashes, forks, forgotten loops."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading

import pytest

import aiotasks
from aiotasks._runtime.turns import Turns
from aiotasks.errors import (
    ForkedScheduler,
    SchedulerClosed,
    SchedulerCrashed,
    WaitTimeout,
    WrongLoop,
)
from aiotasks.limits import TURN_SLICE
from aiotasks.models import Response
from aiotasks.testing import FakeClient, FakePlatform
from tests.runtime.support import assert_forgotten, names, now, outcome, passes, start

# --- aclose -----------------------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.covers("F-44", "F-78")
async def test_closing_the_scheduler_ends_every_wait_and_refuses_new_ones(platform: FakePlatform):
    """Each kind of wait ends with `SchedulerClosed`; later calls say what to do; closing twice does nothing."""
    scheduler = aiotasks.Scheduler()
    async with platform.client(scheduler) as client:
        task = client.start("a")
        works = [
            task.wait_till_done(),
            task._outcome(),
            task.wait_for("deployed"),
            aiotasks.wait_all([task, client.start("b")]),
            _drained(aiotasks.as_completed([task])),
            _drained(task.changes()),
            client.find("a"),
        ]
        waits = [start(work) for work in works]
        await asyncio.sleep(0.6)
        waits.append(start(task.refresh()))
        await asyncio.sleep(0.1)
        await scheduler.aclose()
        ends = [await outcome(wait) for wait in waits]
        assert [type(end) for end in ends[:6]] == [SchedulerClosed] * 6
        assert type(ends[-1]) is SchedulerClosed
        assert now() == 0.7
        assert not names()
        with pytest.raises(SchedulerClosed, match="construct another one"):
            await task.wait_till_done()
        with pytest.raises(SchedulerClosed):
            await aiotasks.wait_all([task])
        await scheduler.aclose()
        assert repr(scheduler) == "<Scheduler closed: 0 tasks, 0 waits, 0 in flight>"
        assert task.next_check_at is None
        assert task.observed_at == 0.5


async def _drained(iterator: object) -> list[object]:
    return [each async for each in iterator]  # type: ignore[attr-defined]


@pytest.mark.looptime
@pytest.mark.covers("F-44", "L-17")
async def test_queries_in_flight_may_finish_before_closing(platform: FakePlatform):
    """What an answer under way brings is not lost: its waits end well, the others with `SchedulerClosed`."""
    platform.latency = 3.0
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        good, open_still = client.start("good", "done"), client.start("open")
        waits = [start(good.wait_till_done()), start(open_still.wait_till_done())]
        await asyncio.sleep(1.0)
        closers = [start(scheduler.aclose()) for _ in range(3)]
        await passes()
        assert not any(closer.done() for closer in closers)
        await asyncio.gather(*closers)
        assert now() == 3.5
        assert await outcome(waits[0]) is None
        assert isinstance(await outcome(waits[1]), SchedulerClosed)


@pytest.mark.looptime
@pytest.mark.covers("F-44", "L-17")
async def test_closing_takes_ten_seconds_at_most(platform: FakePlatform):
    """A query that does not come back is cancelled when its grace is over."""
    platform.latency = 25.0
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        wait = start(client.start("a").wait_till_done())
        await asyncio.sleep(1.0)
        await scheduler.aclose()
        assert now() == 11.0
        assert isinstance(await outcome(wait), SchedulerClosed)
        assert not names()


@pytest.mark.looptime
@pytest.mark.covers("F-34", "F-44")
async def test_cancelled_close_still_ends_everything(platform: FakePlatform):
    """Cancelling `aclose` gives up the grace and nothing else; whoever else closes is done as well."""
    platform.latency = 25.0
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        wait = start(client.start("a").wait_till_done())
        await asyncio.sleep(1.0)
        first, second = start(scheduler.aclose()), start(scheduler.aclose())
        await asyncio.sleep(1.0)
        first.cancel()
        assert isinstance(await outcome(first), asyncio.CancelledError)
        assert await outcome(second) is None
        assert isinstance(await outcome(wait), SchedulerClosed)
        assert now() == 2.0


@pytest.mark.looptime
async def test_scheduler_can_be_closed_before_it_was_used():
    """Nothing was started, so there is nothing to end; it stays closed."""
    scheduler = aiotasks.Scheduler()
    await scheduler.aclose()
    with pytest.raises(SchedulerClosed):
        async with scheduler:
            pass


@pytest.mark.looptime
async def test_shared_scheduler_is_replaced_once_closed(platform: FakePlatform):
    """Closing the loop's shared scheduler is allowed: the next client gets a new one."""
    first = aiotasks.current_scheduler()
    assert aiotasks.current_scheduler() is first
    await first.aclose()
    second = aiotasks.current_scheduler()
    assert second is not first
    async with platform.client() as client:
        assert client.scheduler is second
        await client.start("a", "done")


# --- clients ----------------------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.covers("F-44")
async def test_closing_a_client_ends_the_waits_on_its_tasks(client: FakeClient, platform: FakePlatform):
    """Waits on single tasks and on sets alike end at once; those of other accounts go on."""
    other_platform = FakePlatform(name="other")
    async with other_platform.client() as other:
        theirs = other.start("theirs")
        goes_on = start(theirs.wait_till_done())
        mine = [client.start(f"t{n}") for n in range(3)]
        waits = [start(mine[0].wait_till_done()), start(aiotasks.wait_all(mine)), start(_drained(mine[1].changes()))]
        mixed = start(aiotasks.wait_all([theirs, mine[2]]))
        await asyncio.sleep(1.0)
        await client.aclose()
        await client.aclose()
        for wait in (*waits, mixed):
            assert isinstance(await outcome(wait), SchedulerClosed)
        assert now() == 1.0
        with pytest.raises(SchedulerClosed, match="the client is closed"):
            await mine[0]
        with pytest.raises(SchedulerClosed):
            client.enter()
        assert repr(client) == "<FakeClient of fake at https://fake.invalid:443, closed>"
        other_platform.set("theirs", "done")
        assert await outcome(goes_on) is None


@pytest.mark.looptime
async def test_second_client_of_an_account_takes_the_waits_over(client: FakeClient, platform: FakePlatform):
    """Of two clients of one account and scheduler, closing one leaves the waits to the other."""
    async with platform.client() as other:
        task = other.start("a")
        assert client.open("a") is not task  # not waited for yet: two handles
        wait = start(task.wait_till_done())
        await asyncio.sleep(1.0)
        assert client.open("a") is task
    platform.set("a", "done")
    await wait
    assert task.is_done


@pytest.mark.looptime
@pytest.mark.covers("I-01", "I-04", "F-44")
async def test_closing_the_client_that_asks_leaves_the_waits_of_the_other(client: FakeClient, platform: FakePlatform):
    """A query that goes down with its client is asked again by the other one, two seconds later; nothing ends."""
    platform.latency = 1.0
    task = client.start("a")
    wait = start(task.wait_till_done())
    await passes()
    other = platform.client()
    other.enter()  # the last to come: queries go by it
    await asyncio.sleep(1.0)
    assert len(platform.queries) == 1
    await other.aclose()
    platform.set("a", "done")
    assert await outcome(wait) is None
    assert len(platform.queries) == 2
    assert platform.gaps[0] >= 3.0
    assert client.scheduler.statistics().errors == {"NetworkError": 1}


@pytest.mark.looptime
@pytest.mark.covers("I-01", "I-04")
async def test_client_after_a_closed_one_waits_undisturbed(platform: FakePlatform):
    """The next client's wait on the same job is not ended by the last one's closing, and keeps the two seconds."""
    async with platform.client() as first:
        with pytest.raises(WaitTimeout):
            await first.start("a").wait_till_done(timeout_seconds=0.7)
    async with platform.client() as second:
        wait = start(second.open("a").wait_till_done())
        await asyncio.sleep(0.1)
        platform.set("a", "done")
        await wait
    assert platform.gaps == [2.5]  # within the window W after the two seconds


@pytest.mark.looptime
async def test_wait_that_begins_while_its_client_closes_ends(client: FakeClient, platform: FakePlatform):
    """A long registration that the close overtakes is no wait without end."""
    tasks = [client.start(f"t{n}") for n in range(20_000)]
    wait = start(aiotasks.wait_all(tasks))
    await passes(3)
    await client.aclose()
    assert isinstance(await outcome(wait), SchedulerClosed)
    await assert_forgotten(client)


@pytest.mark.looptime
@pytest.mark.covers("I-02", "F-44")
@pytest.mark.parametrize("word", ["running", "done"])
async def test_wait_that_begins_while_the_scheduler_closes_ends(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, word: str
):
    """A long registration during which the scheduler closes is no wait without end, on however many tasks it is."""
    monkeypatch.setattr(Turns, "is_over", True)
    for step in range(1, 20):  # once in each pass of a registration
        async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
            first = [client.start(f"first{n}", word) for n in range(2 * TURN_SLICE)]
            if word == "done":
                await aiotasks.wait_all(first)  # the wait below begins with them, and is on nobody meanwhile
            tasks = [*first, *(client.start(f"t{n}") for n in range(6 * TURN_SLICE))]
            waits = [start(aiotasks.wait_all(tasks)), start(_drained(aiotasks.as_completed(tasks)))]
            await passes(step)
            await scheduler.aclose()
            for wait in waits:
                assert isinstance(await asyncio.wait_for(outcome(wait), 30), SchedulerClosed)
            assert not names()


# --- loops ------------------------------------------------------------------------------------------------


def test_loop_that_shuts_down_ends_every_wait():
    """`asyncio.run` returns with waits pending: they are cancelled, nothing of the library outlives it."""
    platform = FakePlatform(latency=0.01)
    ends: list[object] = []

    async def stubborn(task: aiotasks.Task) -> None:
        try:
            await task.wait_till_done()
        except asyncio.CancelledError as error:
            ends.append(error)
        try:
            await task.wait_till_done()  # once more, while the loop shuts down
        except SchedulerClosed as error:
            ends.append(error)

    async def main() -> aiotasks.Scheduler:
        client = platform.client()
        tasks = [client.start(f"t{n}") for n in range(50)]
        keep.extend(start(stubborn(task)) for task in tasks)
        await asyncio.sleep(0.6)
        return client.scheduler

    keep: list[object] = []
    scheduler = asyncio.run(main(), debug=True)
    assert [type(end) for end in ends].count(asyncio.CancelledError) == 50
    assert [type(end) for end in ends].count(SchedulerClosed) == 50
    assert repr(scheduler) == "<Scheduler closed: 0 tasks, 0 waits, 0 in flight>"


@pytest.mark.looptime
@pytest.mark.covers("I-02")
async def test_query_cancelled_by_somebody_else_is_asked_again(client: FakeClient, platform: FakePlatform):
    """Whoever cancels every asyncio task in sight does not make a wait hang."""
    platform.latency = 1.0
    task = client.start("a", "done")
    wait = start(task.wait_till_done())
    await asyncio.sleep(1.0)
    (query,) = [task for task in asyncio.all_tasks() if task.get_name().startswith("aiotasks query")]
    query.cancel()
    await wait
    assert len(platform.queries) == 2
    assert platform.gaps[0] >= 2.5


@pytest.mark.looptime
async def test_cancelled_root_ends_every_wait(platform: FakePlatform):
    """The scheduler's root, cancelled from outside, takes every wait with it rather than leave one hanging."""
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        wait = start(client.start("a").wait_till_done())
        await asyncio.sleep(1.0)
        (root,) = [task for task in asyncio.all_tasks() if task.get_name() == "aiotasks scheduler"]
        root.cancel()
        assert isinstance(await outcome(wait), SchedulerClosed)


@pytest.mark.covers("F-42")
def test_use_from_another_loop_is_refused_at_once():
    """Client, task and scheduler belong to the loop of their first use, in whatever thread the other one runs."""
    platform = FakePlatform()
    client = platform.client()
    task = client.start("a", "done")

    async def use() -> None:
        await task

    asyncio.run(use())
    found: list[object] = []

    async def misuse() -> None:
        calls = (
            client.start("b").wait_till_done(),
            client.find("a"),
            aiotasks.wait_all([task]),
            client.scheduler.aclose(),
            client.aclose(),
        )
        found.extend(await asyncio.gather(*calls, return_exceptions=True))

    asyncio.run(misuse())
    thread = threading.Thread(target=lambda: asyncio.run(misuse()))
    thread.start()
    thread.join()
    assert [type(error) for error in found] == [WrongLoop] * 10
    assert "event loop of their first await" in str(found[0])


@pytest.mark.covers("F-42", "F-78")
def test_use_without_a_loop_is_refused():
    """What needs a loop says so; constructing needs none."""
    client = FakePlatform().client()
    aiotasks.Scheduler()
    with pytest.raises(WrongLoop, match="inside a running event loop"):
        client.enter()
    with pytest.raises(WrongLoop, match="inside a running event loop"):
        aiotasks.current_scheduler()
    with pytest.raises(WrongLoop, match="inside a running event loop"):
        aiotasks.Scheduler().enter()


def test_each_loop_has_a_scheduler_of_its_own_and_closed_loops_are_let_go():
    """Shared schedulers do not pile up: those of closed loops go when the next one is made."""
    from aiotasks._runtime.scheduler import _schedulers

    async def mine() -> aiotasks.Scheduler:
        return aiotasks.current_scheduler()

    made = {asyncio.run(mine()) for _ in range(5)}
    assert len(made) == 5
    assert sum(loop.is_closed() for loop in _schedulers) == 1


# --- crashes ----------------------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.covers("F-45")
async def test_crash_reaches_every_wait_and_the_next_one_starts_anew(
    client: FakeClient, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
):
    """A fault of our own ends each wait with `SchedulerCrashed` and its cause; what had ended well stays so."""
    platform.latency = 0.2
    scheduler = client.scheduler
    ended, task = client.start("ended"), client.start("a")
    waits = [start(task.wait_till_done()), start(aiotasks.wait_all([task])), start(_drained(task.changes()))]
    well = start(ended.wait_till_done())
    await asyncio.sleep(2.8)  # the second query is in flight
    platform.set("ended", "done")
    planner = scheduler._planner
    due = planner.due

    def crash(now: float) -> object:
        if planner.desk.effects:  # the answer has been taken in, and `due` was to say so
            raise ZeroDivisionError("a bug")
        return due(now)

    monkeypatch.setattr(planner, "due", crash)
    for wait in waits:
        error = await outcome(wait)
        assert isinstance(error, SchedulerCrashed)
        assert isinstance(error.__cause__, ZeroDivisionError)
    assert await outcome(well) is None
    assert now() == 2.9
    before = scheduler.statistics()
    assert (before.waits, before.in_flight, before.tasks) == (0, 0, 2)
    assert (before.requests, before.waits_begun, before.errors) == (2, 4, {"SchedulerCrashed": 1})
    platform.set("a", "done")
    await task
    assert scheduler.statistics().requests == 3
    assert min(platform.gaps) >= 2.2


@pytest.mark.looptime
@pytest.mark.covers("I-01", "F-45")
async def test_crash_keeps_the_two_seconds_for_every_handle(
    client: FakeClient, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
):
    """A handle made before the crash, and one made after it, ask no sooner than the one that waited then."""
    task, second = client.start("a"), client.open("a")
    await _crashed(client, start(task.wait_till_done()), monkeypatch)
    platform.set("a", "done")
    await asyncio.gather(start(second.wait_till_done()), start(client.open("a").wait_till_done()))
    assert len(platform.queries) == 2
    assert 2.0 <= platform.gaps[0] <= 3.1
    await assert_forgotten(client)


@pytest.mark.looptime
@pytest.mark.covers("F-45", "F-16")
async def test_crash_does_not_cut_a_retry_after_short(
    client: FakeClient, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
):
    """A platform that asked to be left alone for a minute is left alone, crash or not."""
    platform.script = [Response(status=429, headers={"retry-after": "60"})]
    await _crashed(client, start(client.start("a").wait_till_done()), monkeypatch)
    await client.start("b", "done").wait_till_done(timeout_seconds=None)
    assert platform.asked("b")[0] >= 60.5


@pytest.mark.looptime
async def test_crash_leaves_nothing_behind(client: FakeClient, monkeypatch: pytest.MonkeyPatch):
    """What is kept of a crashed planner is forgotten two seconds later."""
    await _crashed(client, start(client.start("a").wait_till_done()), monkeypatch)
    assert client.scheduler.statistics().tasks == 1
    await assert_forgotten(client)


async def _crashed(client: FakeClient, wait: asyncio.Task[None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the scheduler crash one second after `wait` began, half a second after the first query."""

    def crash(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    await asyncio.sleep(1.0)
    monkeypatch.setattr(client.scheduler._planner, "due", crash)
    client.scheduler._nudge()
    assert isinstance(await outcome(wait), SchedulerCrashed)


@pytest.mark.looptime
@pytest.mark.covers("F-39")
async def test_source_that_raises_fails_its_query_alone(
    client: FakeClient, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
):
    """Somebody's broken source is a fault like another: counted, told in `last_error`, asked again."""
    other_platform = FakePlatform(name="other")
    async with other_platform.client() as other:
        sound = start(other.start("sound", "done").wait_till_done())
        kind = type(client._source)
        observe = kind.observe
        broken = [True]

        def fail_once(self: object, row: object) -> object:
            if broken and broken.pop():
                raise KeyError("oops")
            return observe(self, row)  # type: ignore[arg-type]

        task = client.start("a", "done")
        wait = start(task.wait_till_done())
        await asyncio.sleep(0.4)
        monkeypatch.setattr(kind, "observe", fail_once)
        await asyncio.gather(sound, wait)
    assert client.scheduler.statistics().errors == {"ProtocolError": 1}


@pytest.mark.looptime
@pytest.mark.covers("F-45", "I-02")
@pytest.mark.parametrize(("said", "step"), [(None, "_landed"), (Response(status=503), "_failed")])
async def test_crash_at_the_end_of_a_query_reaches_every_wait(
    client: FakeClient, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch, said: Response | None, step: str
):
    """A fault of our own in taking in how a query ended is no wait without end, and no fault of the source."""

    def crash(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    platform.script = [said] if said else []
    scheduler, task = client.scheduler, client.start("a")
    planner = scheduler._planner
    monkeypatch.setattr(planner, step, crash)
    waits = [start(task.wait_till_done()), start(aiotasks.wait_all([task, client.start("b")]))]
    for wait in waits:
        error = await asyncio.wait_for(outcome(wait), 60)
        assert isinstance(error, SchedulerCrashed)
        assert isinstance(error.__cause__, ZeroDivisionError)
    assert now() == 0.5
    assert scheduler.statistics().errors == {"SchedulerCrashed": 1}
    platform.set("a", "done")
    await task
    assert min(platform.gaps) >= 2.0
    await assert_forgotten(client)


# --- processes --------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.covers("F-46")
async def test_forked_child_is_refused_and_the_parent_goes_on():
    """After a fork the child may not touch the parent's scheduler; the parent does not notice."""
    platform = FakePlatform()
    async with platform.client() as client:
        task = client.start("a")
        wait = start(task.wait_till_done())
        await asyncio.sleep(0.01)
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            said = "nothing"
            try:
                try:
                    client.enter()
                except ForkedScheduler as error:
                    said = f"{type(error).__name__}: {error}"

                async def anew() -> str:
                    return repr(aiotasks.current_scheduler())

                said += "\n" + asyncio.new_event_loop().run_until_complete(anew())
            finally:
                os.write(writer, said.encode())
                os._exit(0)
        os.waitpid(child, 0)  # noqa: ASYNC222 - the child is about to exit
        said = os.read(reader, 10_000).decode()
        os.close(reader)
        os.close(writer)
        assert said.splitlines() == [
            "ForkedScheduler: the scheduler lives in the parent process; construct one in this process",
            "<Scheduler idle: 0 tasks, 0 waits, 0 in flight>",
        ]
        platform.set("a", "done")
        await wait


@pytest.mark.slow
@pytest.mark.covers("F-43")
def test_loop_closed_under_a_wait_raises_nothing():
    """A loop closed with waits pending, and the interpreter's exit after it: a `ResourceWarning` and no traceback."""
    script = """
        import asyncio, gc, aiotasks
        from aiotasks.testing import FakePlatform

        async def main():
            client = FakePlatform().client(aiotasks.Scheduler())
            wait = asyncio.get_running_loop().create_task(client.start("a").wait_till_done())
            await asyncio.sleep(0.01)

        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        del loop
        gc.collect()
        print("alive")
    """
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == "alive\n"
    assert done.stderr.count("ResourceWarning: unclosed <Scheduler waiting: 1 tasks, 1 waits, 0 in flight>") == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.looptime
@pytest.mark.covers("F-37", "F-38")
async def test_dropped_tasks_and_schedulers_leave_nothing(platform: FakePlatform):
    """Tasks and schedulers that nobody holds are collected, without a word."""
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        wait = start(client.start("a", "failed").wait_till_done())
        await wait
        del wait
    gc.collect()
    before = sum(isinstance(thing, aiotasks.Scheduler) for thing in gc.get_objects())
    del scheduler, client
    gc.collect()
    await passes()
    assert sum(isinstance(thing, aiotasks.Scheduler) for thing in gc.get_objects()) == before - 1


# --- what a scheduler keeps -------------------------------------------------------------------------------


async def test_kept_client_is_made_once_and_closed_with_its_scheduler(platform: FakePlatform):
    """One per key; one that was closed is made anew; `aclose` closes them."""
    scheduler = aiotasks.Scheduler()
    first = scheduler.keep("a", lambda: platform.client(scheduler))
    assert scheduler.keep("a", lambda: platform.client(scheduler)) is first
    assert scheduler.keep("b", lambda: platform.client(scheduler)) is not first
    await first.aclose()
    second = scheduler.keep("a", lambda: platform.client(scheduler))
    assert second is not first
    await asyncio.sleep(0)
    await scheduler.aclose()
    assert second.is_closed
    with pytest.raises(SchedulerClosed):
        scheduler.keep("a", lambda: platform.client(scheduler))


def test_kept_client_is_closed_with_its_loop(platform: FakePlatform):
    """A loop that shuts down without a word to the scheduler closes it too."""

    async def main() -> FakeClient:
        client = aiotasks.current_scheduler().keep("a", platform.client)
        await client.start("a", "done")
        return client

    assert asyncio.run(main()).is_closed
