"""The scheduler's own life: when its root lives, what it holds, what it tells, and what it costs its neighbours."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import time
from typing import TYPE_CHECKING

import pytest

import aiotasks
from aiotasks._runtime import scheduler as scheduler_module
from aiotasks._runtime.home import Home
from aiotasks.errors import InvalidType, SchedulerFull, WaitTimeout
from aiotasks.models import Response
from aiotasks.testing import FakePlatform
from tests.runtime.support import assert_forgotten, later, least_gap, names, now, outcome, passes, start

if TYPE_CHECKING:
    from aiotasks.testing import FakeClient

# --- its root -----------------------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.covers("I-09")
async def test_root_lives_while_somebody_waits(client: FakeClient, platform: FakePlatform):
    """No asyncio task before the first wait; none after the last; the tasks are forgotten two seconds later."""
    assert not names()
    assert repr(client.scheduler) == "<Scheduler idle: 0 tasks, 0 waits, 0 in flight>"
    wait = start(client.start("a").wait_till_done())
    await passes()
    assert names() == {"aiotasks scheduler"}
    assert repr(client.scheduler) == "<Scheduler waiting: 1 tasks, 1 waits, 0 in flight>"
    await asyncio.sleep(1.0)
    platform.set("a", "done")
    await wait
    await passes()
    assert not names()
    assert client.scheduler.statistics().tasks == 1
    await asyncio.sleep(1.99)
    assert client.scheduler.statistics().tasks == 1
    await asyncio.sleep(0.02)
    assert client.scheduler.statistics().tasks == 0


@pytest.mark.looptime
async def test_root_waits_for_the_query_of_a_wait_that_left(client: FakeClient, platform: FakePlatform):
    """A query under way is waited for although nobody needs its answer: the two seconds run from its end."""
    platform.latency = 3.0
    with pytest.raises(WaitTimeout):
        await client.start("a").wait_till_done(timeout_seconds=1.0)
    assert names() == {"aiotasks scheduler", "aiotasks query 1"}
    with pytest.raises(WaitTimeout):
        await client.open("a").wait_till_done(timeout_seconds=6.0)
    assert platform.asked("a") == [0.5, 5.5]
    await asyncio.sleep(3.0)
    await assert_forgotten(client)


@pytest.mark.looptime
@pytest.mark.covers("I-05")
async def test_scheduler_does_nothing_between_two_checks(client: FakeClient, platform: FakePlatform):
    """No busy loop: an hour of waiting for a task that is asked once a minute takes a few passes per check."""
    planner = client.scheduler._planner
    count = 0
    due = planner.due

    def counted(now: float) -> object:
        nonlocal count
        count += 1
        return due(now)

    planner.due = counted  # type: ignore[method-assign, assignment]
    start(later(3_599.0, lambda: platform.set("a", "done")))
    await client.start("a").wait_till_done(timeout_seconds=None, check_frequency=60)
    assert len(platform.queries) == 61
    assert count <= 3 * 61


@pytest.mark.looptime
async def test_timer_that_fires_early_does_not_make_it_spin(platform: FakePlatform):
    """Deadlines that the clock cannot tell from now (7.800000000000001 at 7.8) are reached, not asked for again."""
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        task = client.start("a")
        for timeout in (0.7, 1.0, 0.9) * 5:
            with pytest.raises(WaitTimeout):
                await task.wait_till_done(timeout_seconds=timeout)
        assert now() == pytest.approx(13.0)


@pytest.mark.looptime
async def test_root_and_queries_run_in_an_empty_context(client: FakeClient, platform: FakePlatform):
    """The first caller's request variables are not kept for ever, nor seen by queries."""
    request = contextvars.ContextVar("request", default="nobody's")
    request.set("the first caller's")
    seen = []
    platform.script = [lambda _: seen.append(request.get())]  # type: ignore[list-item, func-returns-value]
    await client.start("a", "done")
    assert seen == ["nobody's"]


