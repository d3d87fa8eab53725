"""The main job, end to end: the client, the scheduler and the emulated Labelbox over real sockets."""

from __future__ import annotations

import asyncio
import gc
import random

import pytest

import aiotasks
from aiotasks._runtime.scheduler import CallersWait
from aiotasks.emulators.labelbox import LabelboxEmulator
from aiotasks.providers import labelbox


def start(work):
    """A caller's own asyncio task."""
    return asyncio.get_running_loop().create_task(work)


INTERVAL, WINDOW, SLACK = 2.0, 0.5, 0.2


def ends_of(emulator: LabelboxEmulator) -> dict[str, float]:
    return {job["id"]: job["end"] for job in emulator.tasks()}


def audited(emulator: LabelboxEmulator) -> dict:
    audit = emulator.audit()
    assert audit["violations"] == 0
    # In virtual time nothing takes time: gaps of exactly 2 s are the rule, give or take the last bit of a float.
    assert audit["min_gap_seconds"] is None or audit["min_gap_seconds"] >= 2.0 - 1e-9
    return audit


@pytest.mark.looptime
@pytest.mark.covers("I-01", "I-02")
@pytest.mark.parametrize("way", [{}, {"id_in": False}, {"id_in": False, "complexity_limit": 20}], ids=str)
async def test_two_thousand_tasks_are_awaited_in_few_queries(way):
    """Requests are a fortieth of one by one (a tenth at 20 a query), and nobody is woken late."""
    emulator = LabelboxEmulator(seed=2, duration=(5.0, 15.0))
    if way:
        emulator.fault(**way)
    async with emulator.serve() as url, labelbox.Client(emulator.api_key, endpoint=url) as client:
        ids = [job["id"] for job in emulator.create_tasks(count=2_000)]
        loop = asyncio.get_running_loop()
        woken: dict[str, float] = {}

        async def wait(task_id):
            task = await client.get_task_by_id(task_id)
            await task.wait_till_done()
            woken[task_id] = loop.time()

        await asyncio.gather(*map(wait, ids))
        ends = ends_of(emulator)
        delays = [woken[id] - ends[id] for id in ids]
        assert min(delays) >= 0
        assert max(delays) <= INTERVAL + WINDOW + SLACK
        audit = audited(emulator)
        assert audit["checks"] >= 2_000
        assert audit["status_requests"] * (14 if "complexity_limit" in way else 40) <= audit["checks"]


@pytest.mark.looptime
@pytest.mark.covers("I-01", "I-07", "F-10", "F-33")
async def test_two_seconds_hold_under_many_waits_refreshes_and_cancellations_on_a_slow_server():
    """Ten waits per task, refreshes and cancelled waits never make two queries about one task meet."""
    emulator = LabelboxEmulator(seed=3, duration=(5.0, 15.0))
    emulator.fault(slow=0.5)
    chance = random.Random(3)
    async with emulator.serve() as url, labelbox.Client(emulator.api_key, endpoint=url) as client:
        ids = [job["id"] for job in emulator.create_tasks(count=150)]
        tasks = await asyncio.gather(*map(client.get_task_by_id, ids))
        waits = [
            start(task.wait_till_done(check_frequency=chance.choice([2.0, 2.0, 3.5])))
            for task in tasks
            for _ in range(10)
        ]
        doomed = chance.sample(waits, 500)
        for number, wait in enumerate(doomed):
            wait.cancel()
            if number % 25 == 0:
                refreshes = [start(task.refresh()) for task in chance.sample(tasks, 20)]
                await asyncio.sleep(chance.random())
        ended = await asyncio.gather(*waits, return_exceptions=True)
        await asyncio.gather(*refreshes)
        for wait, outcome in zip(waits, ended, strict=True):
            assert outcome is None or (wait in doomed and isinstance(outcome, asyncio.CancelledError))
        assert all(task.status == "COMPLETE" for task in tasks)
        audited(emulator)


@pytest.mark.looptime
@pytest.mark.covers("F-33", "I-05", "I-07", "I-09")
async def test_ten_thousand_cancelled_waits_leave_nothing_behind():
    """The other waits end as if nothing had happened; no asyncio task, wait or registered task is left."""
    emulator = LabelboxEmulator(seed=4, duration=(8.0, 12.0))
    chance = random.Random(4)
    async with emulator.serve() as url:
        before = len(asyncio.all_tasks())
        async with labelbox.Client(emulator.api_key, endpoint=url) as client:
            ids = [job["id"] for job in emulator.create_tasks(count=1_000)]
            tasks = await asyncio.gather(*map(client.get_task_by_id, ids))
            waits = [start(task.wait_till_done()) for task in tasks for _ in range(12)]
            doomed = set(chance.sample(waits, 10_000))
            for number, wait in enumerate(doomed):
                wait.cancel()
                if number % 500 == 0:
                    await asyncio.sleep(0.1)
            unharmed = await asyncio.gather(*(wait for wait in waits if wait not in doomed))
            assert len(unharmed) == 2_000
            await asyncio.gather(*doomed, return_exceptions=True)
            assert client.scheduler.statistics().waits == 0
            await asyncio.sleep(3.0)
            assert client.scheduler.statistics().tasks == 0
            audited(emulator)
        await asyncio.sleep(0.1)
        assert len(asyncio.all_tasks()) <= before
    del wait, waits, doomed, unharmed  # a cancelled asyncio task keeps its frames
    gc.collect()
    assert not [left for left in gc.get_objects() if isinstance(left, CallersWait)]


@pytest.mark.looptime
@pytest.mark.covers("F-19", "I-04")
async def test_an_unknown_id_is_not_found_and_its_batch_goes_on():
    """`TaskNotFound` comes to that task alone, after it was asked about twice."""
    emulator = LabelboxEmulator(seed=5, duration=(5.0, 6.0))
    async with emulator.serve() as url, labelbox.Client(emulator.api_key, endpoint=url) as client:
        ids = [job["id"] for job in emulator.create_tasks(count=30)]
        *good, bad = await asyncio.gather(*map(client.get_task_by_id, [*ids, "c-unknown"]), return_exceptions=True)
        assert isinstance(bad, aiotasks.TaskNotFound)
        assert bad.task_id == "c-unknown"
        assert all(task.is_done for task in await aiotasks.wait_all(good))
        audited(emulator)


@pytest.mark.looptime
@pytest.mark.covers("I-04", "F-14", "F-15", "F-05", "F-24")
@pytest.mark.parametrize(
    "fault",
    [
        {"status": 502, "times": 3},
        {"status": 429, "retry_after": 5, "times": 2},
        {"reset": True, "times": 3},
        {"slow": 1.5, "times": 5},
    ],
    ids=str,
)
async def test_faults_delay_a_wait_and_never_end_it(fault):
    """A failed poll is not a failed job."""
    emulator = LabelboxEmulator(seed=6, duration=(5.0, 8.0))
    async with emulator.serve() as url, labelbox.Client(emulator.api_key, endpoint=url) as client:
        ids = [job["id"] for job in emulator.create_tasks(count=120)]
        tasks = await asyncio.gather(*map(client.get_task_by_id, ids))
        emulator.fault(on="status", **fault)
        await aiotasks.wait_all(tasks, timeout_seconds=120)
        assert all(task.status == "COMPLETE" for task in tasks)
        audited(emulator)


@pytest.mark.looptime
async def test_a_wrong_key_ends_the_wait_with_an_auth_error():
    """Two refusals, then silence: the key will not become right by asking."""
    emulator = LabelboxEmulator(seed=7)
    async with emulator.serve() as url, labelbox.Client("wrong", endpoint=url) as client:
        with pytest.raises(aiotasks.AuthError) as refused:
            await client.get_user()
        assert "wrong" not in str(refused.value)
        assert emulator.audit()["requests"] <= 2