@pytest.mark.looptime
@pytest.mark.covers("F-51")
@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_eager_tasks_change_nothing(platform: FakePlatform):
    """Under an eager task factory everything comes at the same second as without."""
    loop = asyncio.get_running_loop()
    seconds, queries = [], []
    for factory in (None, asyncio.eager_task_factory):  # type: ignore[attr-defined, unused-ignore]
        loop.set_task_factory(factory)
        began = now()
        async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
            tasks = [client.start(f"{began} {n}") for n in range(250)]
            waits = [start(task.wait_till_done()) for task in tasks]
            await asyncio.sleep(1.0)
            doomed = start(tasks[0].wait_till_done())
            doomed.cancel()
            for task in tasks:
                platform.set(task.id, "done")
            await asyncio.gather(*waits)
            seconds.append(now() - began)
            queries.append([len(ids) for at, ids in platform.queries if at >= began])
            await assert_forgotten(client)
    loop.set_task_factory(None)
    assert seconds[0] == seconds[1]
    assert queries[0] == queries[1]


# --- clocks -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.covers("I-01", "F-51")
def test_uvloop_keeps_the_two_seconds_by_the_real_clock():
    """Its clock is read once per pass, in milliseconds: however long a pass takes, 2.000 s lie between queries."""
    uvloop = pytest.importorskip("uvloop")
    platform = FakePlatform(batch_limit=1, latency=0.001)
    answer, ends, gaps = platform.answer, dict[str, float](), list[float]()

    async def timed(ids: list[str]) -> Response:
        (id,) = ids
        if id in ends:
            gaps.append(time.monotonic() - ends[id])  # noqa: TID251 - what the loop's clock is held against
        response = await answer(ids)
        time.sleep(0.0007)  # noqa: ASYNC251 - work of others in the same pass
        ends[id] = time.monotonic()  # noqa: TID251 - likewise
        return response

    async def main() -> None:
        platform.answer = timed  # type: ignore[method-assign]
        async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
            with pytest.raises(WaitTimeout):
                await aiotasks.wait_all([client.start(f"t{n}") for n in range(100)], timeout_seconds=5.0)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
    assert len(gaps) >= 100
    assert 2.0 <= min(gaps) < 2.1


@pytest.mark.looptime
async def test_clock_of_an_asyncio_loop_is_taken_as_it_is():
    """Virtual time, as looptime makes it, is exact: nothing is added to the end of a query."""
    home = Home()
    home.enter()
    assert home.just_after() == home.now() == 0.0


# --- limits and options -------------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.covers("F-49", "L-18")
async def test_too_many_waits_on_one_task_are_refused(
    client: FakeClient, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
):
    """One wait more than the limit is `SchedulerFull`; as soon as another has left, there is room."""
    monkeypatch.setattr(scheduler_module, "MOST_WAITS_PER_TASK", 3)
    task = client.start("a")
    waits = [start(task.wait_till_done()) for _ in range(3)]
    await passes()
    for work in (task.wait_till_done(), aiotasks.wait_all([client.open("b"), task]), task.refresh()):
        with pytest.raises(SchedulerFull, match="task 'a' has 3 waits"):
            await work
    assert client.scheduler.statistics().tasks == 1, "nothing of a refused set was registered"
    waits[0].cancel()
    await passes()
    waits.append(start(task.wait_till_done()))
    await passes()
    platform.set("a", "done")
    await asyncio.gather(*waits[1:])


@pytest.mark.looptime
@pytest.mark.covers("F-49", "L-18", "B-08")
async def test_too_many_tasks_are_refused_whole(
    client: FakeClient, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
):
    """A set that does not fit is refused before any request, and nothing of it is registered."""
    monkeypatch.setattr(scheduler_module, "MOST_TASKS", 250)
    tasks = [client.start(f"t{n}", "done") for n in range(300)]
    with pytest.raises(SchedulerFull, match="given 300 new ones beside 0, allowed: 250 in all"):
        await aiotasks.wait_all(tasks)
    await asyncio.sleep(3)
    assert platform.queries == []
    assert client.scheduler.statistics().tasks == 0
    assert await aiotasks.wait_all(tasks[:250]) == tasks[:250]


async def test_other_things_than_a_scheduler_are_refused(platform: FakePlatform):
    """`scheduler=` takes a scheduler or nothing."""
    with pytest.raises(InvalidType, match="scheduler: given 'x', allowed: a Scheduler or None"):
        platform.client("x")  # type: ignore[arg-type]


# --- statistics ---------------------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.covers("I-12")
async def test_statistics_tell_what_it_is_doing(client: FakeClient, platform: FakePlatform):
    """A frozen snapshot: counts, the next query, lateness, errors, and each source."""
    platform.latency = 0.25
    scheduler = client.scheduler
    assert scheduler.statistics().next_query_seconds is None
    waits = [start(client.start(f"t{n}").wait_till_done()) for n in range(250)]
    await passes()
    await asyncio.sleep(0.1)
    first = scheduler.statistics()
    assert (first.tasks, first.waits, first.cohorts, first.in_flight, first.requests) == (250, 250, 3, 2, 2)
    platform.script = [Response(status=500)]
    await asyncio.sleep(1.9)
    later_on = scheduler.statistics()
    assert (first.requests, first.checks) == (2, 200)
    assert (later_on.requests, later_on.checks, later_on.failures) == (3, 250, 1)
    assert later_on.errors == {"ServerError": 1}
    assert later_on.unchanged == 0
    assert 0.0 <= later_on.lateness_p50 <= later_on.lateness_p99 <= later_on.lateness_max < 1e-5
    (source,) = later_on.sources
    assert (source.platform, source.lane, source.tasks, source.cohorts) == ("fake", "jobs", 250, 3)
    assert (source.batch_limit, source.away_seconds, source.is_circuit_open) == (100, 0.0, False)
    await asyncio.sleep(2.0)
    assert scheduler.statistics().unchanged == 2
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)
    assert scheduler.statistics().waits_begun == 250
    with pytest.raises(AttributeError):
        first.requests = 0  # type: ignore[misc]


@pytest.mark.looptime
async def test_statistics_of_an_account_that_asked_for_patience(client: FakeClient, platform: FakePlatform):
    """`away_seconds` and `next_query_seconds` tell how long a `Retry-After` keeps it away."""
    platform.script = [Response(status=429, headers={"retry-after": "60"})]
    wait = start(client.start("a").wait_till_done(timeout_seconds=20))
    await asyncio.sleep(10.5)
    statistics = client.scheduler.statistics()
    assert 50 <= statistics.sources[0].away_seconds <= 55
    assert statistics.next_query_seconds == statistics.sources[0].away_seconds
    assert isinstance(await outcome(wait), WaitTimeout)
    assert statistics.timeouts == 0
    assert client.scheduler.statistics().timeouts == 1


# --- neighbours ---------------------------------------------------------------------------------------------


@pytest.mark.looptime
@pytest.mark.covers("I-04", "F-51")
async def test_mass_wake_ups_leave_room_for_others_in_every_pass(platform: FakePlatform):
    """However many waits end in one moment, a neighbour has its turn after every 64 of them."""
    platform.batch_limit = 5_000
    async with aiotasks.Scheduler() as scheduler, platform.client(scheduler) as client:
        waits = [start(client.start(f"t{n}", "done").wait_till_done()) for n in range(5_000)]
        woken, most = 0, 0
        while woken < 5_000:
            await asyncio.sleep(0)
            done = sum(wait.done() for wait in waits)
            woken, most = done, max(most, done - woken)
        assert most == 64
        assert now() == 0.0, "a full cohort is asked at once"


@pytest.mark.covers("I-04", "F-51")
async def test_long_registration_leaves_room_for_others(client: FakeClient, platform: FakePlatform):
    """A set of 50,000 is registered over many passes of the loop."""
    tasks = [client.start(f"t{n}") for n in range(50_000)]
    wait = start(aiotasks.wait_all(tasks))
    registered = [0]
    while registered[-1] < 50_000:
        await asyncio.sleep(0)
        registered.append(client.scheduler.statistics().tasks)
    assert len(set(registered)) > 20
    wait.cancel()
    assert isinstance(await outcome(wait), asyncio.CancelledError)
    while names():  # noqa: ASYNC110 - taking 500 cohorts apart is cut into turns as well
        await asyncio.sleep(0)


@pytest.mark.looptime
@pytest.mark.covers("F-41")
async def test_stalled_loop_asks_each_task_once(client: FakeClient, platform: FakePlatform):
    """After a stall of seconds every overdue task is asked once; time-outs go by the loop's clock."""
    tasks = [client.start(f"t{n}") for n in range(300)]
    patient = start(aiotasks.wait_all(tasks))
    hasty = start(tasks[0].wait_till_done(timeout_seconds=4.0))
    await asyncio.sleep(1.0)
    asyncio.get_running_loop().setup_looptime(start=31.0)  # type: ignore[attr-defined]
    await asyncio.sleep(1.99)
    assert isinstance(await outcome(hasty), WaitTimeout)
    assert all(sum(at >= 31.0 for at in platform.asked(task.id)) == 1 for task in tasks)
    for task in tasks:
        platform.set(task.id, "done")
    await patient
    assert least_gap(platform) >= 2.0
